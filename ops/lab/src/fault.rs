//! Hurting one process, and bringing it back.

use anyhow::{Result, bail};
use std::time::Duration;

use crate::command::{Kill, Signal, Start};
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

pub(crate) fn start(options: &Start) -> Result<()> {
    let dir = up::absolute(&options.folder.dir)?;
    let mut lab = Lab::read(&dir)?;
    for name in &options.names {
        let old = *lab.pid_mut(name)?;
        if process::belongs(old, &dir) {
            bail!("{name} runs already, as process {old}");
        }
        let new = up::launch(&dir, name, lab.namespaces.then_some(lab.net.as_str()))?;
        *lab.pid_mut(name)? = new;
        lab.write(&dir)?;
    }
    let limit = Duration::from_secs(options.timeout);
    up::await_ready(&dir, &lab, &options.names, limit)
}
