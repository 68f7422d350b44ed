//! A phone that does what the story says.

use std::net::SocketAddr;

use bytes::Bytes;
use carillon_call::{LegId, Target};
use carillon_model::{Flow, Transport};
use carillon_sip::dialog::Dialog;
use carillon_sip::transaction::{ClientKey, ServerKey};
use carillon_sip::{Message, Method, Name, Uri};

use crate::stage::{ALICE, Stage, flow_of, sdp};

pub(crate) struct Phone {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    rtp: SocketAddr,
    transport: Transport,
    pub(crate) requests: Vec<(LegId, ClientKey, Message)>,
    pub(crate) responses: Vec<Message>,
    pub(crate) acks: Vec<Message>,
    pub(crate) dialog: Option<Dialog>,
    /// When its last INVITE came.
    pub(crate) invited_at_ms: u64,
    invite: Option<Message>,
    sdp_version: u32,
    branches: u32,
}

impl Phone {
    pub(crate) fn new(name: &str, address: &str, rtp_port: u16) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        Self {
            name: name.to_owned(),
            address,
            rtp: SocketAddr::new(address.ip(), rtp_port),
            transport: Transport::Udp,
            requests: Vec::new(),
            responses: Vec::new(),
            acks: Vec::new(),
            dialog: None,
            invited_at_ms: 0,
            invite: None,
            sdp_version: 1,
            branches: 0,
        }
    }

    pub(crate) fn flow(&self) -> Flow {
        flow_of(self.address, self.transport)
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            uri: format!("sip:{}@{}", self.name, self.address),
            path: Vec::new(),
            flow: self.flow(),
            advertised: self.flow().local,
            instance: None,
            reg_id: None,
            carrier: None,
        }
    }

    fn contact(&self) -> Bytes {
        Bytes::from(format!("<sip:{}@{}>", self.name, self.address))
    }

    fn via(&mut self) -> Bytes {
        self.branches += 1;
        Bytes::from(format!(
            "SIP/2.0/UDP {};branch=z9hG4bK{}{};rport",
            self.address, self.name, self.branches
        ))
    }

    /// What the phone says of its media now.
    pub(crate) fn sdp(&self, direction: &str) -> Bytes {
        sdp(self.rtp, self.sdp_version, direction)
    }

    /// The INVITE of a call to 102.
    pub(crate) fn invite(&mut self, body: Option<Bytes>) -> Message {
        let mut message = Message::request(Method::Invite, "sip:102@pbx.example".parse().unwrap());
        let via = self.via();
        let headers = &mut message.headers;
        headers.push(Name::Via, via);
        headers.push(Name::MaxForwards, "70");
        headers.push(
            Name::From,
            format!("\"I am the boss\" <sip:boss@{}>;tag=a1", self.address),
        );
        headers.push(Name::To, "<sip:102@pbx.example>");
        headers.push(Name::CallId, "alice-call");
        headers.push(Name::CSeq, "1 INVITE");
        headers.push(Name::Contact, self.contact());
        headers.push(Name::Allow, "INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, INFO");
        headers.push(Name::Supported, "timer");
        if let Some(body) = body {
            message.set_body("application/sdp", body);
        }
        self.invite = Some(message.clone());
        message
    }

    /// A CANCEL of the INVITE that was sent.
    pub(crate) fn cancel(&self) -> Message {
        let invite = self.invite.as_ref().unwrap();
        let mut message = Message::request(Method::Cancel, invite.uri().unwrap().clone());
        for name in [
            Name::Via,
            Name::MaxForwards,
            Name::From,
            Name::To,
            Name::CallId,
        ] {
            message
                .headers
                .push(name.clone(), invite.headers.get(name).unwrap().clone());
        }
        message.headers.push(Name::CSeq, "1 CANCEL");
        message
    }

    /// A request in the dialog.
    pub(crate) fn request(&mut self, method: Method) -> Message {
        let via = self.via();
        self.dialog.as_mut().expect("a dialog").request(method, via)
    }

    pub(crate) fn ack(&mut self, cseq: u32) -> Message {
        let via = self.via();
        self.dialog.as_ref().expect("a dialog").ack(cseq, via)
    }

    /// A response to the last request of this method.
    pub(crate) fn response(
        &mut self,
        method: &Method,
        code: u16,
    ) -> Option<(LegId, ClientKey, Message)> {
        let (leg, key, request) = if code < 200 || *method == Method::Invite {
            self.requests
                .iter()
                .rfind(|(_, _, request)| request.method() == Some(method))?
                .clone()
        } else {
            self.take_request(method)?
        };
        let mut response = Message::response_to(&request, code, "");
        response.add_to_tag(&format!("{}-tag", self.name));
        for route in request.headers.get_all(Name::RecordRoute) {
            response.headers.push(Name::RecordRoute, route.clone());
        }
        if code < 300 && code > 100 {
            response.headers.push(Name::Contact, self.contact());
            response
                .headers
                .push(Name::Allow, "INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, INFO");
            if *method == Method::Invite && self.dialog.is_none() {
                self.dialog =
                    Dialog::new_uas(&request, &format!("{}-tag", self.name), self.contact()).ok();
            }
        }
        Some((leg, key, response))
    }

    pub(crate) fn take_request(&mut self, method: &Method) -> Option<(LegId, ClientKey, Message)> {
        let at = self
            .requests
            .iter()
            .rposition(|(_, _, request)| request.method() == Some(method))?;
        Some(self.requests.remove(at))
    }

    pub(crate) fn is_asked(&mut self, leg: LegId, key: ClientKey, message: Message) {
        if let Some(dialog) = &mut self.dialog {
            let _ = dialog.accept(&message);
        }
        self.requests.push((leg, key, message));
    }

    pub(crate) fn is_acknowledged(&mut self, ack: Message) {
        self.acks.push(ack);
    }

    pub(crate) fn hears(&mut self, _transaction: ServerKey, response: Message) {
        let is_answer =
            response.status() == Some(200) && response.cseq().unwrap().method == Method::Invite;
        let is_early = response
            .status()
            .is_some_and(|code| (101..200).contains(&code));
        if self.invite.is_some() && (is_early || is_answer) {
            let to: Uri = "sip:102@pbx.example".parse().unwrap();
            let dialog = Dialog::new_uac(&response, self.contact(), &to).unwrap();
            let known = self
                .dialog
                .as_ref()
                .is_some_and(|known| known.remote_tag == dialog.remote_tag);
            if !known {
                self.dialog = Some(dialog);
            }
        }
        self.responses.push(response);
    }
}

/// What the people of the story do.
impl Stage {
    pub(crate) fn alice_calls(&mut self) {
        let offer = self.phones[ALICE].sdp("sendrecv");
        let invite = self.phones[ALICE].invite(Some(offer));
        self.send(ALICE, invite);
    }

    pub(crate) fn says(&mut self, phone: usize, method: &Method, code: u16) {
        self.says_with(phone, method, code, |_| {});
    }

    pub(crate) fn says_with(
        &mut self,
        phone: usize,
        method: &Method,
        code: u16,
        edit: impl FnOnce(&mut Message),
    ) {
        let name = self.phones[phone].name.clone();
        let Some((leg, key, mut response)) = self.phones[phone].response(method, code) else {
            panic!("{name} has no {method} to answer\n{}", self.ladder)
        };
        edit(&mut response);
        self.answer(phone, leg, key, response);
    }

    pub(crate) fn rings(&mut self, phone: usize) {
        self.says(phone, &Method::Invite, 180);
    }

    /// 200 with a session description.
    pub(crate) fn picks_up(&mut self, phone: usize) {
        let body = self.phones[phone].sdp("sendrecv");
        self.says_with(phone, &Method::Invite, 200, |response| {
            response.set_body("application/sdp", body)
        });
    }

    pub(crate) fn acks(&mut self, phone: usize) {
        let cseq = self.phones[phone]
            .responses
            .last()
            .unwrap()
            .cseq()
            .unwrap()
            .number;
        let ack = self.phones[phone].ack(cseq);
        self.send(phone, ack);
    }

    /// Alice and bob talk.
    pub(crate) fn talk(&mut self) {
        self.alice_calls();
        self.rings(1);
        self.wait(1_000);
        self.picks_up(1);
        self.acks(ALICE);
        self.wait(5_000);
        self.ladder.clear();
        self.note("alice and bob talk");
    }

    pub(crate) fn requests(&mut self, phone: usize, method: Method) {
        self.requests_with(phone, method, |_| {});
    }

    pub(crate) fn requests_with(
        &mut self,
        phone: usize,
        method: Method,
        edit: impl FnOnce(&mut Message),
    ) {
        let mut request = self.phones[phone].request(method);
        edit(&mut request);
        self.send(phone, request);
    }

    /// A re-INVITE or UPDATE with a new description.
    pub(crate) fn changes(&mut self, phone: usize, method: Method, direction: &str) {
        self.phones[phone].sdp_version += 1;
        let body = self.phones[phone].sdp(direction);
        self.requests_with(phone, method, |request| {
            request.headers.push(Name::Supported, "timer");
            request.set_body("application/sdp", body);
        });
    }

    /// 200 with a description that answers a change.
    pub(crate) fn agrees(&mut self, phone: usize, method: &Method, direction: &str) {
        self.phones[phone].sdp_version += 1;
        let body = self.phones[phone].sdp(direction);
        self.says_with(phone, method, 200, |response| {
            response.set_body("application/sdp", body)
        });
    }
}
