//! Tasks that start one program of the workspace and hand its verdict on.

use anyhow::Result;
use std::env;

use crate::cargo::{Cargo, succeed, with_namespaces};
use crate::debian;
use crate::rocksdb::Archive;
use crate::workspace::Workspace;

pub(crate) const FUZZ_TARGETS: [&str; 3] = ["message", "sdp", "framing"];

pub(crate) fn demo(workspace: &Workspace, once: bool) -> Result<()> {
    debian::ensure(&debian::BUILD)?;
    debian::ensure(&debian::PHONES)?;
    let cargo = Cargo::with_rocksdb(workspace)?;
    cargo.run(&["build", "--locked", "--package", "carillon-daemon"])?;
    let example = [
        "--locked",
        "--package",
        "carillon-testkit",
        "--example",
        "demo",
    ];
    cargo.run(&[&["build"], &example[..]].concat())?;
    let mut command = cargo.command(&[&["run", "--quiet"], &example[..]].concat());
    if once {
        command.args(["--", "--once"]);
    }
    succeed(&mut with_namespaces(&command)?)
}

pub(crate) fn bench(workspace: &Workspace, rest: &[String]) -> Result<()> {
    debian::ensure(&debian::BUILD)?;
    debian::ensure(&debian::PHONES)?;
    debian::ensure(&debian::RIVALS)?;
    let cargo = Cargo::with_rocksdb(workspace)?;
    cargo.run(&["build", "--locked", "--package", "carillon-daemon"])?;
    let mut arguments = vec!["run", "--locked", "--package", "carillon-bench", "--"];
    arguments.extend(rest.iter().map(String::as_str));
    cargo.run(&arguments)
}

pub(crate) fn fuzz(workspace: &Workspace, seconds: u64) -> Result<()> {
    let cargo = Cargo::plain(workspace);
    let seconds = seconds.to_string();
    for target in FUZZ_TARGETS {
        cargo.run(&[
            "run",
            "--locked",
            "--package",
            "carillon-sip",
            "--example",
            "fuzz",
            "--",
            target,
            &seconds,
        ])?;
    }
    Ok(())
}

pub(crate) fn simulate(workspace: &Workspace, seeds: u64, seed: Option<u64>) -> Result<()> {
    let cargo = Cargo::plain(workspace);
    let seeds = seeds.to_string();
    let seed = seed.map(|seed| seed.to_string());
    let mut arguments = vec![
        "run",
        "--locked",
        "--package",
        "carillon-simulation",
        "--",
        "--seeds",
        &seeds,
    ];
    if let Some(seed) = &seed {
        arguments.extend(["--seed", seed]);
    }
    cargo.run(&arguments)
}

/// Shell lines for those who call cargo themselves and want to share what the tasks compiled.
pub(crate) fn env(workspace: &Workspace) -> Result<()> {
    for (name, value) in Archive::make(workspace)?.environment() {
        println!("export {name}='{}'", value.to_string_lossy());
    }
    if let Some(target) = env::var_os("CARGO_TARGET_DIR") {
        println!("export CARGO_TARGET_DIR='{}'", target.to_string_lossy());
    }
    Ok(())
}
