//! Commands: on any node, once, through changes of leader.

use carillon_cluster::ProposeError;
use carillon_cluster::testing::{Registers, RegistersCommand};

use super::nodes::{Node, add, eventually, in_time, insist, set, take_leader, three};

#[tokio::test(flavor = "multi_thread")]
async fn a_write_on_a_follower_is_applied_once_everywhere() {
    let mut nodes = three::<Registers>().await;
    let leader = take_leader(&mut nodes).await;
    for node in &nodes {
        assert!(!node.leads());
        node.cluster.propose(add("x", 1)).await.unwrap();
        assert!(
            node.cluster.state().values["x"] > 0,
            "who wrote sees it at once"
        );
    }
    nodes.push(leader);
    for node in &nodes {
        let state = in_time(
            "replication",
            node.cluster.until(|state| state.applied == 2),
        )
        .await;
        assert_eq!(state.values["x"], 2);
        assert!(
            state.now_ms > 1_700_000_000_000,
            "the leader's time is in it"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_when_the_leader_dies() {
    let mut nodes = three::<Registers>().await;
    insist(&nodes[0].cluster, set("before", 1)).await;
    let leader = take_leader(&mut nodes).await;
    leader.cluster.stop().await;
    for node in &nodes {
        insist(&node.cluster, add("after", 1)).await;
    }
    for node in &nodes {
        let state = in_time(
            "both",
            node.cluster
                .until(|state| state.values.get("after") == Some(&2)),
        )
        .await;
        assert_eq!(state.values["before"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_applied_once_while_leadership_moves() {
    let nodes = three::<Registers>().await;
    let writers = nodes.iter().map(|node| {
        let cluster = node.cluster.clone();
        tokio::spawn(async move {
            let mut sum = 0;
            for value in 1..=150 {
                match cluster.propose(add("sum", value)).await {
                    Ok(_) => sum += value,
                    Err(ProposeError::Unavailable) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            sum
        })
    });
    let writers: Vec<_> = writers.collect();
    for _ in 0..2 {
        for node in &nodes {
            node.cluster.transfer_leader(Some(node.id())).await.ok();
            eventually("it leads", || {
                node.leads() || writers.iter().all(|writer| writer.is_finished())
            })
            .await;
        }
    }
    let mut expected = 0;
    for writer in writers {
        expected += in_time("the writers", writer).await.unwrap();
    }
    assert!(expected > 0);
    for node in &nodes {
        let state = in_time("a read", node.cluster.linearizable())
            .await
            .unwrap();
        assert_eq!(state.values["sum"], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_can_wait_share_an_entry_and_each_has_its_outcome() {
    let node = super::nodes::founder::<Registers>().await;
    let before = node.cluster.status().applied_index;
    let patient = || RegistersCommand::AddPatiently("x".to_owned(), 1);
    let proposing = (0..20).map(|_| node.cluster.propose(patient()));
    let mut sums = futures_util::future::try_join_all(proposing).await.unwrap();
    sums.sort_unstable();
    assert_eq!(sums, (1..=20).collect::<Vec<_>>());
    let entries = node.cluster.status().applied_index - before;
    assert!(entries < 20, "{entries} entries");
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_handed_over_on_shutdown() {
    let mut nodes = three::<Registers>().await;
    let leader = take_leader(&mut nodes).await;
    let term = leader.cluster.status().term;
    leader.cluster.shutdown().await;
    eventually("an heir leads", || nodes.iter().any(Node::leads)).await;
    let heir = nodes.iter().find(|node| node.leads()).unwrap();
    assert!(heir.cluster.status().term > term);
    insist(&heir.cluster, set("x", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linearizable_read_sees_what_another_node_wrote() {
    let nodes = three::<Registers>().await;
    for value in 1..=10 {
        nodes[(value % 3) as usize]
            .cluster
            .propose(set("x", value))
            .await
            .unwrap();
        let state = nodes[((value + 1) % 3) as usize]
            .cluster
            .linearizable()
            .await
            .unwrap();
        assert_eq!(state.values["x"], value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn observers_see_each_change_with_its_state() {
    let nodes = three::<Registers>().await;
    let mut changes = nodes[1].cluster.changes();
    nodes[2].cluster.propose(set("x", 5)).await.unwrap();
    let change = in_time("a change", changes.next()).await.unwrap();
    assert_eq!(change.events, ["x"]);
    assert_eq!(change.state.values["x"], 5);
    assert!(!change.missed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_sleeps_is_told_that_it_missed_something() {
    let node = super::nodes::founder::<Registers>().await;
    let mut changes = node.cluster.changes();
    for value in 0..2_000 {
        node.cluster.propose(set("x", value)).await.unwrap();
    }
    let change = in_time("a change", changes.next()).await.unwrap();
    assert!(change.missed);
    assert_eq!(change.state.values["x"], 1_999);
}
