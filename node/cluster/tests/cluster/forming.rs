//! Clusters as a whole site comes up: everybody at once.

use carillon_cluster::testing::Registers;
use carillon_cluster::{Cluster, Config, Entry, Timing};

use super::nodes::{
    Node, PATIENCE, eventually, founder_with, in_time, insist, set, start, take_leader,
};

/// As often as a run of the tests can afford.
const ROUNDS: u64 = 5;

/// As in production.
fn brisk(name: &str, entry: Entry) -> Config {
    Config {
        timing: Timing::default(),
        ..super::nodes::config(name, entry)
    }
}

async fn join(name: &str, at: &Cluster<Registers>) -> Node<Registers> {
    // While the one before becomes a voter there may be no quorum for a moment.
    let token = loop {
        if let Ok(token) = at.issue_token(PATIENCE).await {
            break token;
        }
    };
    start(brisk(name, Entry::Join(token))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_join_at_once_and_any_one_may_be_lost_then() {
    for round in 0..ROUNDS {
        let a = founder_with::<Registers>(brisk).await;
        // The second comes with the first, or when that is about to vote.
        let known = 1 + usize::from(round % 2 == 1);
        let late = async {
            let peers = || a.cluster.status().peers.len();
            eventually("the first is known", || peers() >= known).await;
            join("c", &a.cluster).await
        };
        let joined = async { tokio::join!(join("b", &a.cluster), late) };
        let (b, c) = in_time("two nodes join", joined).await;
        let mut nodes = vec![a, b, c];
        for node in &nodes {
            insist(&node.cluster, set("x", round)).await;
        }
        let leader = take_leader(&mut nodes).await;
        leader.cluster.stop().await;
        for node in &nodes {
            insist(&node.cluster, set("y", round)).await;
        }
    }
}
