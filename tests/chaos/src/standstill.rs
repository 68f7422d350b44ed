//! A process that does nothing for a moment.

use anyhow::{Context, Result, bail};
use carillon_testkit::wait::talk_for;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::time::{Duration, Instant};

const STOPPED_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// While this value lives, no thread of the process runs.
#[derive(Debug)]
pub(crate) struct Standstill {
    process: Pid,
}

impl Standstill {
    pub(crate) fn of(process: u32) -> Result<Self> {
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        let process = process.context("a process id is positive")?;
        kill_process(process, Signal::STOP).with_context(|| format!("stop {process:?}"))?;
        let still = Self { process };
        let deadline = Instant::now() + STOPPED_WITHIN;
        // The signal is there at once; a thread in a system call stops at its end.
        while !still.stands()? {
            if Instant::now() >= deadline {
                bail!("{process:?} does not stop");
            }
            talk_for(LOOK_EVERY);
        }
        Ok(still)
    }

    fn stands(&self) -> Result<bool> {
        let folder = format!("/proc/{}/task", self.process.as_raw_nonzero());
        for thread in fs::read_dir(&folder).with_context(|| format!("read {folder}"))? {
            let stat = fs::read_to_string(thread?.path().join("stat")).unwrap_or_default();
            let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
            // One that has ended is no longer listed, or is a zombie.
            if state.is_some_and(|state| !state.starts_with(['T', 't', 'Z', 'X'])) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        if let Err(error) = kill_process(self.process, Signal::CONT) {
            eprintln!("chaos: {:?} does not go on: {error}", self.process);
        }
    }
}
