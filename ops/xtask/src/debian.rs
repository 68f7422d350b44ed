//! What the tasks need from Debian, and how it gets there.

use anyhow::{Context, Result, bail};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use crate::lock::Lock;
use crate::workspace::cache;

/// Compiling RocksDB and its bindings.
pub(crate) const BUILD: [&str; 5] = [
    "g++",
    "make",
    "clang",
    "libclang1-14",
    "libclang-common-14-dev",
];

/// Phones, load, tones, namespaces and the metrics lint of the integration tests and the demo.
pub(crate) const PHONES: [&str; 8] = [
    "sip-tester",
    "baresip-core",
    "linphone-cli",
    "sox",
    "espeak-ng",
    "iproute2",
    "procps",
    "prometheus",
];

/// `promtool`, which reads the alerts and plays their stories.
pub(crate) const ALERTS: [&str; 1] = ["prometheus"];

/// What the benchmark compares with.
pub(crate) const RIVALS: [&str; 3] = ["kamailio", "rtpengine-daemon", "util-linux"];

/// Somebody else's apt is waited for so long.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=300";

/// Installs the packages of these lists that are missing; where this user may not, says the one command that does.
pub(crate) fn ensure(lists: &[&[&str]]) -> Result<()> {
    let missing = missing(&lists.concat())?;
    if missing.is_empty() {
        return Ok(());
    }
    let _lock = Lock::take(&cache()?.join("apt.lock"), "apt-get")?;
    let list = missing.join(" ");
    if !is_root()? {
        bail!(
            "these Debian packages are missing, and only root may install them. Run this, then try again:\n\n    \
             sudo apt-get update && sudo apt-get install --no-install-recommends {list}\n"
        );
    }
    eprintln!("xtask: installing from Debian: {list}");
    let _quiet = NoServices::begin();
    apt(&["update", "--quiet=2"])?;
    let mut arguments = vec!["install", "--quiet=1", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    apt(&arguments)
}

/// While it lives, packages do not start their daemons: the tests start their own, with their own configuration.
struct NoServices {
    ours: bool,
}

impl NoServices {
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn begin() -> Self {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(Self::POLICY);
        let ours = file.is_ok_and(|mut file| file.write_all(b"#!/bin/sh\nexit 101\n").is_ok());
        Self { ours }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(Path::new(Self::POLICY))
        {
            eprintln!("xtask: cannot remove {}: {error}", Self::POLICY);
        }
    }
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(["-o", LOCK_TIMEOUT])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    crate::cargo::succeed(&mut command)
}

fn missing<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    let output = Command::new("dpkg-query")
        .args([
            "--show",
            "--showformat=${binary:Package} ${db:Status-Status}\n",
        ])
        .args(packages)
        .output()
        .context("ask dpkg-query which packages are there; Carillon's tasks need Debian 12")?;
    let known = String::from_utf8_lossy(&output.stdout);
    Ok(packages
        .iter()
        .copied()
        .filter(|package| !known.lines().any(|line| is_installed(line, package)))
        .collect())
}

fn is_installed(line: &str, package: &str) -> bool {
    let Some((name, status)) = line.split_once(' ') else {
        return false;
    };
    name.split(':').next() == Some(package) && status == "installed"
}

/// The effective user id, as the kernel tells it.
pub(crate) fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let ids = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .unwrap_or_default();
    Ok(ids.split_whitespace().nth(1) == Some("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_package_is_known_with_or_without_its_architecture() {
        assert!(is_installed("sox installed", "sox"));
        assert!(is_installed("libclang1-14:amd64 installed", "libclang1-14"));
        assert!(!is_installed("sox config-files", "sox"));
        assert!(!is_installed("sox-doc installed", "sox"));
    }
}
