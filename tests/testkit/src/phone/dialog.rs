//! One side of a call, as a phone keeps it.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use carillon_sip::{CSeq, Contacts, Message, Method, Name, Uri};
use std::net::SocketAddr;

use super::{PATIENCE, Phone};

const SIP_PORT: u16 = 5060;

/// What a phone must remember of a call (RFC 3261 §12).
#[derive(Debug, Clone)]
pub struct Dialog {
    call_id: Bytes,
    local: Bytes,
    remote: Bytes,
    target: Uri,
    routes: Vec<Bytes>,
    cseq: u32,
}

impl Dialog {
    /// The caller's side, from the INVITE and its answer.
    pub fn of_caller(invite: &Message, answer: &Message) -> Result<Self> {
        let header = |message: &Message, name| {
            message
                .headers
                .get(name)
                .cloned()
                .context("a header of a dialog")
        };
        let mut routes: Vec<Bytes> = answer.headers.get_all(Name::RecordRoute).cloned().collect();
        routes.reverse();
        Ok(Self {
            call_id: header(invite, Name::CallId)?,
            local: header(invite, Name::From)?,
            remote: header(answer, Name::To)?,
            target: contact(answer)?,
            routes,
            cseq: invite.cseq()?.number,
        })
    }

    /// The callee's side, from the INVITE and the answer that this phone gave.
    pub fn of_callee(invite: &Message, answer: &Message) -> Result<Self> {
        let header = |message: &Message, name| {
            message
                .headers
                .get(name)
                .cloned()
                .context("a header of a dialog")
        };
        Ok(Self {
            call_id: header(invite, Name::CallId)?,
            local: header(answer, Name::To)?,
            remote: header(invite, Name::From)?,
            target: contact(invite)?,
            routes: invite.headers.get_all(Name::RecordRoute).cloned().collect(),
            cseq: 0,
        })
    }
}

/// Where the sender of a message says that it is: its Contact.
pub fn contact_address(message: &Message) -> Result<SocketAddr> {
    address(&contact(message)?).context("a Contact with an address")
}

fn address(uri: &Uri) -> Option<SocketAddr> {
    let host = uri.host()?;
    host.socket(uri.port().unwrap_or(SIP_PORT))
}

fn contact(message: &Message) -> Result<Uri> {
    match message.contacts()? {
        Contacts::List(list) => Ok(list.first().context("a Contact")?.address.uri.clone()),
        Contacts::Star => bail!("a star is no contact of a call"),
    }
}

impl Dialog {
    /// Where requests of this dialog go, where that is an address.
    pub fn target(&self) -> Option<SocketAddr> {
        address(&self.target)
    }

    /// Where the other side says that it is from now on: a re-INVITE's Contact.
    pub fn follow(&mut self, invite: &Message) -> Result<Uri> {
        self.target = contact(invite)?;
        Ok(self.target.clone())
    }
}

impl Phone {
    /// Waits for the answer to the INVITE that `invite` sent, acknowledges it, and has the call.
    pub fn connect(&mut self, invite: &Message) -> Result<(Dialog, Message)> {
        let answer = self.response_to(invite, PATIENCE, |code| code == 200)?;
        let dialog = Dialog::of_caller(invite, &answer)?;
        self.ack(&dialog, dialog.cseq)?;
        Ok((dialog, answer))
    }

    /// Waits until the other side rings.
    pub fn hears_ringing(&mut self, invite: &Message) -> Result<Message> {
        self.response_to(invite, PATIENCE, |code| code == 180)
    }

    /// Waits for the refusal of the INVITE, acknowledges it, and returns its code.
    pub fn is_refused(&mut self, invite: &Message) -> Result<u16> {
        let refusal = self.response_to(invite, PATIENCE * 4, |code| code >= 300)?;
        self.ack_refusal(invite, &refusal)?;
        refusal.status().context("a refusal has a code")
    }

    /// Answers a request.
    pub fn respond(&mut self, request: &Message, code: u16, sdp: Option<&str>) -> Result<Message> {
        let response = self.answer_to(request, code, sdp)?;
        self.send(&response)?;
        Ok(response)
    }

    /// The answer to a request; a call is answered with a tag and a contact of this phone.
    pub fn answer_to(&self, request: &Message, code: u16, sdp: Option<&str>) -> Result<Message> {
        let mut response = Message::response_to(request, code, "");
        if code > 100 && request.to()?.tag().is_none() {
            response.add_to_tag(&format!("{}{}", self.registration, self.account.number));
        }
        if request.method() == Some(&Method::Invite) && code < 300 {
            response.headers.push(Name::Contact, self.contact());
        }
        if let Some(sdp) = sdp {
            response.set_body("application/sdp", sdp.to_owned());
        }
        Ok(response)
    }

    /// Answers a call with 200, waits for the ACK, and has the call.
    pub fn accept(&mut self, invite: &Message, sdp: &str) -> Result<(Dialog, Message)> {
        let answer = self.respond(invite, 200, Some(sdp))?;
        let ack = self.expect(&Method::Ack)?;
        Ok((Dialog::of_callee(invite, &answer)?, ack))
    }

    /// A request inside the call.
    pub fn request_in(
        &mut self,
        dialog: &mut Dialog,
        method: Method,
        sdp: Option<&str>,
    ) -> Result<Message> {
        dialog.cseq += 1;
        let mut request = self.dialog_request(dialog, method, dialog.cseq);
        request.headers.push(Name::Contact, self.contact());
        if let Some(sdp) = sdp {
            request.set_body("application/sdp", sdp.to_owned());
        }
        Ok(request)
    }

    /// Sends a new session description and waits for the answer, which is acknowledged.
    pub fn reinvite(&mut self, dialog: &mut Dialog, sdp: &str) -> Result<Message> {
        let request = self.request_in(dialog, Method::Invite, Some(sdp))?;
        let answer = self.transact(&request)?;
        if answer.status() == Some(200) {
            self.ack(dialog, dialog.cseq)?;
        }
        Ok(answer)
    }

    /// Hangs up and waits for the answer.
    pub fn hang_up(&mut self, dialog: &mut Dialog) -> Result<Message> {
        let request = self.request_in(dialog, Method::Bye, None)?;
        self.transact(&request)
    }

    /// Waits until the other side hangs up, and agrees.
    pub fn hears_hang_up(&mut self) -> Result<Message> {
        let bye = self.expect(&Method::Bye)?;
        self.respond(&bye, 200, None)?;
        Ok(bye)
    }

    pub fn ack(&mut self, dialog: &Dialog, cseq: u32) -> Result<()> {
        let ack = self.dialog_request(dialog, Method::Ack, cseq);
        self.send(&ack)
    }

    fn dialog_request(&self, dialog: &Dialog, method: Method, cseq: u32) -> Message {
        let mut request = Message::request(method.clone(), dialog.target.clone());
        request.headers.push(Name::Via, self.new_via());
        for route in &dialog.routes {
            request.headers.push(Name::Route, route.clone());
        }
        request.headers.push(Name::MaxForwards, "70");
        request.headers.push(Name::From, dialog.local.clone());
        request.headers.push(Name::To, dialog.remote.clone());
        request.headers.push(Name::CallId, dialog.call_id.clone());
        request.headers.push(Name::CSeq, CSeq::new(cseq, method));
        request
    }
}
