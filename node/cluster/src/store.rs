//! The durable store below the cluster. It keeps octets and knows neither Raft's types nor the state's.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use crate::HistoryRow;

/// The version of what is on disk. A store written by a newer version is refused.
pub const FORMAT_VERSION: u32 = 1;

/// Called once what was appended is on disk, or cannot be.
pub struct Flushed(Box<dyn FnOnce(io::Result<()>) + Send>);

impl Flushed {
    /// A callback that is run exactly once.
    pub fn new(done: impl FnOnce(io::Result<()>) + Send + 'static) -> Self {
        Self(Box::new(done))
    }

    /// Reports the outcome.
    pub fn complete(self, result: io::Result<()>) {
        (self.0)(result);
    }
}

/// A log entry as the store sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place. Entries follow each other without a gap.
    pub index: u64,
    /// Its content.
    pub body: Bytes,
}

/// A snapshot of the state, and what describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// Which entries it covers, in the cluster's encoding.
    pub meta: Bytes,
    /// The state.
    pub state: Bytes,
}

/// Which rows of a history table to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The table.
    pub table: String,
    /// The first key, inclusive.
    pub from: Bytes,
    /// The end, exclusive; `None` reads to the end of the table.
    pub to: Option<Bytes>,
    /// At most so many rows.
    pub limit: usize,
    /// From the end backwards.
    pub newest_first: bool,
}

/// Where a node keeps its log, its vote, its snapshot and its history.
///
/// Writes are ordered: what is durable is always a prefix of what was written. After a write or a flush has failed,
/// everything fails that would have to be durable: such a node must not acknowledge anything.
pub trait LogStore: Send + Sync + 'static {
    /// Appends entries. They can be read when this returns; `flushed` is called when they are on disk,
    /// for successive calls in order.
    fn append(&self, entries: Vec<StoredEntry>, flushed: Flushed);

    /// The entries of `range` that are present, in order.
    fn read(&self, range: Range<u64>) -> io::Result<Vec<StoredEntry>>;

    /// The last entry.
    fn last(&self) -> io::Result<Option<StoredEntry>>;

    /// Removes the entries from `index` on.
    fn truncate_from(&self, index: u64) -> io::Result<()>;

    /// Removes the entries through `index`, which a durable snapshot covers.
    fn purge_through(&self, index: u64) -> io::Result<()>;

    /// A named value.
    fn value(&self, name: &str) -> io::Result<Option<Bytes>>;

    /// Sets a named value; durable with the next flush.
    fn set_value(&self, name: &str, value: Bytes) -> io::Result<()>;

    /// Sets a named value and calls `flushed` when it is on disk.
    fn set_value_durably(&self, name: &str, value: Bytes, flushed: Flushed);

    /// The snapshot.
    fn snapshot(&self) -> io::Result<Option<StoredSnapshot>>;

    /// Replaces the snapshot; on disk when this returns, as is everything written before. May take long.
    fn set_snapshot(&self, snapshot: StoredSnapshot) -> io::Result<()>;

    /// Adds rows of history; durable with the next flush.
    fn add_history(&self, rows: Vec<HistoryRow>) -> io::Result<()>;

    /// Reads rows of history.
    fn history(&self, query: &HistoryQuery) -> io::Result<Vec<HistoryRow>>;

    /// Rows of all tables that follow `after` in the order of table and key, for a snapshot.
    fn history_after(
        &self,
        after: Option<(String, Bytes)>,
        limit: usize,
    ) -> io::Result<Vec<HistoryRow>>;
}
