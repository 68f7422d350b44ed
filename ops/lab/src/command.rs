//! The command line of the lab.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::{cut, exec, fault, rootless, up};

/// What `carillon lab` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a cluster; returns when it is ready
    Up(Up),
    /// Send a signal to one process: KILL ends it, STOP and CONT freeze it and let it go on
    Kill(Kill),
    /// Start processes again that were killed, on their old data
    Start(Start),
    /// End every process and remove the namespaces; data and logs stay in the folder
    Down(Folder),
    /// Run a command on one of the hosts (with --namespaces), such as a phone or a capture
    Exec(Exec),
    /// Let nothing pass between two hosts (with --namespaces)
    Cut(Cut),
    /// Let everything pass again between two hosts, or between all
    Heal(Heal),
}

/// The lab's folder.
#[derive(Debug, Clone, Args)]
pub struct Folder {
    /// The folder of the lab: configuration, data, logs and lab.json
    #[arg(long, default_value = "lab")]
    pub dir: PathBuf,
}

/// `lab up`.
#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub folder: Folder,
    /// Control nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub control: u8,
    /// Media servers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=9))]
    pub media: u8,
    /// What `carillon ctl apply` loads when the cluster is ready
    #[arg(long)]
    pub load: Option<PathBuf>,
    /// A host of its own for each process: 10.77.1.n, 10.77.2.n, and phones at 10.77.3.n
    #[arg(long)]
    pub namespaces: bool,
    /// Give each control node an address that others take over, 10.77.1.101 and on (with --namespaces)
    #[arg(long, requires = "namespaces")]
    pub floating: bool,
    /// Hosts for phones (with --namespaces)
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(0..=99))]
    pub phones: u8,
    /// The first half of every address; 127.0 on loopback, 10.77 in namespaces
    #[arg(long)]
    pub net: Option<String>,
    /// Seconds until a cluster that is not ready counts as failed
    #[arg(long, default_value_t = 60)]
    pub timeout: u64,
}

/// A signal that the lab sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Signal {
    Kill,
    Stop,
    Cont,
    Term,
}

/// `lab kill`.
#[derive(Debug, Args)]
pub struct Kill {
    /// Such as control2 or media1
    pub name: String,
    #[arg(long, value_enum, ignore_case = true, default_value = "KILL")]
    pub signal: Signal,
    #[command(flatten)]
    pub folder: Folder,
}

/// `lab start`.
#[derive(Debug, Args)]
pub struct Start {
    /// Such as control2 or media1; several start together, as they must where one alone has no quorum
    #[arg(required = true)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub folder: Folder,
    /// Seconds until a process that is not ready counts as failed
    #[arg(long, default_value_t = 60)]
    pub timeout: u64,
}

/// `lab exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// Such as control2, media1 or phone3
    pub name: String,
    #[command(flatten)]
    pub folder: Folder,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// `lab cut`.
#[derive(Debug, Args)]
pub struct Cut {
    pub a: String,
    pub b: String,
    /// Only what A sends to B is lost
    #[arg(long)]
    pub one_way: bool,
    #[command(flatten)]
    pub folder: Folder,
}

/// `lab heal`.
#[derive(Debug, Args)]
pub struct Heal {
    /// Both, or none for every cut there is
    #[arg(num_args = 0..=2)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub folder: Folder,
}

impl Command {
    fn folder(&self) -> &Folder {
        match self {
            Self::Up(up) => &up.folder,
            Self::Kill(kill) => &kill.folder,
            Self::Start(start) => &start.folder,
            Self::Down(folder) => folder,
            Self::Exec(exec) => &exec.folder,
            Self::Cut(cut) => &cut.folder,
            Self::Heal(heal) => &heal.folder,
        }
    }
}

/// Does what the command says; the exit code is that of the command run by `exec`, else 0.
pub fn run(command: &Command) -> Result<ExitCode> {
    if let Some(code) = rootless::enter(command, &command.folder().dir)? {
        return Ok(code);
    }
    match command {
        Command::Up(options) => up::up(options)?,
        Command::Kill(options) => fault::kill(options)?,
        Command::Start(options) => fault::start(options)?,
        Command::Down(folder) => up::down(&folder.dir)?,
        Command::Exec(options) => return exec::exec(options),
        Command::Cut(options) => cut::cut(options)?,
        Command::Heal(options) => cut::heal(options)?,
    }
    Ok(ExitCode::SUCCESS)
}
