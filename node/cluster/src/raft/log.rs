//! openraft's log storage on a `LogStore`.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use carillon_link::NodeId;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::type_config::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::{EntryPayload, OptionalSend, RaftLogReader};
use tokio::sync::oneshot;

use super::types::{Member, Proposal, TypeConfig};
use crate::codec::{decode, encode};
use crate::{Flushed, LogStore, Runtime, StoredEntry};

const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";

/// Entries kept decoded: what replication and the state machine read is nearly always the newest.
const TAIL_ENTRIES: usize = 1_024;
const TAIL_OCTETS: usize = 2 * 1024 * 1024;

struct Tail<R: Runtime> {
    entries: VecDeque<EntryOf<TypeConfig<R>>>,
    octets: usize,
}

impl<R: Runtime> Tail<R> {
    fn push(&mut self, entry: EntryOf<TypeConfig<R>>) {
        let follows = self
            .entries
            .back()
            .is_none_or(|last| last.index() + 1 == entry.index());
        if !follows {
            self.clear();
        }
        self.octets += weight(&entry.payload);
        self.entries.push_back(entry);
        while self.entries.len() > TAIL_ENTRIES || self.octets > TAIL_OCTETS {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.octets -= weight(&oldest.payload);
        }
    }

    fn purge_through(&mut self, index: u64) {
        while let Some(oldest) = self.entries.front()
            && oldest.index() <= index
        {
            self.octets -= weight(&oldest.payload);
            self.entries.pop_front();
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.octets = 0;
    }

    /// The whole range, if it is all here.
    fn read(&self, from: u64, to: u64) -> Option<Vec<EntryOf<TypeConfig<R>>>> {
        let first = self.entries.front()?.index();
        let end = self.entries.back()?.index() + 1;
        if from < first || from >= end {
            return None;
        }
        let skip = usize::try_from(from - first).ok()?;
        let take = usize::try_from(to.min(end).saturating_sub(from)).ok()?;
        Some(self.entries.iter().skip(skip).take(take).cloned().collect())
    }
}

fn weight(payload: &EntryPayload<Proposal, NodeId, Member>) -> usize {
    match payload {
        EntryPayload::Normal(proposal) => {
            let joined = proposal.joined.iter().map(|joined| joined.body.len() + 96);
            proposal.body.len() + 96 + joined.sum::<usize>()
        }
        EntryPayload::Blank | EntryPayload::Membership(_) => 256,
    }
}

/// The log, shared by Raft and its readers.
pub(crate) struct Log<R: Runtime> {
    store: Arc<dyn LogStore>,
    tail: Arc<Mutex<Tail<R>>>,
}

impl<R: Runtime> Clone for Log<R> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            tail: self.tail.clone(),
        }
    }
}

impl<R: Runtime> Log<R> {
    pub(crate) fn new(store: Arc<dyn LogStore>) -> Self {
        let tail = Tail {
            entries: VecDeque::new(),
            octets: 0,
        };
        Self {
            store,
            tail: Arc::new(Mutex::new(tail)),
        }
    }

    fn tail(&self) -> MutexGuard<'_, Tail<R>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn purged(&self) -> io::Result<Option<LogIdOf<TypeConfig<R>>>> {
        self.store
            .value(PURGED)?
            .map(|value| decode(&value))
            .transpose()
    }
}

impl<R: Runtime> RaftLogReader<TypeConfig<R>> for Log<R> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<EntryOf<TypeConfig<R>>>, io::Error> {
        let from = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        if from >= to {
            return Ok(Vec::new());
        }
        if let Some(entries) = self.tail().read(from, to) {
            return Ok(entries);
        }
        let stored = self.store.read(from..to)?;
        stored.iter().map(|entry| decode(&entry.body)).collect()
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf<TypeConfig<R>>>, io::Error> {
        self.store
            .value(VOTE)?
            .map(|value| decode(&value))
            .transpose()
    }
}

impl<R: Runtime> RaftLogStorage<TypeConfig<R>> for Log<R> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig<R>>, io::Error> {
        let last_purged_log_id = self.purged()?;
        let last: Option<EntryOf<TypeConfig<R>>> = self
            .store
            .last()?
            .map(|entry| decode(&entry.body))
            .transpose()?;
        let last_log_id = last.map(|entry| entry.log_id()).or(last_purged_log_id);
        Ok(LogState {
            last_purged_log_id,
            last_log_id,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<TypeConfig<R>>) -> Result<(), io::Error> {
        let (done, flushed) = oneshot::channel();
        let report = Flushed::new(move |result| drop(done.send(result)));
        self.store.set_value_durably(VOTE, encode(vote), report);
        flushed
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the store is gone")))
    }

    async fn save_committed(
        &mut self,
        committed: Option<LogIdOf<TypeConfig<R>>>,
    ) -> Result<(), io::Error> {
        self.store.set_value(COMMITTED, encode(&committed))
    }

    async fn read_committed(&mut self) -> Result<Option<LogIdOf<TypeConfig<R>>>, io::Error> {
        let committed: Option<Option<_>> = self
            .store
            .value(COMMITTED)?
            .map(|value| decode(&value))
            .transpose()?;
        Ok(committed.flatten())
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig<R>>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = EntryOf<TypeConfig<R>>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().collect();
        let stored = entries
            .iter()
            .map(|entry| StoredEntry {
                index: entry.index(),
                body: encode(entry),
            })
            .collect();
        self.store.append(
            stored,
            Flushed::new(move |result| callback.io_completed(result)),
        );
        let mut tail = self.tail();
        entries.into_iter().for_each(|entry| tail.push(entry));
        Ok(())
    }

    async fn truncate_after(
        &mut self,
        last: Option<LogIdOf<TypeConfig<R>>>,
    ) -> Result<(), io::Error> {
        self.tail().clear();
        self.store.truncate_from(last.map_or(0, |id| id.index + 1))
    }

    async fn purge(&mut self, through: LogIdOf<TypeConfig<R>>) -> Result<(), io::Error> {
        if self.purged()?.is_some_and(|purged| purged >= through) {
            return Ok(());
        }
        self.tail().purge_through(through.index);
        let value: Bytes = encode(&through);
        self.store.set_value(PURGED, value)?;
        self.store.purge_through(through.index)
    }
}
