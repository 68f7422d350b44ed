//! The cluster as the REST interface wants to see it.

use std::sync::Arc;
use std::time::Duration;

use carillon_api::{ClusterStatus, JoinRole, JoinToken, PeerStatus, Plane, PlaneError};
use carillon_cluster::{ChangeError, Cluster, HistoryQuery, ProposeError, ReadError, Role};
use carillon_model::{CallRecord, Command, HistoryRow, HistoryTable, NodeId, Outcome, State};
use carillon_signalling::Clock;
use carillon_telephony::Telephony;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

pub(crate) struct ClusterPlane {
    pub(crate) cluster: Cluster<Telephony>,
    pub(crate) clock: Clock,
}

impl Plane for ClusterPlane {
    fn state(&self) -> Arc<State> {
        self.cluster.state()
    }

    fn propose(&self, command: Command) -> BoxFuture<'_, Result<Outcome, PlaneError>> {
        async {
            let outcome = self.cluster.propose_in_touch(command).await;
            outcome.map_err(propose_error)
        }
        .boxed()
    }

    fn linearizable(&self) -> BoxFuture<'_, Result<(), PlaneError>> {
        async {
            match self.cluster.linearizable().await {
                Ok(_) => Ok(()),
                Err(ReadError::Unavailable) => Err(PlaneError::NoQuorum),
                Err(ReadError::Stopped(why)) => Err(PlaneError::Stopped(why)),
            }
        }
        .boxed()
    }

    fn call_records(
        &self,
        from_ms: u64,
        to_ms: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<CallRecord>, PlaneError>> {
        let cluster = self.cluster.clone();
        let read = move || read_records(&cluster, from_ms, to_ms, limit);
        async {
            // The disk may take its time.
            let rows = tokio::task::spawn_blocking(read).await;
            rows.unwrap_or_else(|error| Err(PlaneError::Refused(error.to_string())))
        }
        .boxed()
    }

    fn status(&self) -> ClusterStatus {
        let status = self.cluster.status();
        ClusterStatus {
            cluster: status.cluster,
            node: NodeId(status.node.0),
            role: role(status.role).to_owned(),
            leader: status.leader.map(|leader| NodeId(leader.0)),
            term: status.term,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            quorum: status.quorum,
            out_of_duty: status.out_of_duty,
            digests_compared: status.digests_compared,
            digests_differing: status.digests_differing,
            peers: status.peers.into_iter().map(peer).collect(),
        }
    }

    fn join_token(
        &self,
        _role: JoinRole,
        lifetime_s: u32,
    ) -> BoxFuture<'_, Result<JoinToken, PlaneError>> {
        // A token is good for either role: the machine that shows it says what it is.
        async move {
            let life = Duration::from_secs(lifetime_s.into());
            let token = self.cluster.issue_token(life).await.map_err(change_error)?;
            Ok(JoinToken {
                token: token.to_text(),
                expires_at_ms: self.clock.now_ms() + 1000 * u64::from(lifetime_s),
            })
        }
        .boxed()
    }

    fn remove_node(&self, node: NodeId) -> BoxFuture<'_, Result<(), PlaneError>> {
        let node = carillon_cluster::NodeId(node.0);
        async move { self.cluster.remove(node).await.map_err(change_error) }.boxed()
    }
}

fn read_records(
    cluster: &Cluster<Telephony>,
    from_ms: u64,
    to_ms: u64,
    limit: usize,
) -> Result<Vec<CallRecord>, PlaneError> {
    let key = |at_ms| HistoryRow::key_at(at_ms, 0).to_vec().into();
    let rows = cluster.history(&HistoryQuery {
        table: HistoryTable::CallRecords.as_str().to_owned(),
        from: key(from_ms),
        to: Some(key(to_ms)),
        limit,
        newest_first: true,
    });
    let rows = rows.map_err(|error| PlaneError::Stopped(error.to_string()))?;
    let records = rows.iter().map(|row| rmp_serde::from_slice(&row.value));
    let records: Result<_, _> = records.collect();
    records.map_err(|error| {
        PlaneError::Stopped(format!("a call record on disk is unreadable: {error}"))
    })
}

fn peer(peer: carillon_cluster::PeerStatus) -> PeerStatus {
    PeerStatus {
        node: NodeId(peer.node.0),
        name: peer.name,
        address: peer.address,
        voter: peer.voter,
        matched_index: peer.matched_index,
        answered_ms_ago: peer.answered_ms_ago,
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
        Role::Stopped => "stopped",
    }
}

fn propose_error(error: ProposeError) -> PlaneError {
    match error {
        ProposeError::Unavailable => PlaneError::NoQuorum,
        ProposeError::Unknown => PlaneError::Unknown,
        ProposeError::Overloaded => PlaneError::Overloaded,
        ProposeError::Stopped(why) => PlaneError::Stopped(why),
    }
}

fn change_error(error: ChangeError) -> PlaneError {
    match error {
        ChangeError::Refused(why) => PlaneError::Refused(why),
        ChangeError::Timeout(_) => PlaneError::Unknown,
    }
}
