//! A process that dies, a disk that fails: what was acknowledged is there, what is not there was not acknowledged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{self, BufRead, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use carillon_cluster::{Flushed, LogStore, StoredEntry};
use carillon_rocks::{Hooks, RocksStore};
use carillon_telemetry::Metrics;

const FOLDER: &str = "CARILLON_TEST_STORE";

fn entry(index: u64) -> StoredEntry {
    StoredEntry {
        index,
        body: Bytes::from(vec![(index % 251) as u8; 300]),
    }
}

/// The other process: appends for ever and prints what was acknowledged. Does nothing when run as a test.
#[test]
fn writer_process() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let store = RocksStore::open(folder.as_ref()).unwrap();
    let first = store.last().unwrap().map_or(1, |last| last.index + 1);
    let (under_way, done) = mpsc::sync_channel(64);
    let done = Arc::new(Mutex::new(done));
    for index in first.. {
        under_way.send(()).unwrap();
        let done = done.clone();
        let acknowledge = move |result: io::Result<()>| {
            result.unwrap();
            done.lock().unwrap().recv().unwrap();
            writeln!(io::stdout(), "acknowledged {index}").unwrap();
        };
        store.append(vec![entry(index)], Flushed::new(acknowledge));
        if index % 50 == 0 {
            let acknowledge = move |result: io::Result<()>| {
                result.unwrap();
                writeln!(io::stdout(), "voted {index}").unwrap();
            };
            store.set_value_durably(
                "vote",
                Bytes::from(index.to_string()),
                Flushed::new(acknowledge),
            );
        }
    }
}

#[test]
fn a_killed_process_has_lost_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    let mut voted = 0;
    for round in 1..=6 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_process", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = io::BufReader::new(writer.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let enough = acknowledged + 100 * round + round * round * 7;
        for line in lines.by_ref() {
            match line.split_once(' ') {
                Some(("acknowledged", index)) => acknowledged = index.parse().unwrap(),
                Some(("voted", index)) => voted = index.parse().unwrap(),
                _ => {}
            }
            if acknowledged >= enough {
                break;
            }
        }
        assert!(
            acknowledged >= enough,
            "round {round}: the writer stopped by itself"
        );
        writer.kill().unwrap();
        writer.wait().unwrap();
        for line in lines {
            if let Some(("acknowledged", index)) = line.split_once(' ') {
                acknowledged = index.parse().unwrap_or(acknowledged);
            }
        }
        let store = RocksStore::open(folder.path()).unwrap();
        let entries = store.read(1..u64::MAX).unwrap();
        assert!(
            entries.len() as u64 >= acknowledged,
            "round {round}: {} of {acknowledged}",
            entries.len()
        );
        for (place, found) in entries.iter().enumerate() {
            assert_eq!(*found, entry(place as u64 + 1), "round {round}");
        }
        let vote = store.value("vote").unwrap().map_or(0, |vote| {
            std::str::from_utf8(&vote).unwrap().parse::<u64>().unwrap()
        });
        assert!(
            vote >= voted,
            "round {round}: the vote went back from {voted} to {vote}"
        );
    }
}

#[test]
fn a_failing_sync_acknowledges_nothing_ever_again() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let hook = {
        let broken = broken.clone();
        move || match broken.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the disk is broken")),
            false => Ok(()),
        }
    };
    let hooks = Hooks {
        before_sync: Some(Box::new(hook)),
    };
    let store = RocksStore::open_with(folder.path(), Metrics::new().raft, hooks).unwrap();
    let append = |index| {
        let (done, flushed) = mpsc::channel();
        store.append(
            vec![entry(index)],
            Flushed::new(move |result| done.send(result).unwrap()),
        );
        flushed.recv().unwrap()
    };
    assert!(append(1).is_ok());
    broken.store(true, Ordering::SeqCst);
    assert!(append(2).is_err());
    // A disk that seems well again does not say what it lost meanwhile.
    broken.store(false, Ordering::SeqCst);
    assert!(append(3).is_err());
    assert!(store.set_value("x", Bytes::new()).is_err());
}

#[test]
fn nothing_is_acknowledged_while_a_sync_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let started = AtomicBool::new(false);
    let hook = move || {
        // The first sync belongs to opening.
        if started.swap(true, Ordering::SeqCst) {
            released.lock().unwrap().recv().ok();
        }
        Ok(())
    };
    let hooks = Hooks {
        before_sync: Some(Box::new(hook)),
    };
    let store = RocksStore::open_with(folder.path(), Metrics::new().raft, hooks).unwrap();
    let (done, flushed) = mpsc::channel();
    for index in 1..=3 {
        let done = done.clone();
        store.append(
            vec![entry(index)],
            Flushed::new(move |_| done.send(index).unwrap()),
        );
    }
    assert_eq!(
        store.read(1..10).unwrap().len(),
        3,
        "entries are readable before they are on disk"
    );
    assert!(flushed.try_recv().is_err());
    drop(release);
    let order: Vec<u64> = (0..3).map(|_| flushed.recv().unwrap()).collect();
    assert_eq!(order, [1, 2, 3]);
}
