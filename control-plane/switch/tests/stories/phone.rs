//! A phone that says what a story tells it to, and what good manners ask of any phone.

use std::net::SocketAddr;

use bytes::Bytes;
use carillon_model::{Flow, NodeId, Transport};
use carillon_sip::auth::{Answer, Challenge};
use carillon_sip::{CSeq, Framing, Message, Method, Name, NameAddr, Uri};

pub(crate) struct Phone {
    pub(crate) name: String,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) connection: u64,
    /// The node it talks to.
    pub(crate) node: NodeId,
    pub(crate) registrar: SocketAddr,
    pub(crate) expires: String,
    /// Answers OPTIONS and so on.
    pub(crate) alive: bool,
    /// What it will say next when asked for credentials.
    pub(crate) asked: Option<Message>,
    /// The last request it received that waits for its answer.
    pub(crate) ringing: Option<Message>,
    /// By which node that came.
    pub(crate) ringing_by: NodeId,
    /// What it says to a re-INVITE, unless it simply agrees.
    pub(crate) refuses: Option<u16>,
    /// Everything it received, newest last.
    pub(crate) received: Vec<Message>,
    pub(crate) dialog: Option<Dialog>,
    pub(crate) outgoing: Option<Message>,
    pub(crate) cseq: u32,
    pub(crate) call_id: u32,
    branch: u32,
    sdp_version: u32,
}

#[derive(Clone)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) local: String,
    pub(crate) remote: String,
    pub(crate) target: String,
    pub(crate) cseq: u32,
}

impl Phone {
    pub(crate) fn new(
        username: &str,
        node: NodeId,
        registrar: SocketAddr,
        address: SocketAddr,
    ) -> Self {
        Self {
            name: username.to_owned(),
            username: username.to_owned(),
            password: "s3cret".to_owned(),
            address,
            transport: Transport::Udp,
            connection: 0,
            node,
            registrar,
            expires: "120".to_owned(),
            alive: true,
            asked: None,
            ringing: None,
            ringing_by: node,
            refuses: None,
            received: Vec::new(),
            dialog: None,
            outgoing: None,
            cseq: 1,
            call_id: 0,
            branch: 0,
            sdp_version: 0,
        }
    }

    pub(crate) fn flow(&self) -> Flow {
        Flow {
            node: self.node,
            transport: self.transport,
            local: self.registrar,
            peer: self.address,
            connection: self.connection,
        }
    }

    pub(crate) fn contact(&self) -> String {
        match self.transport {
            Transport::Udp => format!("<sip:{}@{}>", self.username, self.address),
            Transport::Tcp | Transport::Tls => {
                format!(
                    "<sip:{}@{};transport={}>",
                    self.username, self.address, self.transport
                )
            }
        }
    }

    /// A request outside of any dialog.
    pub(crate) fn request(&mut self, method: Method, uri: &str, to: &str) -> Message {
        self.cseq += 1;
        let mut message = Message::request(method.clone(), uri.parse().unwrap());
        message.headers.push(Name::Via, self.via());
        message.headers.push(Name::MaxForwards, "70");
        let from = format!(
            "<sip:{}@pbx.example>;tag={}-{}",
            self.username, self.name, self.call_id
        );
        message.headers.push(Name::From, from);
        message.headers.push(Name::To, to.to_owned());
        message
            .headers
            .push(Name::CallId, format!("{}-{}", self.name, self.call_id));
        message
            .headers
            .push(Name::CSeq, CSeq::new(self.cseq, method));
        message.headers.push(Name::Contact, self.contact());
        message
    }

    pub(crate) fn register(&mut self) -> Message {
        self.call_id = 0;
        let own = format!("<sip:{}@pbx.example>", self.username);
        let mut message = self.request(Method::Register, "sip:pbx.example", &own);
        message.headers.push(Name::Expires, self.expires.clone());
        message
    }

    pub(crate) fn invite(&mut self, number: &str) -> Message {
        self.call_id += 1;
        let uri = format!("sip:{number}@pbx.example");
        let mut message = self.request(Method::Invite, &uri, &format!("<{uri}>"));
        message
            .headers
            .push(Name::Allow, "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE");
        let sdp = self.sdp("sendrecv");
        message.set_body("application/sdp", sdp);
        self.outgoing = Some(message.clone());
        message
    }

    pub(crate) fn cancel(&mut self) -> Message {
        let invite = self.outgoing.clone().unwrap();
        let mut message = Message::request(Method::Cancel, invite.uri().unwrap().clone());
        for name in [Name::Via, Name::From, Name::To, Name::CallId] {
            message
                .headers
                .push(name.clone(), invite.headers.get(name).unwrap().clone());
        }
        message.headers.push(
            Name::CSeq,
            CSeq::new(invite.cseq().unwrap().number, Method::Cancel),
        );
        message
    }

    /// A request inside the dialog.
    pub(crate) fn inside(&mut self, method: Method) -> Message {
        let via = self.via();
        let dialog = self.dialog.as_mut().expect("no dialog");
        if method != Method::Ack {
            dialog.cseq += 1;
        }
        let mut message = Message::request(method.clone(), dialog.target.parse().unwrap());
        message.headers.push(Name::Via, via);
        message.headers.push(Name::MaxForwards, "70");
        message.headers.push(Name::From, dialog.local.clone());
        message.headers.push(Name::To, dialog.remote.clone());
        message.headers.push(Name::CallId, dialog.call_id.clone());
        message
            .headers
            .push(Name::CSeq, CSeq::new(dialog.cseq, method));
        message.headers.push(Name::Contact, self.contact());
        message
    }

    pub(crate) fn reinvite(&mut self, direction: &str) -> Message {
        let mut message = self.inside(Method::Invite);
        let sdp = self.sdp(direction);
        message.set_body("application/sdp", sdp);
        message
    }

    pub(crate) fn response(&mut self, request: &Message, code: u16) -> Message {
        let mut message = Message::response_to(request, code, "");
        if code > 100 {
            message.add_to_tag(&format!("{}-tag", self.name));
            message.headers.push(Name::Contact, self.contact());
        }
        if *request.method().unwrap() == Method::Invite && code == 200 {
            let held = String::from_utf8_lossy(&request.body).contains("a=sendonly");
            let sdp = self.sdp(if held { "recvonly" } else { "sendrecv" });
            message.set_body("application/sdp", sdp);
        }
        message
    }

    /// What any phone says to a message without being told.
    pub(crate) fn react(&mut self, by: NodeId, message: &Message) -> Vec<Message> {
        self.received.push(message.clone());
        if !self.alive {
            return Vec::new();
        }
        match message.method().cloned() {
            Some(Method::Invite) if message.to().unwrap().tag().is_some() => {
                let Some(dialog) = &mut self.dialog else {
                    return vec![self.response(message, 481)];
                };
                if let Some(code) = self.refuses {
                    return vec![self.response(message, code)];
                }
                dialog.target = contact_of(message);
                vec![self.response(message, 200)]
            }
            Some(Method::Invite) => {
                self.ringing_by = by;
                self.ringing = Some(message.clone());
                Vec::new()
            }
            Some(Method::Cancel) => {
                let mut answers = vec![Message::response_to(message, 200, "")];
                if let Some(invite) = self.ringing.take() {
                    answers.push(self.response(&invite, 487));
                }
                answers
            }
            Some(Method::Bye) => {
                self.dialog = None;
                vec![Message::response_to(message, 200, "")]
            }
            Some(Method::Ack) => Vec::new(),
            Some(_) => vec![Message::response_to(message, 200, "")],
            None => self.react_to_response(message),
        }
    }

    fn react_to_response(&mut self, response: &Message) -> Vec<Message> {
        let (code, method) = (response.status().unwrap(), response.cseq().unwrap().method);
        if code == 401 {
            let ack = (method == Method::Invite)
                .then(|| self.ack_of_refusal(response))
                .flatten();
            let again = self
                .asked
                .take()
                .map(|request| self.with_credentials(request, response));
            return ack.into_iter().chain(again).collect();
        }
        match (method, code) {
            (Method::Invite, 200..300) => {
                self.establish(response);
                vec![self.inside(Method::Ack)]
            }
            (Method::Invite, 300..) => self.ack_of_refusal(response).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The request again, with what the challenge asks for.
    pub(crate) fn with_credentials(
        &mut self,
        mut request: Message,
        challenge: &Message,
    ) -> Message {
        let values: Vec<Bytes> = challenge
            .headers
            .get_all(Name::WwwAuthenticate)
            .cloned()
            .collect();
        let challenge = Challenge::choose(values.iter().map(AsRef::as_ref)).expect("a challenge");
        let method = request.method().unwrap().clone();
        self.cseq += 1;
        request.headers.set(Name::Via, self.via());
        request
            .headers
            .set(Name::CSeq, CSeq::new(self.cseq, method.clone()));
        let answer = Answer {
            username: &self.username,
            password: &self.password,
            method: method.as_str(),
            uri: request.uri().unwrap().as_str(),
            client_nonce: "client",
            nonce_count: 1,
        };
        request
            .headers
            .set(Name::Authorization, answer.to(&challenge));
        if method == Method::Invite {
            self.outgoing = Some(request.clone());
        }
        request
    }

    /// The ACK of a refusal; nothing where the INVITE was not this phone's own.
    fn ack_of_refusal(&mut self, response: &Message) -> Option<Message> {
        let invite = self.outgoing.clone()?;
        let mut ack = Message::request(Method::Ack, invite.uri().unwrap().clone());
        for (name, source) in [
            (Name::Via, &invite),
            (Name::From, &invite),
            (Name::To, response),
            (Name::CallId, &invite),
        ] {
            ack.headers
                .push(name.clone(), source.headers.get(name).unwrap().clone());
        }
        ack.headers.push(
            Name::CSeq,
            CSeq::new(response.cseq().unwrap().number, Method::Ack),
        );
        Some(ack)
    }

    /// Remembers the dialog that a 2xx to our INVITE makes.
    fn establish(&mut self, response: &Message) {
        let header =
            |name| String::from_utf8(response.headers.get(name).unwrap().to_vec()).unwrap();
        let target = contact_of(response);
        self.dialog = Some(Dialog {
            call_id: header(Name::CallId),
            local: header(Name::From),
            remote: header(Name::To),
            target,
            cseq: response.cseq().unwrap().number,
        });
    }

    /// Remembers the dialog that our 2xx to an INVITE makes.
    pub(crate) fn accept(&mut self, invite: &Message, response: &Message) {
        let header = |message: &Message, name| {
            String::from_utf8(message.headers.get(name).unwrap().to_vec()).unwrap()
        };
        self.dialog = Some(Dialog {
            call_id: header(invite, Name::CallId),
            local: header(response, Name::To),
            remote: header(invite, Name::From),
            target: contact_of(invite),
            cseq: 100,
        });
    }

    fn via(&mut self) -> String {
        self.branch += 1;
        let transport = self.transport.as_str().to_uppercase();
        format!(
            "SIP/2.0/{transport} {};branch=z9hG4bK{}{};rport",
            self.address, self.name, self.branch
        )
    }

    fn sdp(&mut self, direction: &str) -> String {
        self.sdp_version += 1;
        let ip = self.address.ip();
        format!(
            "v=0\r\no={} 1 {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n",
            self.name, self.sdp_version
        )
    }
}

fn contact_of(message: &Message) -> String {
    let contacts = message.contacts().unwrap();
    let contact: NameAddr = contacts.single().expect("one contact").address.clone();
    let uri: Uri = contact.uri;
    uri.to_string()
}

/// How a story writes a message.
pub(crate) fn written(bytes: &Bytes) -> String {
    let message = Message::parse(bytes, Framing::Datagram).expect("what is sent can be read");
    match (message.method(), message.status()) {
        (Some(method), _) => {
            let user = message.uri().unwrap().user().unwrap_or_default().to_owned();
            format!("{method} {user}").trim_end().to_owned() + media(&message)
        }
        (None, code) => {
            format!(
                "{} {}{}",
                code.unwrap(),
                message.cseq().unwrap().method,
                media(&message)
            )
        }
    }
}

/// Whether the body holds somebody.
fn media(message: &Message) -> &'static str {
    let body = String::from_utf8_lossy(&message.body);
    match () {
        () if body.contains("a=sendonly") => " (sendonly)",
        () if body.contains("a=recvonly") => " (recvonly)",
        () if body.contains("a=inactive") => " (inactive)",
        () => "",
    }
}
