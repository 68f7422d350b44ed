//! The data folder: one process at a time, and files that only it reads.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use carillon_link::{Credentials, CredentialsRecord};
use rustix::fs::{FlockOperation, flock};

/// A data folder that belongs to this process until it is dropped.
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

const MEDIA_CREDENTIALS: &str = "media.credentials";
const AUTHORITY: &str = "ca.pem";

impl DataFolder {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("create the data folder {}", path.display()))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .with_context(|| format!("open the lock of {}", path.display()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another process uses the data folder {}", path.display());
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where the replicated log lies.
    #[cfg_attr(
        not(feature = "rocks"),
        allow(dead_code, reason = "nothing is kept then")
    )]
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Leaves the authority's certificate for phones, browsers and scripts.
    pub(crate) fn write_authority(&self, pem: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(AUTHORITY);
        fs::write(&path, pem).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// What the media server of this folder was let in with.
    pub(crate) fn media_credentials(&self) -> anyhow::Result<Option<Arc<Credentials>>> {
        let path = self.path.join(MEDIA_CREDENTIALS);
        if !path.exists() {
            return Ok(None);
        }
        let octets = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let record: CredentialsRecord = rmp_serde::from_slice(&octets)
            .with_context(|| format!("understand {}", path.display()))?;
        Ok(Some(Arc::new(Credentials::restore(record)?)))
    }

    pub(crate) fn keep_media_credentials(&self, credentials: &Credentials) -> anyhow::Result<()> {
        let octets = rmp_serde::to_vec_named(credentials.record()).context("encode credentials")?;
        let path = self.path.join(MEDIA_CREDENTIALS);
        let fresh = path.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&fresh)?;
            file.write_all(&octets)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().with_context(|| format!("write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_do_not_share_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataFolder::open(dir.path()).unwrap();
        assert!(DataFolder::open(dir.path()).is_err());
        drop(first);
        assert!(DataFolder::open(dir.path()).is_ok());
    }
}
