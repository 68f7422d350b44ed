//! What a phone asks outside of a dialog: to be registered, and to be connected.

use anyhow::{Context, Result, bail};
use carillon_sip::auth::{Answer, Challenge};
use carillon_sip::{CSeq, Message, Method, Name, NameAddr, Uri};

use super::{Account, Phone, Transport};
use crate::freshness::token;

impl Phone {
    /// Registers for `expires` seconds, with the password when it is asked for; the final answer.
    pub fn try_register(&mut self, expires: u32) -> Result<Message> {
        let request = self.register_request(expires)?;
        let answer = self.transact(&request)?;
        if answer.status() != Some(401) {
            return Ok(answer);
        }
        let cseq = self.next_cseq();
        let again = self.with_password(&request, &answer, cseq)?;
        self.transact(&again)
    }

    /// Registers for two minutes and expects to be welcome.
    pub fn register(&mut self) -> Result<()> {
        self.register_for(120)
    }

    /// Registers for so many seconds and expects to be welcome.
    pub fn register_for(&mut self, expires: u32) -> Result<()> {
        let answer = self.try_register(expires)?;
        match answer.status() {
            Some(200) => Ok(()),
            other => bail!("{} was not registered: {other:?}", self.account.username),
        }
    }

    /// Takes the registration back.
    pub fn unregister(&mut self) -> Result<()> {
        let answer = self.try_register(0)?;
        match answer.status() {
            Some(200) => Ok(()),
            other => bail!("{} was not unregistered: {other:?}", self.account.username),
        }
    }

    /// A REGISTER without a password yet.
    pub fn register_request(&mut self, expires: u32) -> Result<Message> {
        let registrar: Uri = format!("sip:{}", self.account.domain)
            .parse()
            .map_err(invalid)?;
        let own = NameAddr::new(self.address(&self.account.username)?);
        let mut request = Message::request(Method::Register, registrar);
        request.headers.push(Name::Via, self.new_via());
        request.headers.push(Name::MaxForwards, "70");
        request
            .headers
            .push(Name::From, own.clone().with_tag(&token()));
        request.headers.push(Name::To, own);
        request
            .headers
            .push(Name::CallId, self.registration.clone());
        let cseq = self.next_cseq();
        request
            .headers
            .push(Name::CSeq, CSeq::new(cseq, Method::Register));
        request.headers.push(Name::Contact, self.contact());
        request.headers.push(Name::Expires, expires.to_string());
        Ok(request)
    }

    /// An INVITE to a number, with a session description where there is one, and without a password yet.
    pub fn invite_request(&mut self, number: &str, sdp: Option<&str>) -> Result<Message> {
        let target = self.address(number)?;
        let own = NameAddr::new(self.address(&self.account.username)?);
        let mut request = Message::request(Method::Invite, target.clone());
        request.headers.push(Name::Via, self.new_via());
        request.headers.push(Name::MaxForwards, "70");
        request.headers.push(Name::From, own.with_tag(&token()));
        request.headers.push(Name::To, NameAddr::new(target));
        request.headers.push(Name::CallId, token());
        let cseq = self.next_cseq();
        request
            .headers
            .push(Name::CSeq, CSeq::new(cseq, Method::Invite));
        request.headers.push(Name::Contact, self.contact());
        request.headers.push(
            Name::Allow,
            "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, INFO",
        );
        if let Some(sdp) = sdp {
            request.set_body("application/sdp", sdp.to_owned());
        }
        Ok(request)
    }

    /// Sends an INVITE, answers the challenge, and returns the INVITE that is now under way.
    pub fn invite(&mut self, number: &str, sdp: Option<&str>) -> Result<Message> {
        let first = self.invite_request(number, sdp)?;
        self.send(&first)?;
        let challenge =
            self.response_to(&first, super::PATIENCE, |code| code == 401 || code == 407)?;
        self.ack_refusal(&first, &challenge)?;
        let cseq = self.next_cseq();
        let second = self.with_password(&first, &challenge, cseq)?;
        self.send(&second)?;
        Ok(second)
    }

    /// The same request once more, answering the challenge.
    pub fn with_password(
        &self,
        request: &Message,
        challenge: &Message,
        cseq: u32,
    ) -> Result<Message> {
        let (asks, answers) = match challenge.status() {
            Some(407) => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => (Name::WwwAuthenticate, Name::Authorization),
        };
        let offered = challenge.headers.get_all(asks).map(|value| value.as_ref());
        let chosen = Challenge::choose(offered).context("a challenge that can be answered")?;
        let method = request.method().context("a request has a method")?.clone();
        let uri = request.uri().context("a request has a URI")?.to_string();
        let answer = Answer {
            username: &self.account.username,
            password: &self.account.password,
            method: method.as_str(),
            uri: &uri,
            client_nonce: &token(),
            nonce_count: 1,
        };
        let proof = answer.to(&chosen);
        let mut again = request.clone();
        again.headers.set(Name::Via, self.new_via());
        again.headers.set(Name::CSeq, CSeq::new(cseq, method));
        again.headers.set(answers, proof);
        Ok(again)
    }

    /// The ACK of a refusal belongs to the transaction of the INVITE (RFC 3261 §17.1.1.3).
    pub fn ack_refusal(&mut self, invite: &Message, refusal: &Message) -> Result<()> {
        let ack = within_transaction(invite, Method::Ack, refusal.headers.get(Name::To).cloned())?;
        self.send(&ack)
    }

    /// Takes an INVITE back; the answer to the CANCEL.
    pub fn cancel(&mut self, invite: &Message) -> Result<Message> {
        let cancel = self.cancel_of(invite)?;
        self.send(&cancel)?;
        self.response_to(&cancel, super::PATIENCE, |code| code >= 200)
    }

    /// The CANCEL of an INVITE, to be sent.
    pub fn cancel_of(&self, invite: &Message) -> Result<Message> {
        within_transaction(invite, Method::Cancel, None)
    }

    pub(super) fn address(&self, user: &str) -> Result<Uri> {
        let Account { domain, .. } = &self.account;
        format!("sip:{user}@{domain}").parse().map_err(invalid)
    }

    pub(super) fn contact(&self) -> String {
        let (user, local) = (&self.account.username, self.local());
        match self.wire.transport() {
            Transport::Udp => format!("<sip:{user}@{local}>"),
            Transport::Tcp => format!("<sip:{user}@{local};transport=tcp>"),
            Transport::Tls => format!("<sip:{user}@{local};transport=tls>"),
        }
    }
}

/// A request that shares the branch, the addresses and the number of its INVITE.
fn within_transaction(
    invite: &Message,
    method: Method,
    to: Option<bytes::Bytes>,
) -> Result<Message> {
    let uri = invite.uri().context("an INVITE has a URI")?.clone();
    let number = invite.cseq()?.number;
    let mut request = Message::request(method.clone(), uri);
    for name in [
        Name::Via,
        Name::MaxForwards,
        Name::From,
        Name::To,
        Name::CallId,
    ] {
        let value = invite
            .headers
            .get(name.clone())
            .context("an INVITE is complete")?;
        request.headers.push(name, value.clone());
    }
    if let Some(to) = to {
        request.headers.set(Name::To, to);
    }
    request.headers.push(Name::CSeq, CSeq::new(number, method));
    Ok(request)
}

fn invalid(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}
