use carillon_model::Random;
use carillon_sip::auth::{Answer, Challenge};
use carillon_sip::{CSeq, Message, Method, Name};

use super::{Phone, Purpose, Told};
use crate::clock;

/// What a phone tries again after a refusal that may pass, or after silence.
const RETRY_US: u64 = 500_000;

/// What a phone knows of its registration.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    call_id: String,
    cseq: u32,
    /// Lifetime that it asks for; it does not register without.
    wanted_s: Option<u32>,
    /// It asks again this often.
    every_us: Option<u64>,
    /// The REGISTER of this number was answered with 200.
    confirmed: Option<u32>,
    /// The first number of the present wish.
    since: u32,
    pending: bool,
    retry_at_us: Option<u64>,
}

impl Registration {
    pub(super) fn new(call_id: String) -> Self {
        Self {
            call_id,
            cseq: 0,
            wanted_s: None,
            every_us: None,
            confirmed: None,
            since: 1,
            pending: false,
            retry_at_us: None,
        }
    }

    /// Whether the last wish to be registered was granted.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed.is_some_and(|cseq| cseq >= self.since)
    }

    pub(super) fn retry_at_us(&self) -> Option<u64> {
        self.retry_at_us
    }
}

impl Phone {
    /// Registers for `expires_s`, again and again until it is told 200.
    pub(crate) fn register(&mut self, expires_s: u32) {
        self.registration.wanted_s = Some(expires_s);
        self.registration.since = self.registration.cseq + 1;
        if !self.registration.pending {
            self.send_register(None);
        }
    }

    /// From now on it refreshes its registration this often.
    pub(crate) fn register_every(&mut self, expires_s: u32, every_us: u64) {
        self.registration.every_us = Some(every_us);
        self.register(expires_s);
    }

    /// Asks for nothing more of its own.
    pub(crate) fn stop_registering(&mut self) {
        self.registration.wanted_s = None;
        self.registration.every_us = None;
        self.registration.retry_at_us = None;
    }

    pub(super) fn register_due(&mut self) {
        let due = self
            .registration
            .retry_at_us
            .is_some_and(|at_us| at_us <= clock::now_us());
        if due {
            self.registration.retry_at_us = None;
            self.send_register(None);
        }
    }

    fn send_register(&mut self, proof: Option<(Name, String)>) {
        let Some(expires_s) = self.registration.wanted_s else {
            return;
        };
        self.registration.cseq += 1;
        self.registration.pending = true;
        let cseq = self.registration.cseq;
        let own = Self::public(&self.username);
        let registrar = "sip:carillon.test".parse().expect("a URI");
        let mut request = Message::request(Method::Register, registrar);
        let via = self.via();
        let tag = self.dice.token(8);
        let headers = &mut request.headers;
        headers.push(Name::Via, via);
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, own.clone().with_tag(&tag));
        headers.push(Name::To, own);
        headers.push(Name::CallId, self.registration.call_id.clone());
        headers.push(Name::CSeq, CSeq::new(cseq, Method::Register));
        headers.push(Name::Contact, self.contact());
        headers.push(Name::Expires, expires_s.to_string());
        if let Some((name, value)) = proof {
            request.headers.push(name, value);
        }
        let home = self.home;
        self.ask(Purpose::Register { cseq }, request, home);
    }

    pub(super) fn register_answered(
        &mut self,
        cseq: u32,
        request: &Message,
        asked_us: u64,
        response: &Message,
    ) {
        let Some(code) = response.status().filter(|code| *code >= 200) else {
            return;
        };
        self.registration.pending = false;
        let asked_before = request.headers.contains(Name::Authorization);
        match code {
            200 => self.register_confirmed(cseq, response),
            401 if !asked_before || self.is_stale(response) => {
                match self.proof(request, response) {
                    Some(proof) => self.send_register(Some((Name::Authorization, proof))),
                    None => self.register_later(),
                }
            }
            _ => {
                self.tell(Told::Refused {
                    method: "REGISTER",
                    code,
                    asked_us,
                });
                self.register_later();
            }
        }
    }

    fn register_confirmed(&mut self, cseq: u32, response: &Message) {
        let uri = self.contact_uri().as_str().to_owned();
        let confirmed = self.registration.confirmed.max(Some(cseq));
        self.registration.confirmed = confirmed;
        let expires_s = granted_s(response, &uri).unwrap_or(0);
        self.tell(Told::Registered {
            contact: uri,
            call_id: self.registration.call_id.clone(),
            cseq,
            expires_s,
        });
        let every_us = self.registration.every_us;
        self.registration.retry_at_us = every_us.map(|every_us| clock::now_us() + every_us);
        if !self.registration.is_confirmed() {
            // The wish is newer than the request that was under way.
            self.send_register(None);
        }
    }

    pub(super) fn register_unanswered(&mut self, asked_us: u64) {
        self.registration.pending = false;
        self.tell(Told::Unanswered {
            method: "REGISTER",
            asked_us,
        });
        self.register_later();
    }

    fn register_later(&mut self) {
        if self.registration.wanted_s.is_some() {
            self.registration.retry_at_us = Some(clock::now_us() + RETRY_US);
        }
    }

    fn is_stale(&self, response: &Message) -> bool {
        challenge(response).is_some_and(|challenge| challenge.stale)
    }

    /// The answer to a challenge.
    pub(super) fn proof(&mut self, request: &Message, response: &Message) -> Option<String> {
        let challenge = challenge(response)?;
        let client_nonce = self.dice.token(16);
        let answer = Answer {
            username: &self.username,
            password: &self.password,
            method: request.method()?.as_str(),
            uri: request.uri()?.as_str(),
            client_nonce: &client_nonce,
            nonce_count: 1,
        };
        Some(answer.to(&challenge))
    }
}

fn challenge(response: &Message) -> Option<Challenge> {
    let offered = response.headers.get_all(Name::WwwAuthenticate);
    Challenge::choose(offered.map(|value| &value[..]))
}

/// The lifetime that the response gives to this contact.
fn granted_s(response: &Message, uri: &str) -> Option<u32> {
    match response.contacts().ok()? {
        carillon_sip::Contacts::List(list) => list
            .iter()
            .find(|contact| contact.address.uri.as_str() == uri)?
            .expires(),
        carillon_sip::Contacts::Star => None,
    }
}
