//! Somebody who writes at every node all the time, and keeps an account of what was acknowledged.

use anyhow::{Context, Result};
use carillon_testkit::wait::talk_for;
use carillon_testkit::{Api, TestLab};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// After a refusal the next attempt follows at once, so that the end of an outage is seen when it comes.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// A write, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    /// The node that was asked, counted from 1.
    pub(crate) node: usize,
    pub(crate) name: String,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// Nothing where no answer came.
    pub(crate) status: Option<u16>,
}

impl Write {
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.status == Some(201)
    }
}

/// One at each node.
#[derive(Debug)]
pub(crate) struct Writers {
    writes: Arc<Mutex<Vec<Write>>>,
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    pub(crate) fn begin(lab: &TestLab, every: Duration) -> Result<Self> {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let end = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for node in 1..=lab.lab.control.len() {
            let api = lab.api(node)?;
            let (writes, end) = (writes.clone(), end.clone());
            threads.push(thread::spawn(move || {
                write_on(&api, node, every, &writes, &end);
            }));
        }
        Ok(Self {
            writes,
            end,
            threads,
        })
    }

    /// All writes that have been answered so far, or will not be.
    pub(crate) fn writes(&self) -> Vec<Write> {
        let writes = self.writes.lock();
        writes.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn finish(&mut self) -> Result<()> {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            ended.map_err(|_| anyhow::anyhow!("a writer has panicked"))?;
        }
        Ok(())
    }

    /// The names that a node has.
    pub(crate) fn stored(api: &Api) -> Result<BTreeSet<String>> {
        let users = api.get("/1.1/users?limit=1000000")?;
        let users = users["items"].as_array().context("a list of users")?;
        let names = users.iter().filter_map(|user| user["lastname"].as_str());
        Ok(names.map(str::to_owned).collect())
    }
}

fn write_on(api: &Api, node: usize, every: Duration, writes: &Mutex<Vec<Write>>, end: &AtomicBool) {
    let mut serial = 0;
    while !end.load(Ordering::Relaxed) {
        serial += 1;
        let name = format!("written-at-{node}-{serial}");
        let body = json!({"firstname": "Chaos", "lastname": name}).to_string();
        let began = Instant::now();
        let answer = api.ask("POST", "/1.1/users", "application/json", body.as_bytes());
        let write = Write {
            node,
            name,
            began,
            ended: Instant::now(),
            status: answer.ok().map(|answer| answer.status),
        };
        let pause = if write.is_acknowledged() {
            every
        } else {
            AGAIN_AFTER
        };
        let mut writes = writes.lock().unwrap_or_else(PoisonError::into_inner);
        writes.push(write);
        drop(writes);
        talk_for(pause);
    }
}
