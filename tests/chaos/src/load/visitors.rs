//! Calls that come at a rate: two phones talk for a moment, again and again.

use anyhow::Result;
use carillon_sip::Method;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Couple, Failure, Who};

const TALK_FOR: Duration = Duration::from_millis(600);

/// A call that was tried.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// The node that was asked, counted from 1; the last one, where others were silent.
    pub(crate) node: usize,
    /// How many nodes were silent before.
    pub(crate) silent: usize,
    pub(crate) failure: Option<Failure>,
    pub(crate) lines: (String, String),
}

/// Couples that call at a rate.
#[derive(Debug)]
pub(crate) struct Visitors {
    attempts: Arc<Mutex<Vec<Attempt>>>,
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Visitors {
    /// Each couple begins a call every `every`.
    pub(crate) fn begin(couples: Vec<Couple>, every: Duration) -> Self {
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let end = Arc::new(AtomicBool::new(false));
        let threads = couples
            .into_iter()
            .map(|couple| {
                let (attempts, end) = (attempts.clone(), end.clone());
                thread::spawn(move || visit(couple, every, &attempts, &end))
            })
            .collect();
        Self {
            attempts,
            end,
            threads,
        }
    }

    /// All attempts so far.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        let attempts = self.attempts.lock();
        attempts.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the last calls come to their end.
    pub(crate) fn finish(mut self) -> Result<Vec<Attempt>> {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(ended) => ended?,
                Err(_) => anyhow::bail!("a thread of new calls has panicked"),
            }
        }
        Ok(self.attempts())
    }
}

fn visit(
    mut couple: Couple,
    every: Duration,
    attempts: &Mutex<Vec<Attempt>>,
    end: &AtomicBool,
) -> Result<()> {
    while !end.load(Ordering::Relaxed) {
        let began = Instant::now();
        let connected = couple.connect()?;
        let attempt = Attempt {
            began,
            ended: Instant::now(),
            node: couple.node,
            silent: couple.silent,
            failure: connected.clone().err(),
            lines: couple.lines(),
        };
        attempts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(attempt);
        if connected.is_ok() {
            tick_for(&mut couple, TALK_FOR)?;
            couple.party(Who::Caller).ask(Method::Bye)?;
            while couple.is_asking() {
                couple.tick()?;
            }
        }
        while began.elapsed() < every && !end.load(Ordering::Relaxed) {
            couple.tick()?;
        }
    }
    // The other side hears of the last end.
    tick_for(&mut couple, TALK_FOR)
}

fn tick_for(couple: &mut Couple, time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        couple.tick()?;
    }
    Ok(())
}
