//! A node whose disk fails leaves duty; the others go on. One whose disk lied gets what it has lost.

use carillon_cluster::testing::Registers;
use carillon_cluster::{Config, Entry, LogStore, MemoryStore, ProposeError, Role};
use carillon_telemetry::Metrics;

use super::nodes::{
    PATIENCE, config, eventually, in_time, insist, joiner, set, start, start_on, take_leader, three,
};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_disk_has_lost_what_it_acknowledged_gets_it_again() {
    let metrics = Metrics::new().raft;
    let cluster = "test".to_owned();
    let leader = start::<Registers>(Config {
        metrics: metrics.clone(),
        ..config("a", Entry::Found { cluster })
    })
    .await;
    let second = joiner("b", &leader.cluster).await;
    let token = leader.cluster.issue_token(PATIENCE).await.unwrap();
    let joining = config("c", Entry::Join(token));
    let third = start_on::<Registers>(joining, MemoryStore::lying()).await;
    third.store.flush();
    for value in 1..=5 {
        insist(&leader.cluster, set("x", value)).await;
        in_time(
            "replication",
            third
                .cluster
                .until(|state| state.values.get("x") == Some(&value)),
        )
        .await;
    }
    third.cluster.stop().await;
    let had = third.store.last().unwrap().unwrap().index;
    let left = third.store.after_power_cut();
    assert!(left.last().unwrap().unwrap().index < had);
    insist(&leader.cluster, set("x", 6)).await;
    let ignored = Entry::Found {
        cluster: "ignored".to_owned(),
    };
    let third = start_on::<Registers>(config("c", ignored), left).await;
    in_time(
        "what was lost",
        third
            .cluster
            .until(|state| state.values.get("x") == Some(&6)),
    )
    .await;
    assert!(leader.leads());
    assert_eq!(metrics.log_losses.value(), 1);
    // It counts for the quorum again.
    second.cluster.stop().await;
    insist(&leader.cluster, set("x", 7)).await;
}
