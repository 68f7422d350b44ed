//! Nodes that come too late for the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use carillon_cluster::testing::Registers;
use carillon_cluster::{Cluster, HistoryQuery};

use super::nodes::{add, eventually, founder, in_time, insist, joiner, set};

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
async fn a_new_node_gets_state_and_history_by_snapshot_while_writes_go_on() {
    let a = founder::<Registers>().await;
    for value in 0..600 {
        insist(&a.cluster, set(&format!("r{}", value % 40), value)).await;
    }
    eventually("the log was purged", || {
        a.cluster.status().purged_index > 300
    })
    .await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (cluster, stop) = (a.cluster.clone(), stop.clone());
        tokio::spawn(async move {
            let mut writes = 0;
            while !stop.load(Ordering::Relaxed) {
                insist(&cluster, add("meanwhile", 1)).await;
                writes += 1;
            }
            writes
        })
    };
    let b = joiner("b", &a.cluster).await;
    assert!(b.cluster.status().snapshot_index > 0, "it came by snapshot");
    stop.store(true, Ordering::Relaxed);
    let writes = in_time("the writer", writer).await.unwrap();
    let state = in_time("a read", b.cluster.linearizable()).await.unwrap();
    assert_eq!(state.values["meanwhile"], writes);
    assert_eq!(*state, *a.cluster.linearizable().await.unwrap());
    assert_eq!(written(&b.cluster), 600 + usize::try_from(writes).unwrap());
    assert_eq!(written(&a.cluster), written(&b.cluster));
}
