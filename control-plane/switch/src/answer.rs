//! Answers that the switch gives by itself.

use carillon_model::{Flow, Random};
use carillon_sip::transaction::{Input, ServerKey, response_flow, tag};
use carillon_sip::{Capabilities, Message, Method, Name};

use crate::{Notice, Output, Switch};

/// What is served to anybody.
pub(crate) const METHODS: [Method; 9] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Options,
    Method::Register,
    Method::Info,
    Method::Prack,
    Method::Update,
];
const EXTENSIONS: [&str; 4] = ["100rel", "timer", "path", "outbound"];

/// What a request that begins something may ask for.
pub(crate) const CAPABILITIES: Capabilities<'static> = Capabilities {
    methods: &METHODS,
    extensions: &EXTENSIONS,
    content_types: &["application/sdp"],
};

/// When work that was refused for want of room or of a quorum may come again.
pub(crate) const RETRY_AFTER_S: u64 = 5;
/// It differs by up to so much, lest all come back together.
const RETRY_SPREAD_S: u64 = 6;

impl Switch {
    /// Answers a request that has a transaction.
    pub(crate) fn answer(&mut self, key: ServerKey, mut response: Message) {
        let (Ok(cseq), Some(code)) = (response.cseq(), response.status()) else {
            return;
        };
        self.sign(&mut response);
        self.transactions.handle_input(
            self.now_ms,
            Input::Respond {
                key,
                message: response,
            },
        );
        self.tell(Notice::Answered {
            method: cseq.method,
            code,
        });
    }

    /// Answers a request by itself, without a transaction: for what is not worth one. `response` has the Via lines as
    /// they came.
    pub(crate) fn answer_at_once(&mut self, flow: &Flow, mut response: Message) {
        let (Ok(mut via), Ok(cseq), Some(code)) =
            (response.via(), response.cseq(), response.status())
        else {
            return;
        };
        via.note_source(flow.peer);
        response.replace_top_via(&via);
        self.sign(&mut response);
        let flow = response_flow(&via, flow);
        self.put(Output::Send {
            flow,
            bytes: response.to_bytes(),
        });
        self.tell(Notice::Answered {
            method: cseq.method,
            code,
        });
    }

    /// 503 with a time at which to come again.
    pub(crate) fn unavailable(&mut self, request: &Message) -> Message {
        let mut response = Message::response_to(request, 503, "");
        let seconds = RETRY_AFTER_S + self.draw() % RETRY_SPREAD_S;
        response.headers.push(Name::RetryAfter, seconds.to_string());
        response
    }

    /// 200 that says what is served here (RFC 3261 §11.2).
    pub(crate) fn abilities(request: &Message) -> Message {
        let mut response = Message::response_to(request, 200, "");
        response.headers.push(Name::Allow, CAPABILITIES.allow());
        response.headers.push(Name::Accept, "application/sdp");
        response.headers.push(Name::AcceptEncoding, "identity");
        response.headers.push(Name::AcceptLanguage, "en");
        response
            .headers
            .push(Name::Supported, EXTENSIONS.join(", "));
        response
    }

    fn sign(&mut self, response: &mut Message) {
        response.add_to_tag(&tag(self.config.node, &self.random.token(12)));
        if !self.config.server.is_empty() {
            response
                .headers
                .push(Name::Server, self.config.server.clone());
        }
    }
}
