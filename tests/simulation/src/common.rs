//! What tasks and the world share. One thread: nobody ever waits for the lock.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use carillon_cluster::{Change, HistoryRow, Message, NodeId, ProposeError};
use carillon_model::{Outcome, State};
use carillon_telephony::Telephony;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::clock;
use crate::network::Network;
use crate::process::Gate;
use crate::trace::Trace;

/// What a task has to tell the world.
pub(crate) enum Letter {
    /// A control node is ready to serve.
    Started { node: u8, life: u64 },
    /// The state that a node has now.
    Changed {
        node: u8,
        life: u64,
        change: Change<Telephony>,
    },
    /// What became of a proposal of a node's switch.
    Proposed {
        node: u8,
        life: u64,
        proposal: u64,
        outcome: Result<Outcome, ProposeError>,
    },
    /// What an administrator was told.
    Written {
        write: usize,
        outcome: Result<Outcome, ProposeError>,
    },
    /// What an administrator read, and which users were acknowledged before.
    Read {
        node: u8,
        users: Vec<String>,
        state: Arc<State>,
    },
}

/// A replica that can be spoken to.
pub(crate) trait Listener: Send + Sync {
    fn serve(&self, from: NodeId, message: Message) -> BoxFuture<'static, Option<Bytes>>;

    fn take_snapshot(
        &self,
        from: NodeId,
        header: Bytes,
        state: Bytes,
        history: Vec<HistoryRow>,
    ) -> BoxFuture<'static, Option<Bytes>>;
}

/// A control node's process: its number of life, whether it may run, and who listens.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) life: u64,
    pub(crate) gate: Gate,
    pub(crate) listener: Arc<dyn Listener>,
}

pub(crate) struct Common {
    pub(crate) network: Network,
    pub(crate) trace: Trace,
    pub(crate) processes: BTreeMap<u8, Process>,
    letters: VecDeque<Letter>,
}

impl Common {
    pub(crate) fn show(&mut self, what: fmt::Arguments<'_>) {
        self.trace.show(clock::now_us(), what);
    }

    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(clock::now_us(), what);
    }

    pub(crate) fn lives(&self, node: u8, life: u64) -> bool {
        self.processes
            .get(&node)
            .is_some_and(|process| process.life == life)
    }
}

/// Shared ownership of the common things.
#[derive(Clone)]
pub(crate) struct Commons {
    inner: Arc<Mutex<Common>>,
    bell: Arc<Notify>,
}

impl Commons {
    pub(crate) fn new(network: Network, trace: Trace) -> Self {
        let common = Common {
            network,
            trace,
            processes: BTreeMap::new(),
            letters: VecDeque::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(common)),
            bell: Arc::new(Notify::new()),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Common> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the world something, and wakes it.
    pub(crate) fn post(&self, letter: Letter) {
        self.lock().letters.push_back(letter);
        self.bell.notify_one();
    }

    pub(crate) fn next_letter(&self) -> Option<Letter> {
        self.lock().letters.pop_front()
    }

    /// Waits until somebody has posted a letter since the last time.
    pub(crate) async fn posted(&self) {
        self.bell.notified().await;
    }
}
