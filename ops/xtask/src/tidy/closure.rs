//! What may not be compiled into a pure crate, however far below.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;

use super::map::PURE;
use crate::cargo::Cargo;
use crate::workspace::Workspace;

/// Crates that wait, open sockets or files, read a clock or draw randomness, and the prefixes of their families.
const FORBIDDEN: [&str; 22] = [
    "async-std",
    "axum",
    "chrono",
    "fastrand",
    "getrandom",
    "hyper",
    "librocksdb-sys",
    "mio",
    "nix",
    "openraft",
    "polling",
    "quinn",
    "quinn-udp",
    "reqwest",
    "rocksdb",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "tokio",
    "tracing-subscriber",
    "ureq",
];
const FORBIDDEN_FAMILIES: [&str; 4] = ["hickory-", "opentelemetry", "tokio-", "axum-"];

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for name in PURE {
        for below in closure(workspace, name)? {
            if is_forbidden(&below) {
                breaches.push(format!("{name}: {below} is compiled into a pure crate"));
            }
        }
    }
    Ok(breaches)
}

/// The crates that are compiled in with the features that this crate itself asks for (`cargo metadata` would unify them
/// over the whole workspace). Build scripts and macros run elsewhere and do not count.
fn closure(workspace: &Workspace, name: &str) -> Result<BTreeSet<String>> {
    let package = format!("carillon-{name}");
    let output = Cargo::plain(workspace)
        .command(&[
            "tree",
            "--locked",
            "--edges=normal,no-proc-macro",
            "--prefix=none",
            "--format={p}",
            "--package",
        ])
        .arg(&package)
        .output()
        .context("start cargo tree")?;
    if !output.status.success() {
        bail!(
            "cargo tree of {package}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

fn is_forbidden(name: &str) -> bool {
    FORBIDDEN.contains(&name)
        || FORBIDDEN_FAMILIES
            .iter()
            .any(|family| name.starts_with(family))
}
