use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{
    DescriptorError, DirectionQuality, OLDEST_VERSION, SessionDescriptor, SessionId, VERSION,
};

/// What a control node sends; the first message on a connection is `Hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToServer {
    Hello(ClientHello),
    Request(Request),
}

/// What a media server sends; the first message on a connection is `Hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToClient {
    Hello(ServerHello),
    Reply(Reply),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientHello {
    /// The highest version that the control node speaks.
    pub version: u16,
    /// The lowest.
    pub oldest_version: u16,
    pub node: NodeName,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHello {
    /// The version that both will speak; 0 when there is none, and the connection ends.
    pub version: u16,
    pub node: NodeName,
    /// Differs after each start of the process: all sessions of another instance are gone.
    pub instance: u64,
    pub load: Load,
}

/// Who speaks. The certificate below says who it really is; this is for logs and counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeName {
    pub id: u64,
    /// Name and version of the software.
    #[serde(default)]
    pub software: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Make it so. Answer: `Established` or `Refused`.
    Put(SessionDescriptor),
    /// The session is over. Answer: `Released` (also for a session that is not there) or `Refused`.
    Release { session: SessionId, epoch: u64 },
    /// What do you hold, beginning after this session? Answer: one `Inventory` page.
    Inventory { after: Option<SessionId> },
    /// Take no new sessions; those that are there go on. Answer: `Pong`.
    Drain,
    /// Take new sessions again. Answer: `Pong`.
    Resume,
    /// Answer: `Pong`.
    Ping,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    Established {
        session: SessionId,
        revision: u64,
        terminations: Vec<Local>,
    },
    /// `revision` is that of the refused `Put`; `None` when a `Release` was refused.
    Refused {
        session: SessionId,
        revision: Option<u64>,
        reason: Reason,
    },
    /// One entry a termination that ever was; empty when the session was not there.
    Released {
        session: SessionId,
        quality: Vec<DirectionQuality>,
    },
    Inventory {
        sessions: Vec<Held>,
        more: bool,
    },
    Pong(Load),
    /// Not an answer: something happened.
    Event(Event),
}

impl Reply {
    /// The session that the reply is about.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Established { session, .. }
            | Self::Refused { session, .. }
            | Self::Released { session, .. } => Some(*session),
            Self::Event(event) => event.session(),
            Self::Inventory { .. } | Self::Pong(_) => None,
        }
    }
}

/// The ports of a termination; what the party's SDP is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    pub id: u8,
    pub rtp: SocketAddr,
    /// Same as `rtp` with RTCP mux.
    pub rtcp: SocketAddr,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// A newer owner holds the session (or has released it).
    Fenced { epoch: u64 },
    /// The same owner has already said something newer.
    Stale { revision: u64 },
    /// The same epoch and revision with another content was there before.
    Conflict,
    /// The port range is used up, or a port could not be bound.
    NoPorts,
    /// The server has as many sessions as it takes.
    Full,
    /// The server takes no new sessions.
    Draining,
    /// The server has no address of this family.
    NoAddress,
    /// The descriptor makes no sense.
    Bad(DescriptorError),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A party that was expected to send has been silent for this long; said once until it sends again.
    RtpTimeout {
        session: SessionId,
        termination: u8,
        silent_ms: u64,
    },
    /// The party is heard again after a time-out.
    RtpResumed { session: SessionId, termination: u8 },
    /// No control node wanted the session and no media came: it was removed.
    Reaped {
        session: SessionId,
        quality: Vec<DirectionQuality>,
    },
    /// The server was told to drain, here or elsewhere.
    Draining { sessions: u32 },
    /// The last session of a draining server is gone.
    Drained,
}

impl Event {
    /// The session that the event is about.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Self::RtpTimeout { session, .. }
            | Self::RtpResumed { session, .. }
            | Self::Reaped { session, .. } => Some(*session),
            Self::Draining { .. } | Self::Drained => None,
        }
    }
}

/// A session in an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub session: SessionId,
    pub epoch: u64,
    pub revision: u64,
    /// Time since the last RTP packet of any party, or since the session was put.
    pub silent_ms: u64,
}

/// How much a server carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    pub sessions: u32,
    pub free_port_pairs: u32,
    pub draining: bool,
}

/// The version that a control node with this hello and we both speak.
#[must_use]
pub const fn agree(hello: &ClientHello) -> Option<u16> {
    if hello.version < OLDEST_VERSION || hello.oldest_version > VERSION {
        return None;
    }
    Some(if hello.version < VERSION {
        hello.version
    } else {
        VERSION
    })
}
