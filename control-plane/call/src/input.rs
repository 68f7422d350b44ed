use std::fmt;
use std::net::SocketAddr;

use carillon_model::{CallRecord, Flow, MediaServerId};
use carillon_protocol::{DirectionQuality, Local, Reason, SessionDescriptor};
use carillon_sip::Message;
use carillon_sip::transaction::{ClientKey, Failure, ServerKey};
use serde::{Deserialize, Serialize};

use crate::{Refusal, Route};

/// A leg of a call: 0 is the caller, each fork to the callee has a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LegId(pub u8);

impl LegId {
    pub const CALLER: Self = Self(0);
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Input {
    /// A request of the leg's peer: the caller's INVITE first, later the requests inside dialogs. Not ACK, not CANCEL.
    Request {
        leg: LegId,
        transaction: ServerKey,
        message: Message,
        flow: Flow,
    },
    /// An ACK of a 2xx.
    Ack {
        leg: LegId,
        message: Message,
    },
    /// A CANCEL of this INVITE came; its own 200 has been sent.
    Cancelled {
        leg: LegId,
        transaction: ServerKey,
    },
    /// Any response to a request of ours, 100 and repeated 2xx of an INVITE included. A 2xx of an INVITE that matches
    /// no transaction any more comes too, by its dialog, with any key. `flow` is how it came.
    Response {
        leg: LegId,
        transaction: ClientKey,
        message: Message,
        flow: Flow,
    },
    /// A request of ours got no final response.
    Failed {
        leg: LegId,
        transaction: ClientKey,
        why: Failure,
    },
    /// The answer to [`Output::Route`].
    Routed(Result<Route, Refusal>),
    /// The answer to [`Output::Media`] or [`Output::MediaRelease`].
    Media(MediaReply),
    MediaEvent(MediaEvent),
    /// The phone of a leg that was [lost](crate::Call::lost) has come by this flow.
    Found {
        leg: LegId,
        flow: Flow,
    },
    /// The INVITE of a contact was not sent, since nothing gets there by its flow: this one is a way, and our address on its
    /// listener.
    Unsent {
        leg: LegId,
        transaction: ClientKey,
        flow: Flow,
        advertised: SocketAddr,
    },
    /// Somebody with the right to do so ends the call.
    Hangup,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MediaReply {
    /// The descriptor of this revision is in force.
    Established {
        server: MediaServerId,
        revision: u64,
        terminations: Vec<Local>,
    },
    /// The server does not take the descriptor.
    Refused {
        server: MediaServerId,
        revision: Option<u64>,
        reason: Reason,
    },
    /// No media server is there for the call, or the one that carried it has gone.
    Unavailable,
    /// The session has been released, or the server removed it by itself.
    Released { quality: Vec<DirectionQuality> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// This party has been silent for longer than the descriptor allows.
    RtpTimeout {
        termination: u8,
    },
    RtpResumed {
        termination: u8,
    },
}

/// What a call wants done, in this order.
#[derive(Clone, Debug)]
pub enum Output {
    /// A response to a request of the peer. `flow` is where the request came from, for a node that has no such
    /// transaction: an heir sends by the Via and the flow.
    Respond {
        leg: LegId,
        transaction: ServerKey,
        message: Message,
        flow: Flow,
    },
    /// A request with its Via complete. A CANCEL has the Via of its INVITE.
    Request {
        leg: LegId,
        transaction: ClientKey,
        message: Message,
        flow: Flow,
    },
    /// An INVITE that a former owner has sent: responses to it are ours now.
    Adopt {
        leg: LegId,
        transaction: ClientKey,
        message: Message,
        flow: Flow,
    },
    /// A request of ours that is out is not to be repeated any more, and nothing that answers it is ours.
    Abandon { transaction: ClientKey },
    /// The ACK of a 2xx, Via complete, sent without transaction.
    Ack {
        leg: LegId,
        message: Message,
        flow: Flow,
    },
    /// Who is reached by this number in this context?
    Route { number: String, context: String },
    /// Make this so; [`MediaReply`] answers. The first one of a call chooses the server.
    Media(SessionDescriptor),
    /// The media session is over; [`MediaReply::Released`] answers.
    MediaRelease,
    /// Barrier: what follows waits until the present value is committed (or unprotected by decision of the switch).
    Commit,
    /// The present value is to be committed; nothing waits.
    CommitLazily,
    /// The call's one record.
    Record(CallRecord),
    /// Nothing more will come: the value can be dropped.
    Ended,
}
