//! A store in memory, with a disk that can lose power and a flush that can fail.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::{Flushed, HistoryQuery, HistoryRow, LogStore, StoredEntry, StoredSnapshot};

#[derive(Clone, Default)]
struct Content {
    log: BTreeMap<u64, Bytes>,
    values: BTreeMap<String, Bytes>,
    snapshot: Option<StoredSnapshot>,
    history: BTreeMap<(String, Bytes), Bytes>,
}

enum Write {
    Append(Vec<StoredEntry>),
    Truncate(u64),
    Purge(u64),
    Value(String, Bytes),
    Snapshot(StoredSnapshot),
    History(Vec<HistoryRow>),
}

impl Content {
    fn write(&mut self, write: &Write) {
        match write {
            Write::Append(entries) => {
                let entries = entries
                    .iter()
                    .map(|entry| (entry.index, entry.body.clone()));
                self.log.extend(entries);
            }
            Write::Truncate(index) => drop(self.log.split_off(index)),
            Write::Purge(index) => self.log = self.log.split_off(&(index + 1)),
            Write::Value(name, value) => drop(self.values.insert(name.clone(), value.clone())),
            Write::Snapshot(snapshot) => self.snapshot = Some(snapshot.clone()),
            Write::History(rows) => self.history.extend(rows.iter().map(|row| {
                let key = (row.table.clone(), row.key.clone());
                (key, row.value.clone())
            })),
        }
    }
}

#[derive(Default)]
struct Disk {
    visible: Content,
    durable: Content,
    unflushed: Vec<Write>,
    waiting: Vec<Flushed>,
    failed: bool,
}

/// When what was written is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flushing {
    AtOnce,
    OnDemand,
    /// Says at once what is true only on demand: a bug, planted.
    Lying,
    /// The same for single values, which no flush makes durable: a bug, planted.
    Forgetful,
}

/// A log store in memory. Clones are the same store.
#[derive(Clone)]
pub struct MemoryStore {
    disk: Arc<Mutex<Disk>>,
    flushing: Flushing,
    written: Arc<tokio::sync::Notify>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// A store on which everything is durable at once.
    pub fn new() -> Self {
        Self::with(Disk::default(), Flushing::AtOnce)
    }

    /// A store on which nothing is durable until `flush` is called.
    pub fn flushed_on_demand() -> Self {
        Self::with(Disk::default(), Flushing::OnDemand)
    }

    /// A store with a planted bug: it says at once that things are durable, and they are when `flush` is called.
    pub fn lying() -> Self {
        Self::with(Disk::default(), Flushing::Lying)
    }

    /// A store with a planted bug: single values, such as votes, are never on disk, and it says that they are.
    pub fn forgetful() -> Self {
        Self::with(Disk::default(), Flushing::Forgetful)
    }

    fn with(disk: Disk, flushing: Flushing) -> Self {
        Self {
            disk: Arc::new(Mutex::new(disk)),
            flushing,
            written: Arc::default(),
        }
    }

    /// What is left after a power cut: what was flushed. The old store is dead from now on.
    pub fn after_power_cut(&self) -> Self {
        let (_, durable) = self.die();
        self.holding(durable)
    }

    /// What is left when the process was killed: what was written, because the operating system lives on and flushes it.
    /// The old store is dead from now on.
    pub fn after_kill(&self) -> Self {
        let (visible, _) = self.die();
        self.holding(visible)
    }

    /// Takes nothing more. What was visible, and what was durable.
    fn die(&self) -> (Content, Content) {
        let mut disk = self.disk();
        disk.failed = true;
        disk.waiting.clear();
        disk.unflushed.clear();
        (disk.visible.clone(), disk.durable.clone())
    }

    fn holding(&self, content: Content) -> Self {
        let survived = Disk {
            visible: content.clone(),
            durable: content,
            ..Disk::default()
        };
        Self::with(survived, self.flushing)
    }

    /// Makes everything written so far durable.
    pub fn flush(&self) {
        let mut disk = self.disk();
        if disk.failed {
            return;
        }
        let writes = std::mem::take(&mut disk.unflushed);
        for write in &writes {
            disk.durable.write(write);
        }
        let waiting = std::mem::take(&mut disk.waiting);
        drop(disk);
        for flushed in waiting {
            flushed.complete(Ok(()));
        }
    }

    /// Waits until something is to be flushed.
    pub async fn unflushed(&self) {
        while self.disk().unflushed.is_empty() {
            self.written.notified().await;
        }
    }

    /// From now on the disk takes nothing more, as if it were full or broken.
    pub fn fail(&self) {
        let waiting = {
            let mut disk = self.disk();
            disk.failed = true;
            std::mem::take(&mut disk.waiting)
        };
        for flushed in waiting {
            flushed.complete(Err(broken()));
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, write: Write, flushed: Option<Flushed>) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.failed {
            drop(disk);
            if let Some(flushed) = flushed {
                flushed.complete(Err(broken()));
            }
            return Err(broken());
        }
        disk.visible.write(&write);
        let flushing = match (self.flushing, &write) {
            (Flushing::Forgetful, Write::Value(..)) => Flushing::Forgetful,
            (Flushing::Forgetful, _) => Flushing::OnDemand,
            (flushing, _) => flushing,
        };
        match flushing {
            Flushing::Forgetful => {
                drop(disk);
                if let Some(flushed) = flushed {
                    flushed.complete(Ok(()));
                }
            }
            Flushing::AtOnce => {
                disk.durable.write(&write);
                drop(disk);
                if let Some(flushed) = flushed {
                    flushed.complete(Ok(()));
                }
            }
            Flushing::OnDemand => {
                disk.unflushed.push(write);
                disk.waiting.extend(flushed);
                drop(disk);
                self.written.notify_one();
            }
            Flushing::Lying => {
                disk.unflushed.push(write);
                drop(disk);
                self.written.notify_one();
                if let Some(flushed) = flushed {
                    flushed.complete(Ok(()));
                }
            }
        }
        Ok(())
    }
}

fn broken() -> io::Error {
    io::Error::new(
        io::ErrorKind::StorageFull,
        "the memory disk takes nothing more",
    )
}

impl LogStore for MemoryStore {
    fn append(&self, entries: Vec<StoredEntry>, flushed: Flushed) {
        self.write(Write::Append(entries), Some(flushed)).ok();
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<StoredEntry>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let disk = self.disk();
        let entries = disk.visible.log.range(range);
        Ok(entries.map(|(index, body)| stored(*index, body)).collect())
    }

    fn last(&self) -> io::Result<Option<StoredEntry>> {
        let disk = self.disk();
        let last = disk.visible.log.last_key_value();
        Ok(last.map(|(index, body)| stored(*index, body)))
    }

    fn truncate_from(&self, index: u64) -> io::Result<()> {
        self.write(Write::Truncate(index), None)
    }

    fn purge_through(&self, index: u64) -> io::Result<()> {
        self.write(Write::Purge(index), None)
    }

    fn value(&self, name: &str) -> io::Result<Option<Bytes>> {
        Ok(self.disk().visible.values.get(name).cloned())
    }

    fn set_value(&self, name: &str, value: Bytes) -> io::Result<()> {
        self.write(Write::Value(name.to_owned(), value), None)
    }

    fn set_value_durably(&self, name: &str, value: Bytes, flushed: Flushed) {
        self.write(Write::Value(name.to_owned(), value), Some(flushed))
            .ok();
    }

    fn snapshot(&self) -> io::Result<Option<StoredSnapshot>> {
        Ok(self.disk().visible.snapshot.clone())
    }

    fn set_snapshot(&self, snapshot: StoredSnapshot) -> io::Result<()> {
        self.write(Write::Snapshot(snapshot), None)?;
        self.flush();
        Ok(())
    }

    fn add_history(&self, rows: Vec<HistoryRow>) -> io::Result<()> {
        self.write(Write::History(rows), None)
    }

    fn history(&self, query: &HistoryQuery) -> io::Result<Vec<HistoryRow>> {
        let disk = self.disk();
        let from = (query.table.clone(), query.from.clone());
        let rows = disk
            .visible
            .history
            .range(from..)
            .take_while(|((table, key), _)| {
                *table == query.table && query.to.as_ref().is_none_or(|to| key < to)
            });
        let rows: Vec<_> = match query.newest_first {
            false => rows.take(query.limit).map(row).collect(),
            true => {
                let all: Vec<_> = rows.collect();
                all.into_iter().rev().take(query.limit).map(row).collect()
            }
        };
        Ok(rows)
    }

    fn history_after(
        &self,
        after: Option<(String, Bytes)>,
        limit: usize,
    ) -> io::Result<Vec<HistoryRow>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let disk = self.disk();
        let start = after.map_or(Unbounded, Excluded);
        let rows = disk.visible.history.range((start, Unbounded));
        Ok(rows.take(limit).map(row).collect())
    }
}

fn stored(index: u64, body: &Bytes) -> StoredEntry {
    StoredEntry {
        index,
        body: body.clone(),
    }
}

fn row(((table, key), value): (&(String, Bytes), &Bytes)) -> HistoryRow {
    HistoryRow {
        table: table.clone(),
        key: key.clone(),
        value: value.clone(),
    }
}
