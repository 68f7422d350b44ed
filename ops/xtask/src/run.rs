//! Tasks that start one program of the workspace and hand its verdict on.

use anyhow::Result;
use std::env;

use crate::cargo::{CARILLON, Cargo, Target, succeed, with_namespaces};
use crate::debian;
use crate::rocksdb::Archive;
use crate::workspace::Workspace;

pub(crate) const FUZZ_TARGETS: [&str; 3] = ["message", "sdp", "framing"];

pub(crate) fn demo(workspace: &Workspace, once: bool) -> Result<()> {
    debian::ensure(&[&debian::BUILD, &debian::PHONES])?;
    let cargo = Cargo::with_rocksdb(workspace)?;
    eprintln!(
        "xtask: building Carillon and its demonstration; a first build takes minutes, a later one seconds"
    );
    cargo.build(CARILLON)?;
    let mut command = cargo.program(Target::Example("demo"))?;
    if once {
        command.arg("--once");
    }
    succeed(&mut with_namespaces(&command)?)
}

/// Measures the product as it ships: the peers are Debian's, compiled with all optimisation too.
pub(crate) fn bench(workspace: &Workspace, rest: &[String]) -> Result<()> {
    debian::ensure(&[&debian::BUILD, &debian::PHONES, &debian::RIVALS])?;
    let cargo = Cargo::with_rocksdb(workspace)?;
    let shipped = cargo.shipped()?;
    let mut command = cargo.program(Target::Bin("carillon-bench"))?;
    succeed(command.env("CARILLON", shipped).args(rest))
}

pub(crate) fn fuzz(workspace: &Workspace, seconds: u64) -> Result<()> {
    let cargo = Cargo::with_rocksdb(workspace)?;
    let seconds = seconds.to_string();
    for target in FUZZ_TARGETS {
        succeed(
            cargo
                .program(Target::Example("fuzz"))?
                .args([target, &seconds]),
        )?;
    }
    Ok(())
}

/// The simulation reads its own arguments.
pub(crate) fn simulate(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let cargo = Cargo::with_rocksdb(workspace)?;
    succeed(
        cargo
            .program(Target::Bin("carillon-simulation"))?
            .args(arguments),
    )
}

/// Real processes on hosts of their own; the run reads its own arguments.
pub(crate) fn chaos(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    debian::ensure(&[&debian::BUILD, &debian::PHONES])?;
    let cargo = Cargo::with_rocksdb(workspace)?;
    cargo.build(CARILLON)?;
    let mut command = cargo.program(Target::Bin("carillon-chaos"))?;
    command.args(arguments);
    succeed(&mut with_namespaces(&command)?)
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
