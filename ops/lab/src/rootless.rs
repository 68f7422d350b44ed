//! Namespaces without root: the lab lives in a user namespace of its own, which a holder process keeps, and every later
//! command goes in there first.

use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command as Process, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::Command;
use crate::description::Lab;
use crate::process::is_alive;

/// Set for a command that has been sent into the holder's namespaces; its value is the holder's process id.
const INSIDE: &str = "CARILLON_LAB_HOLDER";
const HOLDER_WITHIN: Duration = Duration::from_secs(5);

/// What the holder runs: namespaces get names under /run, so it has a /run of its own.
const HOLDER: &str =
    "mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up && exec sleep infinity";

pub(crate) fn holder() -> Option<u32> {
    env::var(INSIDE).ok()?.parse().ok()
}

/// Runs this very command again inside the user namespace, where one is needed; its exit code then.
pub(crate) fn enter(command: &Command, dir: &Path) -> Result<Option<ExitCode>> {
    if env::var_os(INSIDE).is_some() {
        return Ok(None);
    }
    let holder = match command {
        Command::Up(options) if options.namespaces && !is_root()? => hold()?,
        Command::Up(_) => return Ok(None),
        Command::Kill(_)
        | Command::Start(_)
        | Command::Down(_)
        | Command::Exec(_)
        | Command::Cut(_)
        | Command::Heal(_) => match Lab::read(dir).ok().and_then(|lab| lab.holder) {
            Some(holder) if is_alive(holder) => holder,
            Some(_) | None => return Ok(None),
        },
    };
    let status = Process::new("nsenter")
        .args([
            "--target",
            &holder.to_string(),
            "--user",
            "--net",
            "--mount",
            "--preserve-credentials",
            "--wd=.",
        ])
        .arg("--")
        .arg(env::current_exe().context("find the carillon program")?)
        .args(env::args_os().skip(1))
        .env(INSIDE, holder.to_string())
        .status()
        .context("start nsenter; it comes with Debian's package util-linux")?;
    Ok(Some(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
    ))
}

fn hold() -> Result<u32> {
    let mut holder = Process::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--",
            "sh",
            "-c",
            HOLDER,
        ])
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .context("start unshare; it comes with Debian's package util-linux")?;
    let deadline = Instant::now() + HOLDER_WITHIN;
    while fs::read_to_string(format!("/proc/{}/comm", holder.id()))
        .is_ok_and(|name| name.trim() != "sleep")
    {
        if holder.try_wait()?.is_some() || Instant::now() > deadline {
            bail!(
                "this machine allows no user namespaces; run the lab as root, or without --namespaces"
            );
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(holder.id())
}

fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let ids = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .unwrap_or_default();
    Ok(ids.split_whitespace().nth(1) == Some("0"))
}
