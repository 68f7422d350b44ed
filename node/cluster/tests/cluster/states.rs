//! Do all nodes hold the same state?

use std::sync::atomic::{AtomicU64, Ordering};

use carillon_cluster::testing::{Registers, RegistersCommand, RegistersState};
use carillon_cluster::{Applied, Replicated, Stamp};

use super::nodes::{Node, eventually, in_time, set, take_leader, three};

/// Registers with a bug: what is written depends on the process and not on the command alone.
enum Drifting {}

static WRITES: AtomicU64 = AtomicU64::new(0);

impl Replicated for Drifting {
    type State = RegistersState;
    type Command = RegistersCommand;
    type Outcome = u64;
    type Event = String;

    fn apply(state: &mut RegistersState, at: Stamp, command: &RegistersCommand) -> Applied<Self> {
        let applied = Registers::apply(state, at, command);
        state
            .values
            .insert("drift".to_owned(), WRITES.fetch_add(1, Ordering::Relaxed));
        Applied {
            outcome: applied.outcome,
            events: applied.events,
            history: applied.history,
        }
    }

    fn digest(state: &RegistersState) -> u64 {
        Registers::digest(state)
    }
}

async fn compare<M: Replicated>(nodes: &mut Vec<Node<M>>) {
    let leader = take_leader(nodes).await;
    in_time("a comparison", leader.cluster.compare_states()).await;
    nodes.push(leader);
    let compared = || {
        nodes
            .iter()
            .all(|node| node.cluster.status().digests_compared == 1)
    };
    eventually("all have compared", compared).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_agree_say_so() {
    let mut nodes = three::<Registers>().await;
    nodes[0].cluster.propose(set("x", 1)).await.unwrap();
    compare(&mut nodes).await;
    assert!(
        nodes
            .iter()
            .all(|node| node.cluster.status().digests_differing == 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_state_drifts_is_noticed() {
    let mut nodes = three::<Drifting>().await;
    nodes[0].cluster.propose(set("x", 1)).await.unwrap();
    compare(&mut nodes).await;
    let differing: u64 = nodes
        .iter()
        .map(|node| node.cluster.status().digests_differing)
        .sum();
    assert_eq!(differing, 2, "both followers differ from the leader");
}
