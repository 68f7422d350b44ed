//! Legs whose far end is a carrier: it asks for credentials, and wants to be told in its own way who calls.

use carillon_model::{Billing, CodecRules, IdentityHeader, Party, Secret, TimerMode, TimerRules};
use carillon_sip::auth::{Answer, Challenge};
use carillon_sip::transaction::ClientKey;
use carillon_sip::{CSeq, Host, Message, Name, NameAddr, Scheme, Uri};
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::turn::Turn;
use crate::{LegId, Output};

/// INVITEs that one carrier is sent at most, for credentials and for its session timer.
const MAX_TRIES: u32 = 5;

/// What a call must know of a carrier: all that an heir needs to answer it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Carrier {
    /// Name in the credentials.
    pub username: String,
    /// What only we and the carrier know.
    pub password: Secret,
    /// Host of To, and of From where nothing else is said.
    pub domain: String,
    /// User part of From, where it is not the caller's number.
    pub from_user: Option<String>,
    /// Host of From.
    pub from_domain: Option<String>,
    /// How it is told who calls.
    pub identity: IdentityHeader,
    /// Who calls, as it is told.
    pub caller: Party,
    /// It is not told.
    pub anonymous: bool,
    /// What it is offered and may offer.
    #[serde(skip_serializing_if = "CodecRules::is_open")]
    pub codecs: CodecRules,
    /// Its session timers.
    pub timers: TimerRules,
    /// Silence of it that ends a call, 0 for none that does; nothing: as for all calls.
    pub rtp_timeout_ms: Option<u64>,
    /// It hears nothing before its calls are answered.
    pub never_rings_in_band: bool,
    /// What the record says for whoever writes bills.
    #[serde(skip_serializing_if = "Billing::is_empty")]
    pub billing: Billing,
}

/// An answer to a challenge, made for the next INVITE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// For a proxy, or for the server itself.
    proxy: bool,
    value: Secret,
    /// The nonce that it answers.
    nonce: String,
    sent: bool,
}

impl Carrier {
    pub(crate) fn runs_timers(&self) -> bool {
        self.timers.mode != TimerMode::Refuse
    }

    pub(crate) fn to(&self, number: &str) -> Option<NameAddr> {
        self.address(number, &self.domain).map(NameAddr::new)
    }

    pub(crate) fn from(&self) -> Option<NameAddr> {
        let host = self.from_domain.as_deref().unwrap_or(&self.domain);
        if self.anonymous {
            let nobody = "sip:anonymous@anonymous.invalid".parse().ok()?;
            return Some(NameAddr::named("Anonymous", nobody));
        }
        let user = self.from_user.as_deref().unwrap_or(&self.caller.number);
        self.named(self.address(user, host)?)
    }

    /// The header beside From that says who calls, if the carrier wants one.
    pub(crate) fn identity(&self) -> Option<(Name, Vec<u8>)> {
        let host = self.from_domain.as_deref().unwrap_or(&self.domain);
        let caller = self.named(self.address(&self.caller.number, host)?)?;
        let value = caller.to_bytes();
        match self.identity {
            IdentityHeader::None => None,
            IdentityHeader::Asserted => Some((Name::PAssertedIdentity, value.to_vec())),
            IdentityHeader::RemoteParty => {
                let privacy = if self.anonymous { "full" } else { "off" };
                let mut value = value.to_vec();
                value.extend_from_slice(format!(";party=calling;privacy={privacy}").as_bytes());
                Some((Name::RemotePartyId, value))
            }
        }
    }

    fn named(&self, uri: Uri) -> Option<NameAddr> {
        let name = self.caller.name.clone().filter(|name| !name.is_empty());
        Some(match name {
            Some(name) => NameAddr::named(name, uri),
            None => NameAddr::new(uri),
        })
    }

    fn address(&self, user: &str, host: &str) -> Option<Uri> {
        let bare = host.trim_matches(['[', ']']);
        let host = match bare.parse() {
            Ok(std::net::IpAddr::V4(address)) => Host::V4(address),
            Ok(std::net::IpAddr::V6(address)) => Host::V6(address),
            Err(_) => Host::Name(bare),
        };
        let user = Some(user).filter(|user| !user.is_empty());
        Uri::build(Scheme::Sip, user, host, None).ok()
    }

    /// The answer to a challenge of this response.
    fn answer(
        &self,
        response: &Message,
        method: &str,
        uri: &str,
        client_nonce: &str,
    ) -> Option<(Credentials, bool)> {
        let proxy = response.status() == Some(407);
        let asked = if proxy {
            Name::ProxyAuthenticate
        } else {
            Name::WwwAuthenticate
        };
        let challenge = Challenge::choose(response.headers.get_all(asked).map(AsRef::as_ref))?;
        let answer = Answer {
            username: &self.username,
            password: self.password.expose(),
            method,
            uri,
            client_nonce,
            nonce_count: 1,
        };
        let credentials = Credentials {
            proxy,
            value: Secret::new(answer.to(&challenge)),
            nonce: challenge.nonce.clone(),
            sent: false,
        };
        Some((credentials, challenge.stale))
    }
}

impl Credentials {
    /// Puts them into a request.
    pub(crate) fn write(&mut self, message: &mut Message) {
        let name = if self.proxy {
            Name::ProxyAuthorization
        } else {
            Name::Authorization
        };
        message.headers.push(name, self.value.expose().to_owned());
        self.sent = true;
    }
}

pub(crate) fn is_challenge(code: u16) -> bool {
    matches!(code, 401 | 407)
}

impl Call {
    /// A carrier asks for credentials: whether its INVITE is to be sent again with them.
    pub(crate) fn takes_challenge(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        response: &Message,
    ) -> bool {
        let client_nonce = turn.client_nonce();
        let fork = &mut self.forks[index];
        let (Some(carrier), Some(invite)) = (&fork.target.carrier, &fork.invite) else {
            return false;
        };
        let Some(uri) = invite.message.uri().filter(|_| invite.cseq < MAX_TRIES) else {
            return false;
        };
        let answer = carrier.answer(response, "INVITE", uri.as_str(), &client_nonce);
        let Some((credentials, stale)) = answer else {
            return false;
        };
        // The same question again says that the answer was wrong (RFC 3261 §22.3).
        if fork.credentials.is_some() && !stale {
            return false;
        }
        fork.credentials = Some(credentials);
        true
    }

    /// A carrier asks for credentials inside of a dialog: the request goes again, once.
    pub(crate) fn answers_challenge(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        key: ClientKey,
        response: &Message,
    ) -> bool {
        let client_nonce = turn.client_nonce();
        let Some(side) = self.legs.get_mut(&leg) else {
            return false;
        };
        let Some(carrier) = side.carrier.clone() else {
            return false;
        };
        let Some(at) = side.sent.iter().position(|sent| sent.key == key) else {
            return false;
        };
        let Some(original) = side.sent[at].message.take() else {
            return false;
        };
        let (Some(method), Some(uri)) = (original.method().cloned(), original.uri()) else {
            return false;
        };
        let answer = carrier.answer(response, method.as_str(), uri.as_str(), &client_nonce);
        let Some((mut credentials, _)) = answer else {
            return false;
        };
        let (transaction, fresh) = side.request(turn, method.clone());
        let cseq = side.dialog.local_cseq();
        let mut message = original;
        if let Some(via) = fresh.headers.get(Name::Via) {
            message.headers.set(Name::Via, via.clone());
        }
        message.headers.set(Name::CSeq, CSeq::new(cseq, method));
        credentials.write(&mut message);
        let sent = &mut side.sent[at];
        (sent.key, sent.cseq, sent.give_up_at_ms) = (transaction, cseq, turn.give_up_at_ms());
        let (flow, reserved) = (side.flow, side.dialog.reserve_ahead());
        for relay in self.relays.iter_mut().filter(|relay| relay.key == key) {
            relay.key = transaction;
        }
        self.put(Output::Request {
            leg,
            transaction,
            message,
            flow,
        });
        if reserved {
            self.put(Output::CommitLazily);
        }
        true
    }
}
