//! What observers of the state see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

use crate::admin::Administration;
use crate::{Replicated, Stamp};

/// Changes that a slow observer may be behind before it must look at the state anew.
const CHANGES_KEPT: usize = 1_024;

/// The state after a batch of commands, and what they did.
pub struct Change<M: Replicated> {
    /// The state with the commands applied.
    pub state: Arc<M::State>,
    /// The last command.
    pub at: Stamp,
    /// What happened, in order. Empty when `missed`.
    pub events: Vec<M::Event>,
    /// Events were lost, because the observer was slow or the state came by snapshot: look at the whole state.
    pub missed: bool,
}

impl<M: Replicated> Clone for Change<M> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            at: self.at,
            events: self.events.clone(),
            missed: self.missed,
        }
    }
}

/// An observer's place in the stream of changes.
pub struct Changes<M: Replicated> {
    receiver: broadcast::Receiver<Change<M>>,
    published: Arc<Published<M>>,
}

impl<M: Replicated> Changes<M> {
    /// The next change; `None` when the node has stopped.
    pub async fn next(&mut self) -> Option<Change<M>> {
        match self.receiver.recv().await {
            Ok(change) => Some(change),
            Err(RecvError::Closed) => None,
            Err(RecvError::Lagged(_)) => {
                // What is still queued is older than the state handed out now.
                self.receiver = self.receiver.resubscribe();
                Some(self.published.resync())
            }
        }
    }
}

/// The live state, readable without a lock while one writer replaces it.
pub(crate) struct Published<M: Replicated> {
    state: ArcSwap<(Stamp, Arc<M::State>)>,
    administration: ArcSwap<Administration>,
    applied_next: AtomicU64,
    applied: Notify,
    changes: broadcast::Sender<Change<M>>,
}

impl<M: Replicated> Published<M> {
    pub(crate) fn new() -> Self {
        let at = Stamp {
            index: 0,
            now_ms: 0,
        };
        Self {
            state: ArcSwap::from_pointee((at, Arc::default())),
            administration: ArcSwap::default(),
            applied_next: AtomicU64::new(0),
            applied: Notify::new(),
            changes: broadcast::channel(CHANGES_KEPT).0,
        }
    }

    pub(crate) fn state(&self) -> Arc<M::State> {
        self.state.load().1.clone()
    }

    pub(crate) fn stamped(&self) -> (Stamp, Arc<M::State>) {
        let current = self.state.load();
        (current.0, current.1.clone())
    }

    pub(crate) fn administration(&self) -> Arc<Administration> {
        self.administration.load_full()
    }

    pub(crate) fn subscribe(self: &Arc<Self>) -> Changes<M> {
        Changes {
            receiver: self.changes.subscribe(),
            published: self.clone(),
        }
    }

    fn resync(&self) -> Change<M> {
        let current = self.state.load();
        Change {
            state: current.1.clone(),
            at: current.0,
            events: Vec::new(),
            missed: true,
        }
    }

    pub(crate) fn publish(&self, change: Change<M>, administration: Option<Arc<Administration>>) {
        if let Some(administration) = administration {
            self.administration.store(administration);
        }
        self.state
            .store(Arc::new((change.at, change.state.clone())));
        if change.missed || !change.events.is_empty() {
            self.changes.send(change).ok();
        }
    }

    /// Everything through `index` is published.
    pub(crate) fn advance(&self, index: u64) {
        self.applied_next.fetch_max(index + 1, Ordering::Release);
        self.applied.notify_waiters();
    }

    pub(crate) fn applied_next(&self) -> u64 {
        self.applied_next.load(Ordering::Acquire)
    }

    /// Waits until everything through `index` is published.
    pub(crate) async fn reached(&self, index: u64) {
        loop {
            let mut notified = std::pin::pin!(self.applied.notified());
            notified.as_mut().enable();
            if self.applied_next() > index {
                return;
            }
            notified.await;
        }
    }

    /// Waits until `holds` of the state.
    pub(crate) async fn until(&self, mut holds: impl FnMut(&M::State) -> bool) -> Arc<M::State> {
        loop {
            let mut notified = std::pin::pin!(self.applied.notified());
            notified.as_mut().enable();
            let state = self.state();
            if holds(&state) {
                return state;
            }
            notified.await;
        }
    }
}
