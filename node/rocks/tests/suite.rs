//! RocksDB keeps what openraft asks of a store, and refuses what it cannot read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use bytes::Bytes;
use carillon_cluster::testing::log_store_suite;
use carillon_cluster::{Flushed, HistoryQuery, HistoryRow, LogStore, StoredEntry, StoredSnapshot};
use carillon_rocks::RocksStore;

fn entry(index: u64) -> StoredEntry {
    StoredEntry {
        index,
        body: Bytes::from(format!("entry {index}")),
    }
}

fn append(store: &RocksStore, range: std::ops::Range<u64>) {
    let (done, flushed) = std::sync::mpsc::channel();
    store.append(
        range.map(entry).collect(),
        Flushed::new(move |result| done.send(result).unwrap()),
    );
    flushed.recv().unwrap().unwrap();
}

fn row(table: &str, key: &str) -> HistoryRow {
    HistoryRow {
        table: table.to_owned(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::from("value"),
    }
}

fn keys(rows: &[HistoryRow]) -> Vec<&str> {
    rows.iter()
        .map(|row| std::str::from_utf8(&row.key).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_storage_suite() {
    log_store_suite(|| {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn LogStore> = Arc::new(RocksStore::open(folder.path()).unwrap());
        (folder, store)
    })
    .await;
}

#[test]
fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let large = Bytes::from(vec![7; 3_000_000]);
    {
        let store = RocksStore::open(folder.path()).unwrap();
        append(&store, 1..101);
        store.set_value("purged", Bytes::from("10")).unwrap();
        store.purge_through(10).unwrap();
        store.truncate_from(91).unwrap();
        for state in [Bytes::from("old"), large.clone()] {
            let meta = Bytes::from("meta");
            store.set_snapshot(StoredSnapshot { meta, state }).unwrap();
        }
        store
            .add_history(vec![
                row("calls", "b"),
                row("calls", "a"),
                row("audit", "z"),
            ])
            .unwrap();
    }
    let store = RocksStore::open(folder.path()).unwrap();
    let indices: Vec<u64> = store
        .read(0..1_000)
        .unwrap()
        .iter()
        .map(|entry| entry.index)
        .collect();
    assert_eq!(indices, (11..91).collect::<Vec<_>>());
    assert_eq!(store.last().unwrap(), Some(entry(90)));
    assert_eq!(store.value("purged").unwrap(), Some(Bytes::from("10")));
    assert_eq!(store.snapshot().unwrap().unwrap().state, large);
    let mut query = HistoryQuery {
        table: "calls".to_owned(),
        from: Bytes::new(),
        to: None,
        limit: 10,
        newest_first: true,
    };
    assert_eq!(keys(&store.history(&query).unwrap()), ["b", "a"]);
    query.to = Some(Bytes::from("b"));
    assert_eq!(keys(&store.history(&query).unwrap()), ["a"]);
    let first = store.history_after(None, 2).unwrap();
    assert_eq!(keys(&first), ["z", "a"]);
    let last = first.last().unwrap();
    let rest = store
        .history_after(Some((last.table.clone(), last.key.clone())), 2)
        .unwrap();
    assert_eq!(keys(&rest), ["b"]);
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(RocksStore::open(folder.path()).unwrap());
    {
        let mut options = rocksdb::Options::default();
        options.create_missing_column_families(true);
        let families = ["default", "meta", "logs", "history", "snapshot"];
        let database = rocksdb::DB::open_cf(&options, folder.path(), families).unwrap();
        let meta = database.cf_handle("meta").unwrap();
        database
            .put_cf(meta, "format", 2_u32.to_be_bytes())
            .unwrap();
    }
    let Err(error) = RocksStore::open(folder.path()) else {
        panic!("a newer format was accepted");
    };
    assert!(
        format!("{error:#}").contains("it has format 2"),
        "{error:#}"
    );
}

#[test]
fn two_processes_do_not_share_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let _store = RocksStore::open(folder.path()).unwrap();
    assert!(RocksStore::open(folder.path()).is_err());
}
