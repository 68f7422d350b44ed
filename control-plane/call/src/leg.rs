use std::net::SocketAddr;

use bytes::Bytes;
use carillon_model::Flow;
use carillon_sip::dialog::Dialog;
use carillon_sip::transaction::ClientKey;
use carillon_sip::{Message, Method, Name};
use serde::{Deserialize, Serialize};

use crate::Carrier;
use crate::asked::Asked;
use crate::compose::SDP;
use crate::features::Features;
use crate::offer::Negotiation;
use crate::refresh::{Refresh, Renew};
use crate::session_timer::{Agreed, MIN_INTERVAL_S, Session};
use crate::turn::{PATIENCE_MS, T1_MS, T2_MS, Turn};
use crate::{LegId, MAX_SENT};

/// A 2xx that a new owner waits for so long to repeat has been said three times.
const HEARD_AFTER_MS: u64 = 4 * T1_MS;

/// One side of the call: the caller from its INVITE on, the callee from its 2xx on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) dialog: Dialog,
    pub(crate) flow: Flow,
    /// Nothing gets there any more: its connection has gone with its node, and the peer has not come by another.
    #[serde(default)]
    pub(crate) lost: bool,
    /// Our address on the flow's listener.
    pub(crate) advertised: SocketAddr,
    pub(crate) peer: Features,
    pub(crate) sdp: Negotiation,
    pub(crate) session: Session,
    /// The Min-SE that the peer wants.
    pub(crate) min_interval_s: u32,
    pub(crate) refresh: Refresh,
    /// Why the next refresh has to be a re-INVITE.
    pub(crate) renew: Renew,
    /// Since when the peer answers 491 to the refresh of a new owner.
    #[serde(default)]
    pub(crate) glare_since_ms: Option<u64>,
    /// The peer has refused the ports of the media server that carries the call now, and sends to the former one.
    #[serde(default)]
    pub(crate) refuses_media: bool,
    /// The peer's INVITE.
    pub(crate) incoming: Incoming,
    /// Requests of ours without final response.
    pub(crate) sent: Vec<Sent>,
    /// The ACK of the last 2xx of the peer.
    pub(crate) acked: Option<SentAck>,
    /// CSeq of a 2xx of the peer whose ACK waits for the answer of the other side.
    pub(crate) owed_ack: Option<u32>,
    pub(crate) release: Release,
    /// The far end is a carrier, which may ask for credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) carrier: Option<Box<Carrier>>,
    /// The last final response that changed something, for a repetition that reaches an heir.
    pub(crate) answered: Option<Answered>,
}

/// An INVITE of the peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Incoming {
    Idle,
    /// It waits for its final response.
    Asked(Asked),
    /// Our 2xx waits for its ACK.
    Unacked(Unacked),
}

/// A 2xx of ours, repeated until its ACK comes (RFC 3261 §13.3.1.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unacked {
    pub(crate) asked: Asked,
    pub(crate) response: Message,
    /// The 2xx has an offer, the ACK the answer.
    pub(crate) offered: bool,
    pub(crate) repeat_at_ms: u64,
    pub(crate) interval_ms: u64,
    pub(crate) give_up_at_ms: u64,
}

/// A final response of ours to a request that was not INVITE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) method: Method,
    pub(crate) cseq: u32,
    pub(crate) branch: Bytes,
    pub(crate) response: Message,
}

/// A request of ours that waits for its final response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) key: ClientKey,
    pub(crate) cseq: u32,
    pub(crate) purpose: Purpose,
    /// Nobody reported on it by then: as if it had timed out.
    pub(crate) give_up_at_ms: u64,
    /// To a carrier: to be sent again if it asks for credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<Message>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// A re-INVITE or UPDATE that carries the other side's.
    Exchange,
    /// Keeps the session alive.
    Refresh,
    /// An INFO of the other side.
    Relay,
    /// An UPDATE that only says where we are now.
    Probe,
    Prack,
    Cancel,
    Bye,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SentAck {
    pub(crate) cseq: u32,
    pub(crate) message: Message,
}

/// How the dialog is ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Release {
    No,
    /// A BYE is due, but must wait for the ACK of our 2xx (RFC 3261 §15).
    Wanted {
        reason: String,
    },
    /// Our BYE is out, the peer's has come, or there never was a dialog.
    Done,
}

impl Leg {
    pub(crate) fn new(id: LegId, dialog: Dialog, flow: Flow, advertised: SocketAddr) -> Self {
        Self {
            id,
            dialog,
            flow,
            lost: false,
            advertised,
            peer: Features::default(),
            sdp: Negotiation::default(),
            session: Session::Off,
            min_interval_s: MIN_INTERVAL_S,
            refresh: Refresh::Idle,
            renew: Renew::No,
            glare_since_ms: None,
            refuses_media: false,
            incoming: Incoming::Idle,
            sent: Vec::new(),
            acked: None,
            owed_ack: None,
            release: Release::No,
            carrier: None,
            answered: None,
        }
    }

    /// The session is alive: both sides have just agreed on it.
    pub(crate) fn refreshed(&mut self, agreed: Option<Agreed>, now_ms: u64) {
        self.session = agreed.map_or(Session::Off, |agreed| Session::start(agreed, now_ms));
        if self.renew == Renew::No {
            self.refresh = Refresh::Idle;
        }
    }

    /// The peer has refused a request in a way that ends the dialog. One that knows of no dialog is sent no BYE; one
    /// that has only said nothing is (RFC 3261 §12.2.1.2).
    pub(crate) fn gone(&mut self, code: u16) {
        if code != 408 {
            self.release = Release::Done;
        }
    }

    /// Its carrier's own limit of silence.
    pub(crate) fn rtp_timeout_ms(&self) -> Option<u64> {
        self.carrier.as_ref()?.rtp_timeout_ms
    }

    /// Its session may have a timer.
    pub(crate) fn runs_timers(&self) -> bool {
        self.carrier
            .as_ref()
            .is_none_or(|carrier| carrier.runs_timers())
    }

    /// A new request in the dialog, and its transaction.
    pub(crate) fn request(&mut self, turn: &mut Turn<'_>, method: Method) -> (ClientKey, Message) {
        let (key, via) = turn.transaction(self.flow.transport, self.advertised);
        (key, self.dialog.request(method, via))
    }

    /// The ACK of a 2xx of the peer, kept for the case that the 2xx comes again.
    pub(crate) fn ack(&mut self, turn: &mut Turn<'_>, cseq: u32, sdp: Option<Bytes>) -> Message {
        let (_, via) = turn.transaction(self.flow.transport, self.advertised);
        let mut message = self.dialog.ack(cseq, via);
        if let Some(sdp) = sdp {
            message.set_body(SDP, sdp);
        }
        self.owed_ack = None;
        self.acked = Some(SentAck {
            cseq,
            message: message.clone(),
        });
        message
    }

    /// Our INVITE waits for its final response, or its 2xx for our ACK.
    pub(crate) fn invites(&self) -> bool {
        self.owed_ack.is_some()
            || self
                .sent
                .iter()
                .any(|sent| sent.purpose.may_change_session())
    }

    /// An INVITE of the peer is under way. A new owner does not wait for an ACK that may have gone to the former one.
    pub(crate) fn is_asked(&self) -> bool {
        match &self.incoming {
            Incoming::Idle => false,
            Incoming::Asked(_) => true,
            Incoming::Unacked(unacked) => unacked.offered || self.renew != Renew::Owner,
        }
    }

    /// The 2xx that opened the dialog may not have arrived, however often this owner has said it: the peer may know of no
    /// dialog yet.
    pub(crate) fn may_be_early(&self) -> bool {
        match &self.incoming {
            Incoming::Unacked(unacked) => {
                unacked.asked.opens_dialog() && unacked.interval_ms < HEARD_AFTER_MS
            }
            Incoming::Idle | Incoming::Asked(_) => false,
        }
    }

    pub(crate) fn may_send(&self) -> bool {
        self.sent.len() < MAX_SENT
    }

    /// Keeps a 2xx of ours until its ACK.
    pub(crate) fn expect_ack(
        &mut self,
        now_ms: u64,
        asked: Asked,
        response: Message,
        offered: bool,
    ) {
        self.incoming = Incoming::Unacked(Unacked {
            asked,
            response,
            offered,
            repeat_at_ms: now_ms + T1_MS,
            interval_ms: T1_MS,
            give_up_at_ms: now_ms + PATIENCE_MS,
        });
    }

    pub(crate) fn is_released(&self) -> bool {
        match self.release {
            Release::No | Release::Wanted { .. } => false,
            Release::Done => true,
        }
    }

    /// A final response that this very request has had before.
    pub(crate) fn repeated(&self, request: &Message) -> Option<Message> {
        let answered = self.answered.as_ref()?;
        let cseq = request.cseq().ok()?;
        let same = cseq.number == answered.cseq
            && cseq.method == answered.method
            && request.headers.get(Name::Via) == Some(&answered.branch);
        same.then(|| answered.response.clone())
    }
}

impl Answered {
    pub(crate) fn of(asked: &Asked, response: &Message) -> Option<Self> {
        let branch = response.headers.get(Name::Via)?.clone();
        Some(Self {
            method: asked.method.clone(),
            cseq: asked.cseq,
            branch,
            response: response.clone(),
        })
    }
}

impl Purpose {
    fn may_change_session(self) -> bool {
        match self {
            Self::Exchange | Self::Refresh => true,
            Self::Relay | Self::Probe | Self::Prack | Self::Cancel | Self::Bye => false,
        }
    }
}

impl Unacked {
    /// A new owner says it again at once: the former one may have died before it did.
    pub(crate) fn begin_again(&mut self, now_ms: u64) {
        self.repeat_at_ms = now_ms;
        self.interval_ms = T1_MS / 2;
    }

    /// The time between two repetitions doubles up to T2.
    pub(crate) fn repeated(&mut self) {
        self.interval_ms = (self.interval_ms * 2).min(T2_MS);
        self.repeat_at_ms += self.interval_ms;
    }
}
