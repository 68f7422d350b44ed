//! Programs under measurement: pinned to a core, ended with the run.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The core of the servers; the load has the other one, so that neither disturbs the account of the other.
pub(crate) const SERVER_CORE: &str = "0";
/// The core of the load.
pub(crate) const LOAD_CORE: &str = "1";

/// A child process that does not outlive its owner.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts `program` on `core`, its output in `log`.
    pub(crate) fn start(core: &str, program: &str, arguments: &[&str], log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let child = Command::new("taskset")
            .args(["-c", core, program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {program}"))?;
        Ok(Self { child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // TERM first: Kamailio's main process takes its children with it, KILL would leave them behind.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

/// Polls until `ready` holds.
pub(crate) fn wait_until(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> bool,
) -> Result<()> {
    let end = Instant::now() + limit;
    while !ready() {
        if Instant::now() > end {
            bail!("{what} was not ready after {} s", limit.as_secs());
        }
        thread::park_timeout(Duration::from_millis(50));
    }
    Ok(())
}
