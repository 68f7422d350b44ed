//! Where things are: the workspace as cargo sees it, and the folder of this machine that outlives a checkout.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Workspace {
    pub(crate) metadata: Metadata,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .other_options(vec!["--locked".to_owned()])
            .exec()
            .context("read the workspace with cargo metadata --locked")?;
        Ok(Self { metadata })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// The crates of this repository, in name order.
    pub(crate) fn members(&self) -> Vec<&Package> {
        let mut members = self.metadata.workspace_packages();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }

    /// The folder of a crate relative to the root, such as `control-plane/sip`.
    pub(crate) fn folder<'a>(&'a self, package: &'a Package) -> Result<&'a Path> {
        let folder = package
            .manifest_path
            .parent()
            .context("a manifest lies in a folder")?;
        Ok(folder.as_std_path().strip_prefix(self.root())?)
    }

    /// Files that git tracks or would track, relative to the root.
    pub(crate) fn files(&self, patterns: &[&str]) -> Result<Vec<PathBuf>> {
        let output = Command::new("git")
            .current_dir(self.root())
            .args([
                "ls-files",
                "--cached",
                "--others",
                "--exclude-standard",
                "--",
            ])
            .args(patterns)
            .output()
            .context("list the files with git ls-files")?;
        let mut files: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(PathBuf::from)
            .filter(|file| self.root().join(file).is_file())
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// What is made once a machine and shared by every checkout: `$CARILLON_CACHE`, else `~/.cache/carillon`.
pub(crate) fn cache() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("CARILLON_CACHE") {
        return Ok(PathBuf::from(folder));
    }
    let home = env::var_os("HOME").context("neither CARILLON_CACHE nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/carillon"))
}
