//! A small disk for one node's data, which can be filled.

use anyhow::{Context, Result, bail, ensure};
use carillon_testkit::TestLab;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::standstill::Standstill;

/// What a node needs for a run, and little more.
const SIZE: &str = "size=160m";
/// What takes the room.
const BALLAST: &str = "ballast";
/// More than is ever reserved behind the end of a log.
const RESERVE: u64 = 1 << 30;

/// A file system in memory over a node's data folder, for as long as this value lives.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    pub(crate) node: usize,
    folder: PathBuf,
}

impl SmallDisk {
    /// Moves the data of a node there. The node ends for that, and starts again.
    pub(crate) fn under(lab: &mut TestLab, node: usize) -> Result<Self> {
        let name = lab.lab.control[node - 1].name.clone();
        lab.kill(&name)?;
        let folder = lab.dir().join("data").join(&name);
        let former = folder.with_extension("former");
        fs::rename(&folder, &former).context("put the node's data aside")?;
        fs::create_dir(&folder)?;
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(&folder))?;
        let disk = Self { node, folder };
        run(Command::new("cp")
            .arg("-a")
            .arg(former.join("."))
            .arg(&disk.folder))?;
        lab.start(&name)?;
        Ok(disk)
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join(BALLAST)
    }

    /// Writes until nothing more can be written. `writer` is the process that has its data here.
    pub(crate) fn fill(&self, writer: u32) -> Result<()> {
        self.take_reserves(writer)?;
        let mut file = File::create(self.ballast()).context("begin to fill the disk")?;
        let mut block = vec![0x55; 1 << 20];
        while !block.is_empty() {
            // What does not fit as a whole may fit in part.
            while file.write_all(&block).is_ok() {}
            block.truncate(block.len() / 2);
        }
        Ok(())
    }

    /// A log has room reserved behind its end, which would last for minutes. The writer stands still meanwhile: what it
    /// appended after the look for the end would be cut out of its log, synced and acknowledged as it is.
    fn take_reserves(&self, writer: u32) -> Result<()> {
        let _still = Standstill::of(writer)?;
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "log") {
                    take_reserve(&path)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn empty(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("empty the disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Its node may still run.
        if let Err(error) = unmount(&self.folder) {
            eprintln!("chaos: {error:#}");
        }
    }
}

fn take_reserve(log: &Path) -> Result<()> {
    let file = File::options().write(true).open(log)?;
    let end = file.metadata()?.len();
    fallocate(
        &file,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        end,
        RESERVE,
    )
    .with_context(|| format!("take what is reserved behind {}", log.display()))?;
    ensure!(
        file.metadata()?.len() == end,
        "{} grew while its reserve was taken: it may have lost what was acknowledged",
        log.display()
    );
    Ok(())
}

fn unmount(folder: &Path) -> Result<()> {
    run(Command::new("umount").arg("--lazy").arg(folder))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
