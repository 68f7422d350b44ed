//! The RocksDB archive, compiled once a machine. It is the largest cost of a first build (ten to twenty-five minutes on two
//! cores), so every target folder and every checkout links the same `librocksdb.a` from the cache.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::debian;
use crate::lock::Lock;
use crate::workspace::{Workspace, cache};

const PACKAGE: &str = "librocksdb-sys";
const PROGRESS_EVERY: Duration = Duration::from_secs(20);

pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    pub(crate) fn make(workspace: &Workspace) -> Result<Self> {
        let Some(version) = version(workspace) else {
            return Ok(Self {
                folder: PathBuf::new(),
            });
        };
        let home = cache()?.join("rocksdb").join(version.replace('+', "-"));
        let folder = home.join("lib");
        if !holds_archive(&folder) {
            let _lock = Lock::take(&home.join("lock"), "the RocksDB archive")?;
            if !holds_archive(&folder) {
                build(workspace, &home, &folder)?;
            }
        }
        Ok(Self { folder })
    }

    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        if self.folder.as_os_str().is_empty() {
            return Vec::new();
        }
        vec![
            ("ROCKSDB_LIB_DIR", self.folder.clone().into_os_string()),
            ("ROCKSDB_STATIC", OsString::from("1")),
        ]
    }
}

fn version(workspace: &Workspace) -> Option<String> {
    let package = workspace
        .metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == PACKAGE)?;
    Some(package.version.to_string())
}

fn holds_archive(folder: &Path) -> bool {
    folder.join("librocksdb.a").is_file()
}

fn build(workspace: &Workspace, home: &Path, folder: &Path) -> Result<()> {
    debian::ensure(&[&debian::BUILD])?;
    let target = home.join("build");
    let log_path = home.join("build.log");
    eprintln!(
        "xtask: compiling RocksDB, once for this machine. It takes ten to twenty-five minutes on two cores;\n\
         xtask: later builds link the archive in {}",
        folder.display()
    );
    let log =
        fs::File::create(&log_path).with_context(|| format!("create {}", log_path.display()))?;
    let mut child = Command::new("cargo")
        .current_dir(workspace.root())
        .args(["build", "--locked", "--package", PACKAGE])
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("ROCKSDB_LIB_DIR")
        .stdin(Stdio::null())
        .stderr(log.try_clone()?)
        .stdout(log)
        .spawn()
        .context("start cargo build of RocksDB")?;
    watch(&mut child, &target, &log_path)?;
    let built = find(&target, &|path| path.ends_with("out/librocksdb.a"))
        .pop()
        .context("the build of RocksDB left no librocksdb.a")?;
    publish(&built, folder)?;
    fs::remove_dir_all(&target).context("remove the build folder of RocksDB")
}

/// Waits for the build and shows how far it is: object files made, of the sources that the package lists.
fn watch(child: &mut Child, target: &Path, log_path: &Path) -> Result<()> {
    let started = Instant::now();
    let mut shown = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(500));
        if shown.elapsed() >= PROGRESS_EVERY {
            shown = Instant::now();
            let objects = find(target, &is_object).len();
            eprintln!(
                "xtask: RocksDB: {objects} files compiled, of about 350, in {} s",
                started.elapsed().as_secs()
            );
        }
    };
    if !status.success() {
        let log = fs::read_to_string(log_path).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(25).collect();
        for line in tail.iter().rev() {
            eprintln!("{line}");
        }
        bail!(
            "RocksDB was not built ({status}); the whole log is {}",
            log_path.display()
        );
    }
    Ok(())
}

/// An object file of RocksDB itself; cargo and other packages leave some too.
fn is_object(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "o")
        && path.to_string_lossy().contains(PACKAGE)
}

/// The archive appears under its final name only when it is whole.
fn publish(built: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let partial = folder.join("librocksdb.a.partial");
    fs::copy(built, &partial).with_context(|| format!("copy {}", built.display()))?;
    fs::rename(&partial, folder.join("librocksdb.a")).context("name the RocksDB archive")
}

fn find(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(find(&path, wanted));
        } else if wanted(&path) {
            found.push(path);
        }
    }
    found
}
