//! CPU time of running processes, from the scheduler's own account.

use anyhow::{Context, Result};
use std::fs;
use std::time::Duration;

/// The CPU time that all threads of these processes have had so far.
///
/// `/proc/PID/task/*/schedstat` counts nanoseconds on a processor; the tick-based `utime` of `/proc/PID/stat` misses work that fits
/// between two ticks, which is all that a packet relay does.
pub(crate) fn spent(pids: &[u32]) -> Result<Duration> {
    let mut nanoseconds = 0;
    for pid in pids {
        let tasks = format!("/proc/{pid}/task");
        for task in fs::read_dir(&tasks).with_context(|| format!("read {tasks}"))? {
            let path = task?.path().join("schedstat");
            let Ok(text) = fs::read_to_string(&path) else {
                continue; // a thread that ended between the two reads
            };
            let on_cpu = text.split_whitespace().next().unwrap_or_default();
            nanoseconds += on_cpu
                .parse::<u64>()
                .with_context(|| format!("read {}", path.display()))?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident memory in KiB of these processes together.
pub(crate) fn resident_kib(pids: &[u32]) -> Result<u64> {
    let mut total = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/status");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("a process has resident memory")?;
        total += line.trim().trim_end_matches("kB").trim().parse::<u64>()?;
    }
    Ok(total)
}

/// A process and everything it started.
pub(crate) fn family(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        // The command name is in parentheses and may hold spaces: the fields begin after the last one.
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1))
            .and_then(|parent| parent.parse::<u32>().ok());
        if let Some(parent) = parent {
            parents.push((pid, parent));
        }
    }
    let mut family = vec![root];
    let mut next = 0;
    while next < family.len() {
        let parent = family[next];
        family.extend(
            parents
                .iter()
                .filter(|(_, p)| *p == parent)
                .map(|(pid, _)| pid),
        );
        next += 1;
    }
    Ok(family)
}
