//! Nodes that leave, and come back.

use std::sync::Arc;

use carillon_cluster::testing::Registers;
use carillon_cluster::{Cluster, Entry};

use super::nodes::{Node, config, eventually, in_time, insist, joiner, set, take_leader, three};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_is_replaced_and_its_number_is_not_used_again() {
    let mut nodes = three::<Registers>().await;
    let dead = nodes.remove(2);
    dead.cluster.stop().await;
    in_time("removal", nodes[0].cluster.remove(dead.id()))
        .await
        .unwrap();
    let new = joiner("d", &nodes[0].cluster).await;
    assert_eq!(new.id().0, 4);
    let voters: Vec<u64> = new
        .cluster
        .status()
        .peers
        .iter()
        .map(|peer| peer.node.0)
        .collect();
    assert_eq!(voters, [1, 2, 4]);
    insist(&new.cluster, set("x", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_is_not_listened_to() {
    let mut nodes = three::<Registers>().await;
    let leader = take_leader(&mut nodes).await;
    in_time("removal", nodes[0].cluster.remove(leader.id()))
        .await
        .unwrap();
    eventually("another leads", || nodes.iter().any(Node::leads)).await;
    insist(&nodes[1].cluster, set("x", 1)).await;
    leader.cluster.stop().await;
    let returned = Cluster::<Registers>::start(
        config(
            "a",
            Entry::Found {
                cluster: "ignored".to_owned(),
            },
        ),
        Arc::new(leader.store.after_power_cut()),
    )
    .await
    .unwrap();
    let limit = std::time::Duration::from_secs(2);
    assert!(returned.propose_within(set("x", 2), limit).await.is_err());
    assert_eq!(
        nodes[0].cluster.linearizable().await.unwrap().values["x"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_node_cannot_be_removed() {
    let node = super::nodes::founder::<Registers>().await;
    assert!(node.cluster.remove(node.id()).await.is_err());
    insist(&node.cluster, set("x", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_comes_back_on_another_port() {
    let mut nodes = three::<Registers>().await;
    insist(&nodes[0].cluster, set("x", 1)).await;
    let left = nodes.remove(1);
    let (before, id) = (left.cluster.address(), left.id());
    left.cluster.shutdown().await;
    insist(&nodes[0].cluster, set("x", 2)).await;
    let entry = Entry::Found {
        cluster: "ignored".to_owned(),
    };
    let store = Arc::new(left.store.after_power_cut());
    let back = Cluster::<Registers>::start(config("b", entry), store)
        .await
        .unwrap();
    assert_eq!(back.node(), id);
    assert_ne!(back.address(), before);
    in_time(
        "catching up",
        back.until(|state| state.values.get("x") == Some(&2)),
    )
    .await;
    insist(&back, set("x", 3)).await;
    in_time(
        "replication",
        nodes[1].cluster.until(|state| state.values["x"] == 3),
    )
    .await;
}
