//! The types that Raft replicates. Commands are octets here; the state machine decodes them.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use carillon_link::NodeId;
use openraft::RaftTypeConfig;
use openraft::impls::{BoxedErrorSource, InlineBatch, OneshotResponder, leader_id_adv};
use openraft::vote::RaftLeaderId;
use serde::{Deserialize, Serialize};

use crate::Runtime;

/// Raft's types on runtime `R`.
pub(crate) struct TypeConfig<R>(PhantomData<fn() -> R>);

impl<R: Runtime> RaftTypeConfig for TypeConfig<R> {
    type D = Proposal;
    type R = Answer;
    type NodeId = NodeId;
    type Node = Member;
    type Term = u64;
    type LeaderId = leader_id_adv::LeaderId<u64, NodeId>;
    type Vote = openraft::impls::Vote<Self::LeaderId>;
    type Payload = openraft::EntryPayload<Proposal, NodeId, Member>;
    type Entry = openraft::Entry<<Self::LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = R;
    type Responder<T>
        = OneshotResponder<Self, T>
    where
        T: openraft::OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: openraft::OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

// Derived impls would ask the runtime for them.
impl<R> Clone for TypeConfig<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for TypeConfig<R> {}
impl<R> Default for TypeConfig<R> {
    fn default() -> Self {
        Self(PhantomData)
    }
}
impl<R> fmt::Debug for TypeConfig<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypeConfig")
    }
}
impl<R> PartialEq for TypeConfig<R> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl<R> Eq for TypeConfig<R> {}
impl<R> PartialOrd for TypeConfig<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<R> Ord for TypeConfig<R> {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

/// A control node as Raft knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name for people.
    pub name: String,
    /// Its cluster address.
    pub address: SocketAddr,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            name: String::new(),
            address: (Ipv4Addr::UNSPECIFIED, 0).into(),
        }
    }
}

/// A command on its way into the log, and in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proposal {
    /// Unix milliseconds, stamped by the leader.
    pub at_ms: u64,
    /// Which process proposed it.
    pub client: u64,
    /// Its number in that process.
    pub serial: u64,
    /// The proposer waits for no serial below this one any more.
    pub floor: u64,
    /// The command; empty where there are others in this one.
    pub body: Bytes,
    /// Its proposer does not mind if it waits a moment for others.
    #[serde(default)]
    pub patient: bool,
    /// Proposals that the leader has put together into one entry. A version that does not know them stops at the empty body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<Self>,
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:x}#{} ({} octets)",
            self.client,
            self.serial,
            self.body.len()
        )
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The command's outcome, now or at its first application.
    Outcome(Bytes),
    /// Too old or too far ahead for the table of answers: it was not applied.
    Forgotten,
    /// The entry carried no command.
    None,
    /// Of each of the joined proposals.
    Joined(Vec<Self>),
}
