//! A node whose disk fails leaves duty; the others go on.

use carillon_cluster::testing::Registers;
use carillon_cluster::{ProposeError, Role};

use super::nodes::{eventually, in_time, insist, set, take_leader, three};

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_with_a_full_disk_acknowledges_nothing_and_is_replaced() {
    let mut nodes = three::<Registers>().await;
    insist(&nodes[0].cluster, set("x", 1)).await;
    let leader = take_leader(&mut nodes).await;
    leader.store.fail();
    let refused = in_time("an answer", leader.cluster.propose(set("x", 2))).await;
    assert!(
        matches!(
            refused,
            Err(ProposeError::Stopped(_) | ProposeError::Unknown)
        ),
        "{refused:?}"
    );
    eventually("it leaves duty", || {
        leader.cluster.status().out_of_duty.is_some()
    })
    .await;
    assert_eq!(leader.cluster.status().role, Role::Stopped);
    insist(&nodes[0].cluster, set("x", 3)).await;
    in_time(
        "replication",
        nodes[1].cluster.until(|state| state.values["x"] == 3),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_with_a_broken_disk_does_not_count_for_the_quorum() {
    let mut nodes = three::<Registers>().await;
    insist(&nodes[0].cluster, set("x", 1)).await;
    let leader = take_leader(&mut nodes).await;
    nodes[0].store.fail();
    insist(&leader.cluster, set("x", 2)).await;
    eventually("it leaves duty", || {
        nodes[0].cluster.status().out_of_duty.is_some()
    })
    .await;
    nodes[1].store.fail();
    let limit = std::time::Duration::from_secs(1);
    assert!(
        leader
            .cluster
            .propose_within(set("x", 3), limit)
            .await
            .is_err()
    );
}
