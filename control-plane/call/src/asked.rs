use bytes::Bytes;
use carillon_model::Flow;
use carillon_sip::transaction::ServerKey;
use carillon_sip::{Message, Method, Name, StartLine, reason_phrase};
use serde::{Deserialize, Serialize};

use crate::MAX_HOPS;
use crate::session_timer::Agreed;

/// A request of a peer as it came in.
pub(crate) struct Received {
    pub(crate) transaction: ServerKey,
    pub(crate) message: Message,
    pub(crate) flow: Flow,
}

/// What is kept of a request until it has its final response: enough for another node to answer it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) transaction: ServerKey,
    pub(crate) flow: Flow,
    pub(crate) cseq: u32,
    pub(crate) method: Method,
    /// What we agree to of its session timer.
    pub(crate) session: Option<Agreed>,
    /// A response with what every response to it has: Via, From, To, Call-ID, CSeq.
    head: Message,
    /// What responses that make a dialog have besides.
    record_routes: Vec<Bytes>,
}

impl Asked {
    /// `None`: without a readable CSeq, or with more hops than anybody needs.
    pub(crate) fn of(received: &Received) -> Option<Self> {
        let message = &received.message;
        let cseq = message.cseq().ok()?;
        let record_routes: Vec<_> = message
            .headers
            .get_all(Name::RecordRoute)
            .cloned()
            .collect();
        let hops = message.headers.get_all(Name::Via).count() + record_routes.len();
        (hops <= MAX_HOPS).then(|| Self {
            transaction: received.transaction.clone(),
            flow: received.flow,
            cseq: cseq.number,
            method: cseq.method,
            session: None,
            head: Message::response_to(message, 100, ""),
            record_routes,
        })
    }

    pub(crate) fn with_session(self, session: Option<Agreed>) -> Self {
        Self { session, ..self }
    }

    /// A response. `to` is our side of the dialog, with its tag.
    pub(crate) fn response(&self, code: u16, to: &Bytes) -> Message {
        let mut response = self.head.clone();
        response.start = StartLine::Status {
            code,
            reason: reason_phrase(code).into(),
        };
        response.headers.set(Name::To, to.clone());
        response
    }

    /// A response that makes a dialog: the proxies that want to stay on the way are named
    /// (RFC 3261 §12.1.1).
    pub(crate) fn dialog_response(&self, code: u16, to: &Bytes) -> Message {
        let mut response = self.response(code, to);
        for route in &self.record_routes {
            response.headers.push(Name::RecordRoute, route.clone());
        }
        response
    }

    /// A response to a request inside a dialog: To has its tag already.
    pub(crate) fn plain_response(&self, code: u16) -> Message {
        let mut response = self.head.clone();
        response.start = StartLine::Status {
            code,
            reason: reason_phrase(code).into(),
        };
        response
    }

    /// It came from outside of any dialog: its To has no tag.
    pub(crate) fn opens_dialog(&self) -> bool {
        self.head.to().is_ok_and(|to| to.tag().is_none())
    }

    /// To as the request had it.
    pub(crate) fn to(&self) -> Bytes {
        self.head.headers.get(Name::To).cloned().unwrap_or_default()
    }
}
