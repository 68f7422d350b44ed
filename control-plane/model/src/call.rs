//! Calls as the cluster sees them: who owns them, which dialogs they have, and octets that only the call engine reads.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    CallId, CallRecord, Epoch, LineId, MediaServerId, NodeId, TrunkId, UserId, hash::hash_of,
};

/// Calls that a cluster holds at a time.
pub const MAX_CALLS: usize = 100_000;
/// Dialogs of one call.
pub const MAX_CALL_DIALOGS: usize = 64;
/// Octets of one call's body.
pub const MAX_CALL_BODY: usize = 256 * 1024;

/// Our side of a SIP dialog.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DialogKey {
    /// The Call-ID header.
    pub call_id: String,
    /// The tag that we chose.
    pub local_tag: String,
}

/// One side of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Party {
    /// Its number.
    pub number: String,
    /// Its name.
    pub name: Option<String>,
    /// The user, if it is one of ours.
    pub user: Option<UserId>,
    /// The line, if it is one of ours.
    pub line: Option<LineId>,
    /// The trunk, if it is outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trunk: Option<TrunkId>,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Nobody has answered.
    #[default]
    Ringing,
    /// They talk.
    Answered,
    /// One side holds the other.
    Held,
}

/// How much a call, or what will be one, is a node's if its own goes: the living node with the highest number takes it
/// first. All nodes come to the same order, and the calls of one node are spread over all others (rendezvous hashing).
pub fn rendezvous(call: impl Serialize, node: NodeId) -> u64 {
    hash_of(&(call, node))
}

/// What others may want to know of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallSummary {
    /// How far it is.
    pub state: CallState,
    /// Who calls.
    pub caller: Party,
    /// Who is called.
    pub callee: Party,
    /// When the INVITE came.
    pub started_at_ms: u64,
    /// When it was answered.
    pub answered_at_ms: Option<u64>,
    /// Who relays its media.
    pub media_server: Option<MediaServerId>,
    /// It went ahead without waiting for the quorum.
    pub unprotected: bool,
    /// A phone does not accept the address that its media has moved to: the other may not hear it.
    #[serde(default)]
    pub one_way: bool,
}

/// A call: the engine's value as octets, and what the cluster must know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEntry {
    /// Which call.
    pub id: CallId,
    /// The node that acts for it.
    pub owner: NodeId,
    /// Grows with each change of owner.
    pub epoch: Epoch,
    /// Grows with each value of one owner.
    pub revision: u64,
    /// Its dialogs, by which a stray message finds its owner.
    pub dialogs: Vec<DialogKey>,
    /// What others may want to know.
    pub summary: CallSummary,
    /// The call itself, versioned by the call engine.
    pub body: Bytes,
}

/// A change of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallCommand {
    /// The owner's new value.
    Put(Box<CallEntry>),
    /// The call is over: its entry goes, its record is written, once.
    End {
        /// Which call.
        id: CallId,
        /// The owner's epoch.
        epoch: Epoch,
        /// What remains of it.
        record: Box<CallRecord>,
    },
    /// An heir takes it over: accepted if nobody did since `epoch`, and the lease of its owner has lapsed.
    Claim {
        /// Which call.
        id: CallId,
        /// The epoch that the heir saw.
        epoch: Epoch,
        /// The heir.
        by: NodeId,
    },
    /// Ask the owner to end it.
    RequestHangup {
        /// Which call.
        id: CallId,
    },
}

/// What became of a [`CallCommand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallOutcome {
    /// Done.
    Accepted,
    /// The call is now the heir's, with this epoch.
    Claimed {
        /// The epoch to act with.
        epoch: Epoch,
    },
    /// Another owner or a newer epoch is stored: the sender must let the call go.
    Fenced {
        /// Who owns it.
        owner: NodeId,
        /// Since which epoch.
        epoch: Epoch,
    },
    /// Its owner still holds the lease of a living node: nobody may take the call.
    OwnerLives {
        /// Who owns it.
        owner: NodeId,
    },
    /// This revision, or a later one, is stored already.
    Superseded {
        /// The stored one.
        revision: u64,
    },
    /// The call was ended and has its record.
    Ended,
    /// There is no such call.
    Unknown,
    /// A dialog of it belongs to another call.
    DialogTaken,
    /// A limit of the cluster: [`MAX_CALLS`], [`MAX_CALL_DIALOGS`] or [`MAX_CALL_BODY`].
    TooMuch,
}
