//! Hurting one process, and bringing it back.

use anyhow::{Result, bail};
use std::time::Duration;

use crate::command::{Kill, Named, Signal};
use crate::description::Lab;
use crate::process;
use crate::up;

const END_WITHIN: Duration = Duration::from_secs(60);

pub(crate) fn kill(options: &Kill) -> Result<()> {
    let dir = up::absolute(&options.folder.dir)?;
    let pid = *Lab::read(&dir)?.pid_mut(&options.name)?;
    if !process::belongs(pid, &dir) {
        bail!("{} does not run", options.name);
    }
    process::send(pid, options.signal)?;
    match options.signal {
        Signal::Kill | Signal::Term => process::wait_for_end(pid, END_WITHIN),
        Signal::Stop | Signal::Cont => Ok(()),
    }
}

pub(crate) fn start(options: &Named) -> Result<()> {
    let dir = up::absolute(&options.folder.dir)?;
    let mut lab = Lab::read(&dir)?;
    let old = *lab.pid_mut(&options.name)?;
    if process::belongs(old, &dir) {
        bail!("{} runs already, as process {old}", options.name);
    }
    let new = up::launch(
        &dir,
        &options.name,
        lab.namespaces.then_some(lab.net.as_str()),
    )?;
    *lab.pid_mut(&options.name)? = new;
    lab.write(&dir)?;
    up::await_ready(
        &dir,
        &lab,
        Some(&options.name),
        Duration::from_secs(options.timeout),
    )
}
