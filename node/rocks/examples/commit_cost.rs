//! What a commit costs: three nodes on RocksDB in one process, over QUIC on loopback.
//!
//! `cargo run -p carillon-rocks --example commit_cost [seconds] [writers]`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use carillon_cluster::testing::{Registers, RegistersCommand};
use carillon_cluster::{Cluster, Config, Entry, Role};
use carillon_rocks::RocksStore;

/// Processor time of this process in clock ticks of 10 ms.
fn processor_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u64> = after_name
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    // User and system time are the 12th and 13th field after the name; the state is no number.
    fields.get(10).copied().unwrap_or(0) + fields.get(11).copied().unwrap_or(0)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u64>());
    let seconds = arguments.next().transpose()?.unwrap_or(5);
    let writers = arguments.next().transpose()?.unwrap_or(16);
    let folders = [
        tempfile::tempdir()?,
        tempfile::tempdir()?,
        tempfile::tempdir()?,
    ];
    let mut nodes: Vec<Cluster<Registers>> = Vec::new();
    for (name, folder) in ["a", "b", "c"].into_iter().zip(&folders) {
        let entry = match nodes.first() {
            None => Entry::Found {
                cluster: "cost".to_owned(),
            },
            Some(first) => Entry::Join(first.issue_token(Duration::from_secs(60)).await?),
        };
        let config = Config::new(name, "127.0.0.1:0".parse()?, entry);
        nodes.push(Cluster::start(config, Arc::new(RocksStore::open(folder.path())?)).await?);
    }
    let idle = processor_ticks();
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!(
        "idle: {} ms of processor time a second for three nodes",
        (processor_ticks() - idle) * 10 / 3
    );
    for at_leader in [true, false] {
        let node = nodes
            .iter()
            .find(|node| (node.status().role == Role::Leader) == at_leader);
        let node = node.expect("there is a leader and a follower");
        for writers in [1, writers] {
            measure(node, at_leader, seconds, writers).await;
        }
    }
    Ok(())
}

async fn measure(node: &Cluster<Registers>, at_leader: bool, seconds: u64, writers: u64) {
    let (commits, stop) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (began, ticks) = (Instant::now(), processor_ticks());
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (node, commits, stop) = (node.clone(), commits.clone(), stop.clone());
            tokio::spawn(async move {
                let name = format!("{:0>280}", writer);
                while !stop.load(Ordering::Relaxed) {
                    if node
                        .propose(RegistersCommand::Set(name.clone(), writer))
                        .await
                        .is_ok()
                    {
                        commits.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.ok();
    }
    let commits = commits.load(Ordering::Relaxed);
    let wall = began.elapsed().as_secs_f64();
    println!(
        "{}, {writers} writers: {:.0} commits a second, {:.2} ms each, {} µs of processor time a commit on three nodes",
        if at_leader {
            "at the leader"
        } else {
            "at a follower"
        },
        commits as f64 / wall,
        wall * 1000.0 * writers as f64 / commits.max(1) as f64,
        (processor_ticks() - ticks) * 10_000 / commits.max(1),
    );
}
