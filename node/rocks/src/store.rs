//! `LogStore` on RocksDB.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use carillon_cluster::{
    FORMAT_VERSION, Flushed, HistoryQuery, HistoryRow, LogStore, StoredEntry, StoredSnapshot,
};
use carillon_telemetry::{Metrics, RaftMetrics};
use rocksdb::{ColumnFamily, DB, DBRawIterator, ReadOptions, WriteBatch};
use serde::{Deserialize, Serialize};

use crate::flusher::{Flusher, Hooks, Syncer};
use crate::layout;

const FORMAT: &str = "format";
const SNAPSHOT: &str = "snapshot";
const PART_OCTETS: usize = 1024 * 1024;

/// Values that the cluster names are kept apart from this store's own.
fn value_key(name: &str) -> Vec<u8> {
    format!("value/{name}").into_bytes()
}

/// Where the current snapshot is.
#[derive(Serialize, Deserialize)]
struct SnapshotPointer {
    generation: u64,
    parts: u32,
    meta: Bytes,
}

/// A node's store in a folder.
pub struct RocksStore {
    // The thread ends before the database closes.
    flusher: Flusher,
    syncer: Arc<Syncer>,
    database: Arc<DB>,
    metrics: RaftMetrics,
    snapshots: Mutex<()>,
}

impl RocksStore {
    /// Opens the store in `folder`, or makes one. Refuses what a newer version has written.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        Self::open_with(folder, Metrics::new().raft, Hooks::default())
    }

    /// As `open`, and counts in `metrics`.
    pub fn open_counting(folder: &Path, metrics: RaftMetrics) -> anyhow::Result<Self> {
        Self::open_with(folder, metrics, Hooks::default())
    }

    /// As `open_counting`, with hooks for tests.
    pub fn open_with(folder: &Path, metrics: RaftMetrics, hooks: Hooks) -> anyhow::Result<Self> {
        let database = DB::open_cf_descriptors(&layout::database(), folder, layout::families())
            .with_context(|| format!("opening the store in {}", folder.display()))?;
        let database = Arc::new(database);
        let syncer = Arc::new(Syncer::new(database.clone(), hooks, metrics.clone()));
        let store = Self {
            flusher: Flusher::start(syncer.clone())?,
            syncer,
            database,
            metrics,
            snapshots: Mutex::new(()),
        };
        store
            .check_format()
            .with_context(|| format!("opening the store in {}", folder.display()))?;
        Ok(store)
    }

    fn check_format(&self) -> anyhow::Result<()> {
        match self.get(layout::META, FORMAT.as_bytes())? {
            None => {
                let mut batch = WriteBatch::default();
                batch.put_cf(
                    self.family(layout::META),
                    FORMAT,
                    FORMAT_VERSION.to_be_bytes(),
                );
                self.write(batch)?;
                self.syncer.sync()?;
            }
            Some(version) => {
                let version = version.first_chunk().copied().map(u32::from_be_bytes);
                let version = version.context("its format header is damaged")?;
                if version > FORMAT_VERSION {
                    bail!("it has format {version}; this program reads up to {FORMAT_VERSION}");
                }
            }
        }
        Ok(())
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.database
            .cf_handle(name)
            .expect("all families are opened")
    }

    fn get(&self, family: &str, key: &[u8]) -> io::Result<Option<Bytes>> {
        let value = self.database.get_pinned_cf(self.family(family), key);
        let value = value.map_err(io::Error::other)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn write(&self, batch: WriteBatch) -> io::Result<()> {
        self.syncer.check()?;
        self.syncer
            .note(self.database.write(batch).map_err(io::Error::other))
    }

    fn write_and_flush(&self, batch: WriteBatch, flushed: Flushed) {
        match self.write(batch) {
            Ok(()) => self.flusher.submit(flushed),
            Err(error) => flushed.complete(Err(error)),
        }
    }

    fn range(&self, family: &str, from: &[u8], to: Option<&[u8]>) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        if let Some(to) = to {
            options.set_iterate_upper_bound(to);
        }
        self.database
            .raw_iterator_cf_opt(self.family(family), options)
    }

    fn pointer(&self) -> io::Result<Option<SnapshotPointer>> {
        let pointer = self.get(layout::META, SNAPSHOT.as_bytes())?;
        let pointer = pointer
            .map(|octets| rmp_serde::from_slice(&octets))
            .transpose();
        pointer.map_err(damaged)
    }
}

fn damaged(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the store is damaged: {error}"),
    )
}

/// At most `limit` rows from where the iterator stands.
fn rows(
    mut iterator: DBRawIterator<'_>,
    limit: usize,
    forwards: bool,
) -> io::Result<Vec<HistoryRow>> {
    let mut rows = Vec::new();
    while rows.len() < limit
        && let Some((key, value)) = iterator.item()
    {
        rows.push(
            layout::history_row(key, value).ok_or_else(|| damaged("a history key has no table"))?,
        );
        match forwards {
            true => iterator.next(),
            false => iterator.prev(),
        }
    }
    iterator.status().map_err(io::Error::other)?;
    Ok(rows)
}

impl LogStore for RocksStore {
    fn append(&self, entries: Vec<StoredEntry>, flushed: Flushed) {
        let family = self.family(layout::LOGS);
        let mut batch = WriteBatch::default();
        for entry in &entries {
            batch.put_cf(family, layout::log_key(entry.index), &entry.body);
        }
        let (count, flushed_entries) = (entries.len() as u64, self.metrics.flushed_entries.clone());
        let counted = move |result: io::Result<()>| {
            if result.is_ok() {
                flushed_entries.add(count);
            }
            flushed.complete(result);
        };
        self.write_and_flush(batch, Flushed::new(counted));
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<StoredEntry>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (from, to) = (layout::log_key(range.start), layout::log_key(range.end));
        let mut iterator = self.range(layout::LOGS, &from, Some(&to));
        iterator.seek_to_first();
        let mut entries = Vec::new();
        while let Some((key, value)) = iterator.item() {
            entries.push(StoredEntry {
                index: layout::log_index(key).ok_or_else(|| damaged("a log key is short"))?,
                body: Bytes::copy_from_slice(value),
            });
            iterator.next();
        }
        iterator.status().map_err(io::Error::other)?;
        Ok(entries)
    }

    fn last(&self) -> io::Result<Option<StoredEntry>> {
        let mut iterator = self.database.raw_iterator_cf(self.family(layout::LOGS));
        iterator.seek_to_last();
        iterator.status().map_err(io::Error::other)?;
        let last = iterator.item().map(|(key, value)| {
            Ok(StoredEntry {
                index: layout::log_index(key).ok_or_else(|| damaged("a log key is short"))?,
                body: Bytes::copy_from_slice(value),
            })
        });
        last.transpose()
    }

    fn truncate_from(&self, index: u64) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        let family = self.family(layout::LOGS);
        batch.delete_range_cf(family, layout::log_key(index), layout::log_key(u64::MAX));
        self.write(batch)
    }

    fn purge_through(&self, index: u64) -> io::Result<()> {
        let (first, end) = (layout::log_key(0), layout::log_key(index.saturating_add(1)));
        let family = self.family(layout::LOGS);
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(family, first, end);
        // Whole files of purged entries go at once, so that their tombstones do not pile up at the head of the log;
        // but not before it is on disk that they are purged.
        let database = self.database.clone();
        let drop_files = move |flushed: io::Result<()>| {
            if flushed.is_ok()
                && let Some(family) = database.cf_handle(layout::LOGS)
                && let Err(error) = database.delete_file_in_range_cf(family, first, end)
            {
                tracing::warn!(%error, "purged entries keep their files for now");
            }
        };
        self.write_and_flush(batch, Flushed::new(drop_files));
        self.syncer.check()
    }

    fn value(&self, name: &str) -> io::Result<Option<Bytes>> {
        self.get(layout::META, &value_key(name))
    }

    fn set_value(&self, name: &str, value: Bytes) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(layout::META), value_key(name), &value);
        self.write(batch)
    }

    fn set_value_durably(&self, name: &str, value: Bytes, flushed: Flushed) {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(layout::META), value_key(name), &value);
        self.write_and_flush(batch, flushed);
    }

    fn snapshot(&self) -> io::Result<Option<StoredSnapshot>> {
        let _one_at_a_time = self
            .snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(pointer) = self.pointer()? else {
            return Ok(None);
        };
        let mut state = BytesMut::new();
        for part in 0..pointer.parts {
            let octets = self.get(
                layout::SNAPSHOT,
                &layout::part_key(pointer.generation, part),
            )?;
            state.extend_from_slice(
                &octets.ok_or_else(|| damaged("a part of the snapshot is missing"))?,
            );
        }
        Ok(Some(StoredSnapshot {
            meta: pointer.meta,
            state: state.freeze(),
        }))
    }

    fn set_snapshot(&self, snapshot: StoredSnapshot) -> io::Result<()> {
        let _one_at_a_time = self
            .snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let generation = self.pointer()?.map_or(0, |pointer| pointer.generation + 1);
        let family = self.family(layout::SNAPSHOT);
        let mut parts = 0;
        for octets in snapshot.state.chunks(PART_OCTETS) {
            let mut batch = WriteBatch::default();
            batch.put_cf(family, layout::part_key(generation, parts), octets);
            self.write(batch)?;
            parts += 1;
        }
        let pointer = SnapshotPointer {
            generation,
            parts,
            meta: snapshot.meta,
        };
        let pointer = rmp_serde::to_vec_named(&pointer).map_err(damaged)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(layout::META), SNAPSHOT, pointer);
        self.write(batch)?;
        self.syncer.sync()?;
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(
            family,
            layout::part_key(0, 0),
            layout::part_key(generation, 0),
        );
        self.write(batch)
    }

    fn add_history(&self, rows: Vec<HistoryRow>) -> io::Result<()> {
        let family = self.family(layout::HISTORY);
        let mut batch = WriteBatch::default();
        for row in &rows {
            batch.put_cf(
                family,
                layout::history_key(&row.table, &row.key),
                &row.value,
            );
        }
        self.write(batch)
    }

    fn history(&self, query: &HistoryQuery) -> io::Result<Vec<HistoryRow>> {
        let from = layout::history_key(&query.table, &query.from);
        let to = match &query.to {
            Some(to) => layout::history_key(&query.table, to),
            None => layout::history_end(&query.table),
        };
        if from >= to {
            return Ok(Vec::new());
        }
        let mut iterator = self.range(layout::HISTORY, &from, Some(&to));
        match query.newest_first {
            false => iterator.seek_to_first(),
            true => iterator.seek_to_last(),
        }
        rows(iterator, query.limit, !query.newest_first)
    }

    fn history_after(
        &self,
        after: Option<(String, Bytes)>,
        limit: usize,
    ) -> io::Result<Vec<HistoryRow>> {
        let mut from = Vec::new();
        if let Some((table, key)) = after {
            from = layout::history_key(&table, &key);
            // The next possible key.
            from.push(0);
        }
        let mut iterator = self.range(layout::HISTORY, &from, None);
        iterator.seek_to_first();
        rows(iterator, limit, true)
    }
}

impl Drop for RocksStore {
    fn drop(&mut self) {
        if self.syncer.check().is_ok() {
            self.syncer.sync().ok();
        }
    }
}
