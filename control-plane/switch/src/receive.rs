//! What to do with a message before anything else is known of it.

use bytes::Bytes;
use carillon_model::Flow;
use carillon_sip::transaction::{Input, ServerKey, branch_owner};
use carillon_sip::{Framing, Message, Method, ParseError, Refusal, validate};

use crate::answer::CAPABILITIES;
use crate::{Notice, Output, Switch};

impl Switch {
    pub(crate) fn received(&mut self, flow: Flow, bytes: Bytes) {
        let framing = if flow.transport.is_reliable() {
            Framing::Stream
        } else {
            Framing::Datagram
        };
        let message = match Message::parse(&bytes, framing) {
            Ok(message) => message,
            Err(error) => return self.unreadable(flow, &error),
        };
        if let Err(refusal) = validate(&message) {
            return self.invalid(flow, &message, &refusal);
        }
        let new = message.is_request() && !self.transactions.knows(&message);
        if new && (!self.belongs_here(flow, &message, bytes) || self.is_ignored(&flow, &message)) {
            return;
        }
        self.transactions
            .handle_input(self.now_ms, Input::Received { flow, message });
    }

    fn unreadable(&mut self, flow: Flow, error: &ParseError) {
        self.tell(Notice::Malformed {
            flow,
            why: error.to_string(),
        });
        if let Some(response) = error.response() {
            self.answer_at_once(&flow, response);
        }
    }

    fn invalid(&mut self, flow: Flow, message: &Message, refusal: &Refusal) {
        self.tell(Notice::Malformed {
            flow,
            why: refusal.reason.clone(),
        });
        if message
            .method()
            .is_some_and(|method| *method != Method::Ack)
        {
            self.answer_at_once(&flow, refusal.respond(message));
        }
    }

    /// A request that a transaction was made for.
    pub(crate) fn requested(&mut self, key: ServerKey, flow: Flow, message: Message) {
        let Some(method) = message.method().cloned() else {
            return;
        };
        if message.to().is_ok_and(|to| to.tag().is_some()) {
            return self.requested_inside(key, flow, message);
        }
        if let Err(refusal) = CAPABILITIES.check(&message) {
            return self.answer(key, refusal.respond(&message));
        }
        if self.has_come_round(&message) {
            return self.answer(key, Message::response_to(&message, 482, ""));
        }
        // A node that has just gone may have handed it on with its last breath.
        let flow = self.living_flow(flow).unwrap_or(flow);
        match method {
            Method::Invite => self.invited(key, flow, message),
            Method::Register => self.register(key, flow, message),
            Method::Options => self.answer(key, Self::abilities(&message)),
            // Outside of a dialog they mean nothing.
            Method::Bye | Method::Cancel | Method::Info | Method::Prack | Method::Update => {
                self.answer(key, Message::response_to(&message, 481, ""));
            }
            // Not in the capabilities: refused above.
            Method::Ack
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Message
            | Method::Publish
            | Method::Extension(_) => self.answer(key, Message::response_to(&message, 405, "")),
        }
    }

    /// Whether one of our nodes has sent this very request: somebody sent it back (RFC 3261 §16.3 step 4).
    fn has_come_round(&self, request: &Message) -> bool {
        request.vias().flatten().any(|via| {
            let ours = via.branch().and_then(branch_owner).is_some();
            let sent_by = via.host().socket(via.port_or_default());
            ours && sent_by.is_some_and(|address| self.is_listener(address))
        })
    }

    /// The node that was to have a message is not reached: its call may have an heir soon.
    pub(crate) fn forward_failed(&mut self, flow: Flow, bytes: Bytes) {
        let call = Message::parse(&bytes, Framing::Datagram)
            .ok()
            .and_then(|message| self.stored_call_of(&message))
            .filter(|(_, owner)| *owner != self.config.node);
        match call {
            Some((call, _)) => self.wait_for_heir(call, flow, bytes),
            None => self.cannot_answer(flow, &bytes),
        }
    }

    pub(crate) fn cannot_answer(&mut self, flow: Flow, bytes: &Bytes) {
        let Ok(message) = Message::parse(bytes, Framing::Datagram) else {
            return;
        };
        self.keep_waiting(&flow, &message);
    }

    /// A request that cannot be answered from what is known here. Over UDP it is met with silence, and the peer asks
    /// again for 32 s; an answer of 481 would end its call.
    pub(crate) fn keep_waiting(&mut self, flow: &Flow, message: &Message) {
        let answerable = message
            .method()
            .is_some_and(|method| *method != Method::Ack);
        if answerable && flow.transport.is_reliable() {
            let response = self.unavailable(message);
            self.answer_at_once(flow, response);
        } else {
            self.counters.dropped += 1;
        }
    }

    pub(crate) fn forward(&mut self, node: carillon_model::NodeId, flow: Flow, bytes: Bytes) {
        self.put(Output::Forward { node, flow, bytes });
    }
}
