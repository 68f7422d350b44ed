//! Nodes for the stories.

use std::sync::Arc;
use std::time::Duration;

use carillon_cluster::testing::{Registers, RegistersCommand};
use carillon_cluster::{
    Cluster, Config, Entry, MemoryStore, NodeId, ProposeError, Replicated, Retention, Role, Timing,
};

/// Longer than any of this takes on a busy machine; a story that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Node<M: Replicated = Registers> {
    pub(crate) cluster: Cluster<M>,
    pub(crate) store: MemoryStore,
}

/// Slower than in production, so that a machine that compiles meanwhile does not lose its leader.
pub(crate) fn config(name: &str, entry: Entry) -> Config {
    Config {
        timing: Timing {
            heartbeat_ms: 100,
            election_min_ms: 500,
            election_max_ms: 1_000,
        },
        digest_interval_ms: 3_600_000,
        retention: Retention {
            logs_between_snapshots: 200,
            logs_kept: 50,
            logs_purged_together: 1,
        },
        ..Config::new(name, "127.0.0.1:0".parse().unwrap(), entry)
    }
}

pub(crate) async fn start<M: Replicated>(config: Config) -> Node<M> {
    start_on(config, MemoryStore::new()).await
}

pub(crate) async fn start_on<M: Replicated>(config: Config, store: MemoryStore) -> Node<M> {
    let cluster = Cluster::start(config, Arc::new(store.clone()))
        .await
        .unwrap();
    Node { cluster, store }
}

pub(crate) async fn founder<M: Replicated>() -> Node<M> {
    founder_with(config).await
}

pub(crate) async fn founder_with<M: Replicated>(config: fn(&str, Entry) -> Config) -> Node<M> {
    let cluster = "test".to_owned();
    start(config("a", Entry::Found { cluster })).await
}

pub(crate) async fn joiner<M: Replicated>(name: &str, at: &Cluster<M>) -> Node<M> {
    let token = at.issue_token(PATIENCE).await.unwrap();
    start(config(name, Entry::Join(token))).await
}

pub(crate) async fn three<M: Replicated>() -> Vec<Node<M>> {
    let a = founder().await;
    let b = joiner("b", &a.cluster).await;
    let c = joiner("c", &b.cluster).await;
    vec![a, b, c]
}

impl<M: Replicated> Node<M> {
    pub(crate) fn id(&self) -> NodeId {
        self.cluster.node()
    }

    pub(crate) fn leads(&self) -> bool {
        self.cluster.status().role == Role::Leader
    }
}

/// Takes the leader out of `nodes`.
pub(crate) async fn take_leader<M: Replicated>(nodes: &mut Vec<Node<M>>) -> Node<M> {
    eventually("there is a leader", || nodes.iter().any(Node::leads)).await;
    let place = nodes.iter().position(Node::leads).unwrap();
    nodes.remove(place)
}

pub(crate) fn set(name: &str, value: u64) -> RegistersCommand {
    RegistersCommand::Set(name.to_owned(), value)
}

pub(crate) fn add(name: &str, value: u64) -> RegistersCommand {
    RegistersCommand::Add(name.to_owned(), value)
}

/// Proposes until the cluster says what became of it.
pub(crate) async fn insist(cluster: &Cluster<Registers>, command: RegistersCommand) -> u64 {
    in_time("a write", async {
        loop {
            match cluster.propose(command.clone()).await {
                Ok(outcome) => return outcome,
                Err(ProposeError::Unavailable) => {}
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
}

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not in time: {what}"),
    }
}

/// Waits for what has no event of its own to wait for.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let mut clock = tokio::time::interval(Duration::from_millis(10));
    in_time(what, async {
        while !holds() {
            clock.tick().await;
        }
    })
    .await;
}
