//! Running a command on one of the hosts.

use anyhow::{Context, Result, bail};
use std::process::ExitCode;

use crate::command::Exec;
use crate::description::Lab;
use crate::namespace::Bridge;
use crate::place::Net;

/// The name under which `exec` reaches the host of the bridge itself.
const OUTSIDE: &str = "host";

pub(crate) fn exec(options: &Exec) -> Result<ExitCode> {
    let lab = Lab::read(&options.folder.dir)?;
    if !lab.namespaces {
        bail!("this lab has no hosts of their own; start it with --namespaces");
    }
    let (program, arguments) = options.command.split_first().context("a command to run")?;
    let mut command = if options.name == OUTSIDE {
        std::process::Command::new(program)
    } else {
        lab.address(&options.name)?;
        let bridge = Bridge::new(Net::parse(&lab.net, true)?);
        let mut command = bridge.inside(&options.name);
        command.arg(program);
        command
    };
    let status = command
        .args(arguments)
        .status()
        .with_context(|| format!("start {program}"))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
