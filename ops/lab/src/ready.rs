//! Waiting until a cluster is ready: every process lives, and answers 200 to `/ready`.

use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::is_alive;

const LOOK_EVERY: Duration = Duration::from_millis(50);
const TELL_EVERY: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_MAX: u64 = 4096;
const LOG_LINES: usize = 15;

/// A process that is expected to become ready.
pub(crate) struct Awaited {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) probe: SocketAddr,
}

pub(crate) fn wait(dir: &Path, awaited: &[Awaited], limit: Duration) -> Result<()> {
    let started = Instant::now();
    let mut told = Instant::now();
    let mut ready = BTreeSet::new();
    loop {
        for process in awaited
            .iter()
            .filter(|process| !ready.contains(&process.name))
            .collect::<Vec<_>>()
        {
            if !is_alive(process.pid) {
                bail!(
                    "{} has ended before it was ready; its log ends with:\n{}",
                    process.name,
                    log(dir, process)
                );
            }
            if answers(process.probe) {
                ready.insert(process.name.clone());
            }
        }
        let Some(late) = awaited
            .iter()
            .find(|process| !ready.contains(&process.name))
        else {
            return Ok(());
        };
        if started.elapsed() >= limit {
            bail!(
                "{} was not ready within {} s; its log ends with:\n{}",
                late.name,
                limit.as_secs(),
                log(dir, late)
            );
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let seconds = started.elapsed().as_secs();
            eprintln!(
                "lab: {} of {} ready after {seconds} s, waiting for {}",
                ready.len(),
                awaited.len(),
                late.name
            );
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn answers(probe: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&probe, ANSWER_WITHIN)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        write!(
            stream,
            "GET /ready HTTP/1.1\r\nHost: {probe}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

fn log(dir: &Path, process: &Awaited) -> String {
    let path = dir.join("logs").join(format!("{}.log", process.name));
    let text = fs::read(&path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
    format!("{}\n({})", tail.join("\n"), path.display())
}
