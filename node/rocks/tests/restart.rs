//! All nodes lose power and come back on their disks.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carillon_cluster::testing::{Registers, RegistersCommand};
use carillon_cluster::{Cluster, Config, Entry, HistoryQuery, Retention, Timing};
use carillon_rocks::RocksStore;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const WRITES: u64 = 500;

fn config(name: &str, address: SocketAddr, entry: Entry) -> Config {
    Config {
        timing: Timing::stretched(),
        // Small, so that a restart finds a snapshot, a purged log and entries after it.
        retention: Retention {
            logs_between_snapshots: 100,
            logs_kept: 50,
            logs_purged_together: 1,
        },
        ..Config::new(name, address, entry)
    }
}

/// Opens the store as soon as the node that had it has let go of it.
async fn open(folder: &Path) -> Arc<RocksStore> {
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let opened = async {
        loop {
            match RocksStore::open(folder) {
                Ok(store) => return Arc::new(store),
                Err(_) => clock.tick().await,
            };
        }
    };
    tokio::time::timeout(PATIENCE, opened)
        .await
        .expect("the store is free")
}

async fn start(
    name: &str,
    address: SocketAddr,
    folder: &TempDir,
    entry: Entry,
) -> Cluster<Registers> {
    let store = open(folder.path()).await;
    Cluster::start(config(name, address, entry), store)
        .await
        .unwrap()
}

fn found() -> Entry {
    Entry::Found {
        cluster: "test".to_owned(),
    }
}

fn written(cluster: &Cluster<Registers>) -> usize {
    let query = HistoryQuery {
        table: "writes".to_owned(),
        from: Bytes::new(),
        to: None,
        limit: usize::MAX,
        newest_first: false,
    };
    cluster.history(&query).unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_acknowledged_survives_the_end_of_all_processes() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let a = start("a", anywhere, &folders[0], found()).await;
    let mut nodes = vec![a];
    for (name, folder) in [("b", &folders[1]), ("c", &folders[2])] {
        let token = nodes[0].issue_token(PATIENCE).await.unwrap();
        nodes.push(start(name, anywhere, folder, Entry::Join(token)).await);
    }
    let addresses: Vec<_> = nodes.iter().map(Cluster::address).collect();
    let numbers: Vec<_> = nodes.iter().map(Cluster::node).collect();
    for value in 0..WRITES {
        let at = &nodes[usize::try_from(value % 3).unwrap()];
        at.propose(RegistersCommand::Set(format!("r{value}"), value))
            .await
            .unwrap();
    }
    for node in nodes.drain(..) {
        node.stop().await;
    }
    for ((name, address), folder) in ["a", "b", "c"].into_iter().zip(addresses).zip(&folders) {
        nodes.push(start(name, address, folder, found()).await);
    }
    assert_eq!(nodes.iter().map(Cluster::node).collect::<Vec<_>>(), numbers);
    for node in &nodes {
        let state = tokio::time::timeout(PATIENCE, node.linearizable())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(state.applied, WRITES);
        assert!((0..WRITES).all(|value| state.values[&format!("r{value}")] == value));
        assert_eq!(written(node), usize::try_from(WRITES).unwrap());
    }
    nodes[1]
        .propose(RegistersCommand::Add("r1".to_owned(), 1))
        .await
        .unwrap();
}
