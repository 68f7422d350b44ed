//! Each pure crate carries clippy's list of bans in its own folder, where clippy looks for it, and forbids unsafe code.

use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

use super::map::{PURE, crate_name};
use crate::workspace::Workspace;

/// The one text behind every `clippy.toml` of a pure crate.
const BANS: &str = include_str!("pure.clippy.toml");

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for folder in folders(workspace)? {
        let shown = folder.strip_prefix(workspace.root())?.display();
        if fs::read_to_string(folder.join("clippy.toml"))
            .ok()
            .as_deref()
            != Some(BANS)
        {
            breaches.push(format!(
                "{shown}/clippy.toml: not the bans of a pure crate; cargo xtask fix writes it"
            ));
        }
        let library = fs::read_to_string(folder.join("src/lib.rs")).unwrap_or_default();
        if !library.contains("#![forbid(unsafe_code)]") {
            breaches.push(format!(
                "{shown}/src/lib.rs: #![forbid(unsafe_code)] is missing"
            ));
        }
    }
    Ok(breaches)
}

pub(crate) fn write_bans(workspace: &Workspace) -> Result<()> {
    for folder in folders(workspace)? {
        let path = folder.join("clippy.toml");
        fs::write(&path, BANS).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn folders(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for package in workspace.members() {
        if crate_name(&package.name).is_some_and(|name| PURE.contains(&name)) {
            folders.push(workspace.root().join(workspace.folder(package)?));
        }
    }
    Ok(folders)
}
