//! What nodes say to each other. A message is one octet for its kind, then its body.

use bytes::{BufMut, Bytes, BytesMut};
use carillon_link::NodeId;
use serde::{Deserialize, Serialize};

use crate::raft::types::{Answer, Member};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $octet:literal,)*) => {
        /// The kind of a message. The numbers are the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $name = $octet,)* }

        impl Kind {
            fn of(octet: u8) -> Option<Self> {
                match octet { $($octet => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    /// Raft: entries or a heartbeat, with an answer.
    Append = 1,
    /// Raft: a long stream of entries and their answers.
    AppendStream = 2,
    /// Raft: a vote.
    Vote = 3,
    /// Raft: would you vote for me?
    PreVote = 4,
    /// Raft: be the leader.
    TransferLeader = 5,
    /// Raft: a snapshot and the history.
    Snapshot = 6,
    /// A command for the leader.
    Propose = 7,
    /// A change of membership for the leader.
    Change = 8,
    /// Where a linearizable read has to wait for.
    Read = 9,
    /// A request on a channel.
    Ask = 10,
    /// A stream of messages on a channel.
    Tell = 11,
}

/// A request of one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Its content, in the kind's encoding.
    pub body: Bytes,
}

impl Message {
    pub(crate) fn new(kind: Kind, body: Bytes) -> Self {
        Self { kind, body }
    }

    /// The message as octets.
    pub fn to_frame(&self) -> Bytes {
        let mut frame = BytesMut::with_capacity(1 + self.body.len());
        frame.put_u8(self.kind as u8);
        frame.extend_from_slice(&self.body);
        frame.freeze()
    }

    /// The message that a frame holds; `None` for a kind that this version does not know.
    pub fn from_frame(mut frame: Bytes) -> Option<Self> {
        let kind = Kind::of(*frame.first()?)?;
        Some(Self {
            kind,
            body: frame.split_off(1),
        })
    }
}

/// Why the asked node did not do it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// It is not the leader, or has no quorum: nothing was done.
    NotLeader(Option<NodeId>),
    /// It may have been done, or will be.
    Unknown,
    /// It cannot be done.
    Failed(String),
}

/// A command's place in the log, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Committed {
    pub(crate) index: u64,
    pub(crate) answer: Answer,
}

/// A change of the set of control nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    Admit { node: NodeId, member: Member },
    Remove { node: NodeId },
    Transfer { to: Option<NodeId> },
}

/// A request on a channel.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) channel: String,
    pub(crate) body: Bytes,
}
