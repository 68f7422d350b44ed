//! `cargo xtask verify`: every gate that judges the source. It writes nothing into the checkout.

use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::alerts::alerts;
use crate::cargo::{Cargo, Target, succeed};
use crate::debian;
use crate::lock::Lock;
use crate::suite;
use crate::tidy;
use crate::workspace::{Workspace, cache};

const DENY_VERSION: &str = "0.20.2";
const OPENAPI: &str = "control-plane/api/openapi.json";

#[derive(Args)]
pub(crate) struct Options {
    /// Leave the tests out, for those who run `cargo xtask test` as well
    #[arg(long)]
    without_tests: bool,
}

type Gate = (&'static str, fn(&Workspace) -> Result<()>);

const GATES: [Gate; 7] = [
    ("format", format),
    ("tidy", tidy::tidy),
    ("clippy", clippy),
    ("documentation", documentation),
    ("licences, bans, sources", deny),
    ("openapi.json", openapi),
    ("alerts", alerts),
];

/// Runs every gate even when one fails, so that one run tells all there is to mend.
pub(crate) fn verify(workspace: &Workspace, options: &Options) -> Result<()> {
    debian::ensure(&[&debian::BUILD, &debian::ALERTS])?;
    let mut failed = Vec::new();
    for (name, gate) in GATES {
        eprintln!("\n==== {name}");
        if let Err(error) = gate(workspace) {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
    }
    if !options.without_tests
        && let Err(error) = suite::test(workspace, &suite::Options::default())
    {
        eprintln!("tests: {error:#}");
        failed.push("tests");
    }
    if !failed.is_empty() {
        bail!("gates that failed: {}", failed.join("; "));
    }
    eprintln!("\nxtask: every gate passed");
    Ok(())
}

fn format(workspace: &Workspace) -> Result<()> {
    Cargo::plain(workspace).run(&["fmt", "--all", "--check"])
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let cargo = Cargo::with_rocksdb(workspace)?;
    cargo.run(&[
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ])
}

fn documentation(workspace: &Workspace) -> Result<()> {
    let cargo = Cargo::with_rocksdb(workspace)?;
    let mut command = cargo.command(&["doc", "--locked", "--workspace", "--no-deps"]);
    succeed(command.env("RUSTDOCFLAGS", "--deny warnings"))
}

/// Advisories need a database from outside, so they are no gate: licences, bans and sources work offline.
fn deny(workspace: &Workspace) -> Result<()> {
    let program = deny_program()?;
    let mut command = Command::new(program);
    command.current_dir(workspace.root()).args([
        "--locked",
        "--config",
        ".cargo/deny.toml",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]);
    succeed(&mut command)
}

fn deny_program() -> Result<PathBuf> {
    let found = Command::new("cargo-deny").arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(PathBuf::from("cargo-deny"));
    }
    let tools = cache()?.join("tools");
    let program = tools.join("bin/cargo-deny");
    let _lock = Lock::take(&tools.join("lock"), "cargo-deny")?;
    if !program.is_file() {
        eprintln!(
            "xtask: compiling cargo-deny {DENY_VERSION} into {}, once for this machine",
            tools.display()
        );
        let mut command = Command::new("cargo");
        command
            .args([
                "install",
                "--locked",
                "--no-default-features",
                "--version",
                DENY_VERSION,
                "cargo-deny",
                "--root",
            ])
            .arg(&tools)
            .env("CARGO_TARGET_DIR", tools.join("build"))
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off");
        succeed(&mut command)?;
        fs::remove_dir_all(tools.join("build")).context("remove the build folder of cargo-deny")?;
    }
    Ok(program)
}

/// The checked-in description of the REST interface is the one that the code serves.
fn openapi(workspace: &Workspace) -> Result<()> {
    let checked_in =
        fs::read(workspace.root().join(OPENAPI)).with_context(|| format!("read {OPENAPI}"))?;
    if checked_in != served_openapi(workspace)? {
        bail!("{OPENAPI} is not what the code serves; cargo xtask fix writes it");
    }
    Ok(())
}

/// Writes the description anew.
pub(crate) fn write_openapi(workspace: &Workspace) -> Result<()> {
    fs::write(workspace.root().join(OPENAPI), served_openapi(workspace)?)
        .with_context(|| format!("write {OPENAPI}"))
}

fn served_openapi(workspace: &Workspace) -> Result<Vec<u8>> {
    let output = Cargo::with_rocksdb(workspace)?
        .program(Target::Example("openapi"))?
        .output()
        .context("start the program that prints the description")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}
