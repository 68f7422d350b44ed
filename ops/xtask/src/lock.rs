//! One at a time on this machine: a lock on a file, which the kernel drops with the process.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::Path;

pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock, and says so when it has to.
    pub(crate) fn take(path: &Path, purpose: &str) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("xtask: another process is busy with {purpose}; waiting for it");
            file.lock()
                .with_context(|| format!("lock {}", path.display()))?;
        }
        Ok(Self { _file: file })
    }
}
