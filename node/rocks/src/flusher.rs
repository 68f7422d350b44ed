//! One thread that brings writes to disk: whatever has gathered, by one sync.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

use carillon_cluster::Flushed;
use carillon_telemetry::RaftMetrics;
use rocksdb::DB;

/// Where tests make a disk slow or broken.
#[derive(Default)]
pub struct Hooks {
    /// Called before each sync; an error stands for a failed one.
    pub before_sync: Option<Box<dyn Fn() -> io::Result<()> + Send + Sync>>,
}

/// Syncs on demand, and remembers for ever that one failed: after that nobody knows what is on disk.
pub(crate) struct Syncer {
    database: Arc<DB>,
    hooks: Hooks,
    metrics: RaftMetrics,
    failure: OnceLock<String>,
}

impl Syncer {
    pub(crate) fn new(database: Arc<DB>, hooks: Hooks, metrics: RaftMetrics) -> Self {
        Self {
            database,
            hooks,
            metrics,
            failure: OnceLock::new(),
        }
    }

    pub(crate) fn check(&self) -> io::Result<()> {
        match self.failure.get() {
            None => Ok(()),
            Some(why) => Err(io::Error::other(format!("the store failed before: {why}"))),
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.check()?;
        let began = Instant::now();
        let hooked = self
            .hooks
            .before_sync
            .as_ref()
            .map_or(Ok(()), |hook| hook());
        let synced = hooked.and_then(|()| self.database.flush_wal(true).map_err(io::Error::other));
        self.metrics
            .flush_seconds
            .observe(began.elapsed().as_secs_f64());
        self.note(synced)
    }

    /// Passes a result on, and remembers it if it is a failure.
    pub(crate) fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && self.failure.set(error.to_string()).is_ok()
        {
            tracing::error!(%error, "the store takes nothing more: a write or a sync failed");
        }
        result
    }
}

pub(crate) struct Flusher {
    tickets: Option<Sender<Flushed>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(crate) fn start(syncer: Arc<Syncer>) -> io::Result<Self> {
        let (tickets, waiting) = channel();
        let thread = std::thread::Builder::new()
            .name("store-flush".to_owned())
            .spawn(move || flush_all(&syncer, &waiting))?;
        Ok(Self {
            tickets: Some(tickets),
            thread: Some(thread),
        })
    }

    /// Calls `flushed` when everything written before this is on disk.
    pub(crate) fn submit(&self, flushed: Flushed) {
        let refused = match &self.tickets {
            Some(tickets) => tickets.send(flushed).err().map(|refused| refused.0),
            None => Some(flushed),
        };
        if let Some(flushed) = refused {
            flushed.complete(Err(io::Error::other("the store is closed")));
        }
    }
}

fn flush_all(syncer: &Syncer, waiting: &Receiver<Flushed>) {
    while let Ok(first) = waiting.recv() {
        let together: Vec<Flushed> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let result = syncer.sync();
        for flushed in together {
            flushed.complete(match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            });
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.tickets = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            thread.join().ok();
        }
    }
}
