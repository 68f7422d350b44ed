//! A control node in production: the replica, its certificate, its port.

mod enrol;
mod start;
mod talk;
mod touch;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use carillon_link::{Authority, Credentials, Endpoint, LinkError, NodeId, ServerCertificate};
use openraft_rt_tokio::TokioRuntime;

use crate::admin::Administration;
use crate::quic::{QuicTransport, Teller};
use crate::replica::Replica;
use crate::{
    ChangeError, Changes, HistoryQuery, HistoryRow, ProposeError, ReadError, Replicated, Stamp,
    Status,
};

/// One control node of a cluster. Cheap to clone.
pub struct Cluster<M: Replicated> {
    replica: Replica<M, TokioRuntime, QuicTransport>,
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Endpoint,
    transport: QuicTransport,
    teller: Teller,
    credentials: Arc<Credentials>,
    address: SocketAddr,
}

impl<M: Replicated> Clone for Cluster<M> {
    fn clone(&self) -> Self {
        Self {
            replica: self.replica.clone(),
            shared: self.shared.clone(),
        }
    }
}

impl<M: Replicated> Cluster<M> {
    /// This node's number.
    pub fn node(&self) -> NodeId {
        self.replica.node()
    }

    /// Where the other nodes reach this one.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The state as this node has it. Takes no lock and waits for nobody.
    pub fn state(&self) -> Arc<M::State> {
        self.replica.state()
    }

    /// As `state`, with the last command in it.
    pub fn stamped_state(&self) -> (Stamp, Arc<M::State>) {
        self.replica.stamped_state()
    }

    /// What happens to the state from now on.
    pub fn changes(&self) -> Changes<M> {
        self.replica.changes()
    }

    /// Waits until `holds` of this node's state.
    pub async fn until(&self, holds: impl FnMut(&M::State) -> bool + Send) -> Arc<M::State> {
        self.replica.until(holds).await
    }

    /// Has the cluster apply `command` exactly once, and this node too, and returns the outcome.
    pub async fn propose(&self, command: M::Command) -> Result<M::Outcome, ProposeError> {
        self.replica.propose(command).await
    }

    /// As `propose`, waiting no longer than `limit`.
    pub async fn propose_within(
        &self,
        command: M::Command,
        limit: Duration,
    ) -> Result<M::Outcome, ProposeError> {
        self.replica.propose_within(command, limit).await
    }

    /// As `propose`, for whoever can repeat it elsewhere: refused within half a second, with nothing done, where this
    /// node has lost touch with the majority.
    pub async fn propose_in_touch(&self, command: M::Command) -> Result<M::Outcome, ProposeError> {
        self.replica.propose_in_touch(command).await
    }

    /// The state with everything that was committed before this call, whichever node committed it.
    pub async fn linearizable(&self) -> Result<Arc<M::State>, ReadError> {
        self.replica.linearizable().await
    }

    /// Reads rows of history as this node has them. Reads from disk: not for a task that must not wait.
    pub fn history(&self, query: &HistoryQuery) -> io::Result<Vec<HistoryRow>> {
        self.replica.history(query)
    }

    /// How this node sees itself and its cluster.
    pub fn status(&self) -> Status {
        self.replica.status()
    }

    /// What the cluster knows about itself.
    pub fn administration(&self) -> Arc<Administration> {
        self.replica.administration()
    }

    /// Has every node compare its state with the leader's now. Does nothing on other nodes than the leader.
    pub async fn compare_states(&self) {
        self.replica.compare_states().await;
    }

    /// Takes `node` out of the cluster for good.
    pub async fn remove(&self, node: NodeId) -> Result<(), ChangeError> {
        self.replica.remove(node).await
    }

    /// Makes another node the leader: `to`, or the one with the longest log.
    pub async fn transfer_leader(&self, to: Option<NodeId>) -> Result<(), ChangeError> {
        self.replica.transfer_leader(to).await
    }

    /// Hands leadership over if this node has it, and takes part as before.
    pub async fn step_down(&self) {
        self.replica.step_down().await;
    }

    /// Hands leadership over and stops. The store can be closed or opened again afterwards.
    pub async fn shutdown(&self) {
        self.replica.leave_and_stop().await;
        self.shared.endpoint.close().await;
    }

    /// Stops at once and hands nothing over, as if the process had died.
    pub async fn stop(&self) {
        self.shared.endpoint.close().await;
        self.replica.stop().await;
    }

    /// This node's certificate and key: to call media servers by [`Endpoint::caller`].
    pub fn credentials(&self) -> Arc<Credentials> {
        self.shared.credentials.clone()
    }

    /// The authority's certificate, PEM, for browsers and phones.
    pub fn authority_pem(&self) -> Result<String, LinkError> {
        Ok(self.authority()?.certificate_pem())
    }

    /// A certificate of the cluster's authority for HTTPS and SIP over TLS.
    pub fn server_certificate(
        &self,
        names: &[String],
        addresses: &[IpAddr],
    ) -> Result<ServerCertificate, LinkError> {
        self.authority()?.server_certificate(names, addresses)
    }

    fn authority(&self) -> Result<Authority, LinkError> {
        let administration = self.administration();
        let record = administration.authority.clone();
        let record = record
            .ok_or_else(|| LinkError::Certificate("this node is not a member yet".to_owned()))?;
        Authority::restore(record)
    }
}
