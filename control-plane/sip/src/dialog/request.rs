use bytes::Bytes;

use super::Dialog;
use crate::{Message, Method, Name, NameAddr, Uri};

/// Hops of a request that we send of our own (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: &[u8] = b"70";

impl Dialog {
    /// The next request of our side, with this Via. The body and what else it needs is the caller's.
    pub fn request(&mut self, method: Method, via: Bytes) -> Message {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.local_cseq_reserved = self.local_cseq_reserved.max(self.local_cseq);
        self.message(method, self.local_cseq, via)
    }

    /// The ACK of a 2xx: a request of its own with the number of its INVITE (RFC 3261 §13.2.2.4).
    pub fn ack(&self, invite_cseq: u32, via: Bytes) -> Message {
        self.message(Method::Ack, invite_cseq, via)
    }

    /// RFC 3261 §12.2.1.1.
    fn message(&self, method: Method, number: u32, via: Bytes) -> Message {
        let (uri, routes) = self.way();
        let cseq = format!("{number} {method}");
        let names_target = matches!(method, Method::Invite | Method::Update);
        let mut message = Message::request(method, uri);
        message.headers.push(Name::Via, via);
        for route in routes {
            message.headers.push(Name::Route, route.to_bytes());
        }
        message
            .headers
            .push(Name::MaxForwards, Bytes::from_static(MAX_FORWARDS));
        message.headers.push(Name::From, self.local.clone());
        message.headers.push(Name::To, self.remote.clone());
        message
            .headers
            .push(Name::CallId, self.call_id.as_octets().clone());
        message.headers.push(Name::CSeq, cseq);
        if names_target {
            message.headers.push(Name::Contact, self.contact.clone());
        }
        message
    }

    /// Request URI and Route: a first proxy that is no loose router wants to be the request URI.
    fn way(&self) -> (Uri, Vec<NameAddr>) {
        match self.route_set.split_first() {
            Some((strict, rest)) if strict.uri.param("lr").is_none() => {
                let mut routes = rest.to_vec();
                routes.push(NameAddr::new(self.remote_target.clone()));
                (strict.uri.without_headers(), routes)
            }
            Some(_) | None => (self.remote_target.without_headers(), self.route_set.clone()),
        }
    }
}
