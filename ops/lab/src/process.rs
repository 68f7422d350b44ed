//! Processes that outlive the command which started them.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, kill_process};
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::Signal;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Starts a process in a group of its own, its output in a log file.
pub(crate) fn spawn(mut command: Command, log: &Path) -> Result<u32> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("open {}", log.display()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .process_group(0)
        .spawn()
        .with_context(|| format!("start {}", command.get_program().to_string_lossy()))?;
    Ok(child.id())
}

/// Whether the process runs. One that has ended and was not yet reaped does not; one whose first thread has ended does for
/// as long as another thread holds its sockets.
pub(crate) fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    let has_ended = matches!(state, Some('Z' | 'X') | None);
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    !has_ended || threads > 1
}

/// Whether this process runs for the lab of that folder: process ids are used again.
pub(crate) fn belongs(pid: u32, dir: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    is_alive(pid) && String::from_utf8_lossy(&line).contains(&*dir.to_string_lossy())
}

pub(crate) fn send(pid: u32, signal: Signal) -> Result<()> {
    let process = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("a process id is positive")?;
    let signal = match signal {
        Signal::Kill => rustix::process::Signal::KILL,
        Signal::Stop => rustix::process::Signal::STOP,
        Signal::Cont => rustix::process::Signal::CONT,
        Signal::Term => rustix::process::Signal::TERM,
    };
    kill_process(process, signal).with_context(|| format!("send {signal:?} to process {pid}"))
}

/// Waits until the process has ended.
pub(crate) fn wait_for_end(pid: u32, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    while is_alive(pid) {
        if Instant::now() >= deadline {
            bail!("process {pid} did not end within {} s", limit.as_secs());
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
