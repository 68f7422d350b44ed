//! How long writing takes while the leader goes, and how long it takes to say that nothing can be written.
//!
//! In virtual time, so that a limit is a limit.

use std::time::Duration;

use carillon_cluster::testing::RegistersCommand;
use carillon_cluster::{MemoryStore, NodeId, ProposeError, ReadError};
use openraft::AsyncRuntime;
use openraft_rt_sim::{SimInstant, SimRuntime};

use super::{NODES, Story, pause};

const SEEDS: u64 = 60;
/// The silence after which others may vote, an election, and two messages. Whoever waited for the dead leader would be later.
const USUALLY_WRITTEN_WITHIN: Duration = Duration::from_millis(650);
/// An election that fails comes again.
const WRITTEN_WITHIN: Duration = Duration::from_millis(1_500);
/// Half a second without touch, and the look that sees it.
const REFUSED_WITHIN: Duration = Duration::from_millis(600);

fn now() -> Duration {
    SimInstant::try_now().unwrap().elapsed_since_start()
}

/// A cluster that works, with its leader and one of the others.
async fn formed(seed: u64) -> (Story, NodeId, NodeId) {
    let story = Story::new(seed, MemoryStore::flushed_on_demand);
    story.form().await;
    // So that all have heard of each other, and no two seeds come at the same moment between two heartbeats.
    pause(1_000 + seed).await;
    let leader = story.leader().unwrap();
    let other = NODES.into_iter().find(|node| *node != leader).unwrap();
    (story, leader, other)
}

/// From the death of the leader until a write is taken, from somebody who repeats what is refused.
async fn outage(seed: u64) -> Duration {
    let (story, leader, other) = formed(seed).await;
    let replica = story.replica(other).unwrap();
    story.crash(leader);
    let began = now();
    loop {
        // As the REST interface does it.
        if replica.linearizable().await.is_ok() {
            let command = RegistersCommand::Add("x".to_owned(), 1);
            match replica.propose_in_touch(command).await {
                Ok(_) => return now() - began,
                Err(ProposeError::Unavailable) => {}
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
    }
}

#[test]
fn what_the_leader_took_to_its_grave_is_given_to_the_next_at_once() {
    let mut outages: Vec<Duration> = (0..SEEDS)
        .map(|seed| SimRuntime::with_seed(seed).block_on(outage(seed)))
        .collect();
    outages.sort();
    let (median, worst) = (outages[outages.len() / 2], outages[outages.len() - 1]);
    println!("median {median:?}, worst {worst:?}");
    assert!(median < USUALLY_WRITTEN_WITHIN, "median {median:?}");
    assert!(worst < WRITTEN_WITHIN, "worst {worst:?}");
}

#[test]
fn who_is_cut_off_refuses_reads_of_the_latest_and_writes_soon() {
    for seed in 0..SEEDS {
        SimRuntime::with_seed(seed).block_on(async {
            let (story, leader, other) = formed(seed).await;
            let alone = [leader, other][usize::try_from(seed % 2).unwrap()];
            for node in NODES.into_iter().filter(|node| *node != alone) {
                story.fabric.cut(alone, node);
                story.fabric.cut(node, alone);
            }
            let replica = story.replica(alone).unwrap();
            // At once, when it does not know yet, and later.
            for _ in 0..3 {
                let began = now();
                let read = replica.linearizable().await;
                assert_eq!(read.err(), Some(ReadError::Unavailable), "seed {seed}");
                let took = now() - began;
                assert!(took < REFUSED_WITHIN, "seed {seed}: {took:?}");
                let began = now();
                let command = RegistersCommand::Add("x".to_owned(), 1);
                let written = replica.propose_in_touch(command).await;
                assert!(written.is_err(), "seed {seed}");
                let took = now() - began;
                assert!(took < REFUSED_WITHIN, "seed {seed}: {took:?}");
            }
        });
    }
}
