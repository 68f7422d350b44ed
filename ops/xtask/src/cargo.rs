//! Calls of cargo, all with one environment, so that nothing is compiled twice for a difference in it.

use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

use crate::debian;
use crate::rocksdb::Archive;
use crate::workspace::Workspace;

pub(crate) struct Cargo<'a> {
    workspace: &'a Workspace,
    environment: Vec<(&'static str, OsString)>,
}

/// A program of the workspace, by the name that no other has.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    Bin(&'a str),
    Example(&'a str),
}

/// The product itself, which the lab and the tests start.
pub(crate) const CARILLON: Target<'static> = Target::Bin("carillon");

impl<'a> Cargo<'a> {
    /// For tasks that compile the daemon: makes the RocksDB archive first where it is missing.
    pub(crate) fn with_rocksdb(workspace: &'a Workspace) -> Result<Self> {
        let archive = Archive::make(workspace)?;
        Ok(Self {
            workspace,
            environment: archive.environment(),
        })
    }

    /// For tasks that compile pure crates only.
    pub(crate) fn plain(workspace: &'a Workspace) -> Self {
        Self {
            workspace,
            environment: Vec::new(),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(program);
        command
            .current_dir(self.workspace.root())
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        for (name, _) in env::vars_os().filter(|(name, _)| tells_of_a_package(name)) {
            command.env_remove(name);
        }
        command
    }

    /// Builds one program and gives the command that starts it. Features are those of the whole workspace, as in the
    /// tests, so that nothing is compiled twice for a difference in them.
    pub(crate) fn program(&self, target: Target<'_>) -> Result<Command> {
        self.build(target)?;
        let folder = self.workspace.metadata.target_directory.join("debug");
        let program = match target {
            Target::Bin(name) => folder.join(name),
            Target::Example(name) => folder.join("examples").join(name),
        };
        let mut command = Command::new(program);
        command
            .current_dir(self.workspace.root())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Builds the product as it ships, which only a measurement is worth: every crate is compiled once more for it.
    pub(crate) fn shipped(&self) -> Result<PathBuf> {
        self.run(&[
            "build",
            "--locked",
            "--workspace",
            "--release",
            "--bin",
            "carillon",
        ])?;
        let folder = self.workspace.metadata.target_directory.join("release");
        Ok(folder.join("carillon").into())
    }

    pub(crate) fn build(&self, target: Target<'_>) -> Result<()> {
        let (flag, name) = match target {
            Target::Bin(name) => ("--bin", name),
            Target::Example(name) => ("--example", name),
        };
        self.run(&["build", "--locked", "--workspace", flag, name])
    }

    /// Runs cargo with its output on ours; an error when it fails.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<()> {
        succeed(&mut self.command(arguments))
    }
}

/// `cargo run` tells a program which package it is. Build scripts such as ring's watch these variables, so a build by a
/// task and a build by hand would take turns at compiling half of the workspace again.
fn tells_of_a_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// What a user without root runs first: network namespaces get their names under /run, so it has a /run of its own.
const ALONE: &str =
    "mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up && exec \"$0\" \"$@\"";

/// The same command, able to make network namespaces: as it is for root, else in a user namespace of its own.
pub(crate) fn with_namespaces(command: &Command) -> Result<Command> {
    let mut wrapped = if debian::is_root()? {
        Command::new(command.get_program())
    } else {
        let mut unshare = Command::new("unshare");
        unshare.args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--",
            "sh",
            "-c",
            ALONE,
        ]);
        unshare.arg(command.get_program());
        unshare
    };
    wrapped.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    Ok(wrapped)
}

/// Runs a command with its output on ours; an error when it fails.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    eprintln!("\n$ {shown}");
    let status = command.status().with_context(|| format!("start {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy();
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy());
    std::iter::once(program)
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
