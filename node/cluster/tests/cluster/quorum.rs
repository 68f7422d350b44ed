//! Without a quorum nothing is acknowledged.

use std::time::Duration;

use carillon_cluster::testing::Registers;
use carillon_cluster::{ProposeError, ReadError};

use super::nodes::{eventually, in_time, insist, set, take_leader, three};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_refuses_and_says_so() {
    let mut nodes = three::<Registers>().await;
    insist(&nodes[0].cluster, set("x", 1)).await;
    eventually("all see the quorum", || {
        nodes.iter().all(|node| node.cluster.status().quorum)
    })
    .await;
    for node in &nodes {
        let written = in_time("a write", node.cluster.propose_in_touch(set("x", 1))).await;
        assert_eq!(written, Ok(1));
    }
    // The leader is the one that stays: it must notice by itself.
    let leader = take_leader(&mut nodes).await;
    for node in &nodes {
        node.cluster.stop().await;
    }
    eventually("it notices", || !leader.cluster.status().quorum).await;
    let limit = Duration::from_millis(300);
    let refused = leader.cluster.propose_within(set("x", 2), limit).await;
    assert_eq!(refused, Err(ProposeError::Unavailable));
    let refused = in_time("an answer", leader.cluster.propose_in_touch(set("x", 2))).await;
    assert_eq!(refused, Err(ProposeError::Unavailable), "and none is begun");
    let read = in_time("an answer", leader.cluster.linearizable()).await;
    assert_eq!(read.err(), Some(ReadError::Unavailable));
    assert_eq!(
        leader.cluster.state().values["x"],
        1,
        "what it has it shows"
    );
}
