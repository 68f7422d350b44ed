//! Each state of each machine, told as what goes over the wire and what the user hears.

mod cancel;
mod invite_client;
mod invite_server;
mod keys;
mod limits;
mod plain;
mod properties;

use bytes::Bytes;
use carillon_model::{Flow, NodeId, Transport};

use super::*;
use crate::{Framing, Message};

/// A layer with a clock, whose outputs are written down.
struct Desk {
    layer: Layer,
    now_ms: u64,
    transport: Transport,
}

impl Desk {
    fn new(transport: Transport) -> Self {
        Self::with(transport, Config::default())
    }

    fn with(transport: Transport, config: Config) -> Self {
        Self {
            layer: Layer::new(config),
            now_ms: 0,
            transport,
        }
    }

    fn flow(&self) -> Flow {
        flow(self.transport)
    }

    fn receive(&mut self, text: &str) -> String {
        let message = message(text);
        self.input(Input::Received {
            flow: self.flow(),
            message,
        })
    }

    fn respond(&mut self, request: &str, code: u16) -> String {
        let request = message(request);
        let key = ServerKey::of(&request).unwrap();
        let mut response = Message::response_to(&request, code, "");
        response.add_to_tag("ours");
        self.input(Input::Respond {
            key,
            message: response,
        })
    }

    fn request(&mut self, key: u64, method: &str) -> String {
        let message = own_request(key, method, self.transport);
        let input = Input::Request {
            key: ClientKey(key),
            message,
            flow: self.flow(),
        };
        self.input(input)
    }

    fn input(&mut self, input: Input) -> String {
        self.layer.handle_input(self.now_ms, input);
        self.outputs()
    }

    /// Lets time pass and writes down what happens when.
    fn wait(&mut self, duration_ms: u64) -> String {
        let end_ms = self.now_ms + duration_ms;
        let mut story = String::new();
        while let Some(at_ms) = self.layer.poll_timeout().filter(|at_ms| *at_ms <= end_ms) {
            self.now_ms = self.now_ms.max(at_ms);
            self.layer.handle_timeout(self.now_ms);
            for line in self.outputs().lines() {
                story.push_str(&format!("{} {line}\n", self.now_ms));
            }
        }
        self.now_ms = end_ms;
        story
    }

    fn outputs(&mut self) -> String {
        let mut lines = String::new();
        while let Some(output) = self.layer.poll_output() {
            lines.push_str(&line(&output));
            lines.push('\n');
        }
        lines
    }
}

fn line(output: &Output) -> String {
    match output {
        Output::Send { bytes, .. } => format!("send {}", first_line(bytes)),
        Output::Request { message, .. } => format!("request {}", message.method().unwrap()),
        Output::Ack { .. } => "ack".to_owned(),
        Output::Cancelled { .. } => "cancelled".to_owned(),
        Output::Response { key, message, .. } => {
            format!("response {} to {}", message.status().unwrap(), key.0)
        }
        Output::StrayResponse { message, .. } => format!("stray {}", message.status().unwrap()),
        Output::Failed { key, why } => format!("failed {} {why:?}", key.0),
        Output::ServerTimeout { .. } => "server timeout".to_owned(),
        Output::ClientEnded { key } => format!("client {} ended", key.0),
        Output::ServerEnded { .. } => "server ended".to_owned(),
    }
}

fn first_line(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes)
        .lines()
        .next()
        .unwrap()
        .replace("SIP/2.0", "")
        .trim()
        .to_owned()
}

fn flow(transport: Transport) -> Flow {
    Flow {
        node: NodeId(1),
        transport,
        local: "192.0.2.1:5060".parse().unwrap(),
        peer: "192.0.2.10:5060".parse().unwrap(),
        connection: u64::from(transport.is_reliable()),
    }
}

fn message(text: &str) -> Message {
    let octets = Bytes::from(text.trim_start().replace('\n', "\r\n"));
    Message::parse(&octets, Framing::Datagram).unwrap()
}

/// A request of a phone.
fn phone(method: &str) -> String {
    let to_tag = if matches!(method, "ACK" | "BYE") {
        ";tag=ours"
    } else {
        ""
    };
    format!(
        "{method} sip:bob@pbx SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKphone;rport\n\
         Max-Forwards: 70\n\
         From: <sip:alice@pbx>;tag=a\n\
         To: <sip:bob@pbx>{to_tag}\n\
         Call-ID: c1\n\
         CSeq: 1 {method}\n\n"
    )
}

fn own_request(key: u64, method: &str, transport: Transport) -> Message {
    let protocol = transport.as_str().to_uppercase();
    // CANCEL has the branch of its INVITE.
    let branched = if method == "CANCEL" { key - 1 } else { key };
    let branch = branch(NodeId(1), ClientKey(branched));
    message(&format!(
        "{method} sip:bob@192.0.2.10 SIP/2.0\n\
         Via: SIP/2.0/{protocol} 192.0.2.1:5060;branch={branch};rport\n\
         Max-Forwards: 70\n\
         Route: <sip:edge;lr>\n\
         From: <sip:alice@pbx>;tag=ours\n\
         To: <sip:bob@pbx>\n\
         Call-ID: c2\n\
         CSeq: 7 {method}\n\n"
    ))
}

/// The phone's response to a request of ours.
fn answer(key: u64, method: &str, code: u16) -> String {
    let branched = if method == "CANCEL" { key - 1 } else { key };
    let branch = branch(NodeId(1), ClientKey(branched));
    format!(
        "SIP/2.0 {code} Whatever\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport=5060\n\
         From: <sip:alice@pbx>;tag=ours\n\
         To: <sip:bob@pbx>;tag=theirs\n\
         Call-ID: c2\n\
         CSeq: 7 {method}\n\n"
    )
}
