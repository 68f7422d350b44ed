//! Registering at a carrier: what is asked, what an answer means, and when to ask again. It knows no cluster and no socket.

use carillon_model::{Epoch, Register, Secret, Transport, TrunkId};
use carillon_sip::auth::{Answer, Challenge};
use carillon_sip::transaction::ClientKey;
use carillon_sip::{CSeq, Contacts, Host, Message, Method, Name, NameAddr, Scheme, Uri, Via};

/// How long a server may say nothing until the next one is asked.
pub(crate) const PATIENCE_MS: u64 = 5_000;
/// Between two tries, where the carrier says no or nothing.
pub(crate) const RETRY_MS: u64 = 20_000;
/// A carrier may put us off for as long as this.
const LONGEST_RETRY_MS: u64 = 3_600_000;
/// Challenges and wishes of one try that are followed.
const ROUNDS_MAX: u32 = 4;
/// A carrier may ask for registrations as long as this.
const LONGEST_EXPIRES_S: u32 = 86_400;

/// What an administrator has said about a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) transport: Option<Transport>,
    username: String,
    auth_username: String,
    password: Secret,
    realm: Option<String>,
    callback: String,
    expires_s: u32,
}

/// One registration of one owner's time: its Call-ID and numbers begin with the owner's epoch.
pub(crate) struct Client {
    account: Account,
    call_id: String,
    tag: String,
    cseq: u32,
    phase: Phase,
    expires_s: u32,
    /// Contacts of former owners, to be taken away.
    stale: Vec<String>,
    /// The servers in the order of the name servers; this one is asked.
    server: usize,
    proof: Option<Proof>,
    rounds: u32,
    /// The contact is being taken away.
    leaving: bool,
}

/// A challenge that is being answered.
struct Proof {
    challenge: Challenge,
    header: Name,
    count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// To be asked at this time.
    Due { at_ms: u64 },
    /// The request is out.
    Asking { key: ClientKey, give_up_at_ms: u64 },
    /// The carrier has the contact.
    Registered { refresh_at_ms: u64 },
}

/// What came of an answer, or of silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is to be asked again, at once.
    Again,
    /// The carrier has the contact until then.
    Registered { expires_at_ms: u64 },
    /// The carrier said no, or nothing.
    Refused { code: Option<u16> },
    /// Not an answer to what was asked, or not a final one.
    Nothing,
}

/// How one request goes out.
pub(crate) struct Way {
    pub(crate) key: ClientKey,
    pub(crate) via: Via,
    pub(crate) client_nonce: String,
}

impl Account {
    pub(crate) fn of(register: &Register) -> Self {
        let username = register.sip_username.clone();
        Self {
            host: register.remote_host.clone(),
            port: register.remote_port,
            transport: register.transport,
            auth_username: register
                .auth_username
                .clone()
                .unwrap_or_else(|| username.clone()),
            password: register.auth_password.clone(),
            realm: register.realm.clone(),
            callback: register
                .callback_extension
                .clone()
                .unwrap_or_else(|| username.clone()),
            username,
            expires_s: register.expiration_s,
        }
    }

    /// The contact at a listener of ours.
    pub(crate) fn contact(&self, transport: Transport, local: std::net::SocketAddr) -> String {
        let user = &self.callback;
        match transport {
            Transport::Udp => format!("sip:{user}@{local}"),
            Transport::Tcp | Transport::Tls => {
                format!("sip:{user}@{local};transport={transport}")
            }
        }
    }

    fn registrar(&self) -> Option<Uri> {
        let bare = self.host.trim_matches(['[', ']']);
        let host = match bare.parse() {
            Ok(std::net::IpAddr::V4(address)) => Host::V4(address),
            Ok(std::net::IpAddr::V6(address)) => Host::V6(address),
            Err(_) => Host::Name(bare),
        };
        Uri::build(Scheme::Sip, None, host, self.port).ok()
    }

    fn identity(&self) -> Option<Uri> {
        let registrar = self.registrar()?;
        Uri::build(Scheme::Sip, Some(&self.username), registrar.host()?, None).ok()
    }
}

impl Client {
    /// To be asked as soon as possible. `salt` is what nobody can guess.
    pub(crate) fn new(
        account: Account,
        (trunk, epoch): (TrunkId, Epoch),
        (salt, tag): (String, String),
        stale: Vec<String>,
    ) -> Self {
        Self {
            expires_s: account.expires_s,
            account,
            call_id: format!("{salt}-t{trunk}-e{epoch}"),
            tag,
            cseq: 0,
            phase: Phase::Due { at_ms: 0 },
            stale,
            server: 0,
            proof: None,
            rounds: 0,
            leaving: false,
        }
    }

    /// Whether the carrier has the contact, as far as is known.
    pub(crate) fn is_registered(&self) -> bool {
        matches!(self.phase, Phase::Registered { .. })
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// The carrier is to forget the contact.
    pub(crate) fn leave(&mut self, now_ms: u64) {
        self.leaving = true;
        self.ask_at(now_ms);
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Which of the servers is to be asked.
    pub(crate) fn server(&self) -> usize {
        self.server
    }

    pub(crate) fn stale(&self) -> &[String] {
        &self.stale
    }

    pub(crate) fn next_ms(&self) -> u64 {
        match self.phase {
            Phase::Due { at_ms } => at_ms,
            Phase::Asking { give_up_at_ms, .. } => give_up_at_ms,
            Phase::Registered { refresh_at_ms } => refresh_at_ms,
        }
    }

    /// The request that is out.
    pub(crate) fn asking(&self) -> Option<ClientKey> {
        match self.phase {
            Phase::Asking { key, .. } => Some(key),
            Phase::Due { .. } | Phase::Registered { .. } => None,
        }
    }

    /// Whether a request is to go out now.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        self.asking().is_none() && self.next_ms() <= now_ms
    }

    /// Whether the server has said nothing for too long.
    pub(crate) fn is_given_up(&self, now_ms: u64) -> bool {
        self.asking().is_some() && self.next_ms() <= now_ms
    }

    /// Nothing is out any more, and nothing is known of the carrier: to be asked again at this time.
    pub(crate) fn ask_at(&mut self, at_ms: u64) {
        self.phase = Phase::Due { at_ms };
        self.rounds = 0;
        self.proof = None;
    }

    /// The REGISTER. Nothing where the account names nothing that can be asked.
    pub(crate) fn request(&mut self, now_ms: u64, contact: &str, way: Way) -> Option<Message> {
        let registrar = self.account.registrar()?;
        let identity = self.account.identity()?;
        self.cseq += 1;
        let mut message = Message::request(Method::Register, registrar.clone());
        let headers = &mut message.headers;
        headers.push(Name::Via, way.via);
        headers.push(Name::MaxForwards, "70");
        let from = NameAddr::new(identity.clone()).with_tag(&self.tag);
        headers.push(Name::From, from);
        headers.push(Name::To, NameAddr::new(identity));
        headers.push(Name::CallId, self.call_id.clone());
        headers.push(Name::CSeq, CSeq::new(self.cseq, Method::Register));
        let expires_s = if self.leaving { 0 } else { self.expires_s };
        headers.push(Name::Contact, format!("<{contact}>;expires={expires_s}"));
        for gone in self.stale.iter().filter(|gone| *gone != contact) {
            headers.push(Name::Contact, format!("<{gone}>;expires=0"));
        }
        headers.push(Name::Expires, expires_s.to_string());
        if let Some(proof) = &mut self.proof {
            proof.count += 1;
            let answer = Answer {
                username: &self.account.auth_username,
                password: self.account.password.expose(),
                method: Method::Register.as_str(),
                uri: registrar.as_str(),
                client_nonce: &way.client_nonce,
                nonce_count: proof.count,
            };
            headers.push(proof.header.clone(), answer.to(&proof.challenge));
        }
        self.phase = Phase::Asking {
            key: way.key,
            give_up_at_ms: now_ms + PATIENCE_MS,
        };
        Some(message)
    }

    /// A response to the request of this key. `servers` is how many there are.
    pub(crate) fn answered(
        &mut self,
        now_ms: u64,
        key: ClientKey,
        response: &Message,
        contact: &str,
        servers: usize,
    ) -> Verdict {
        let Some(code) = response.status().filter(|_| self.asking() == Some(key)) else {
            return Verdict::Nothing;
        };
        self.rounds += 1;
        match code {
            100..=199 => {
                self.rounds -= 1;
                Verdict::Nothing
            }
            200..=299 => self.registered(now_ms, response, contact),
            401 | 407 if self.rounds < ROUNDS_MAX && self.takes_challenge(code, response) => {
                self.again()
            }
            423 if self.rounds < ROUNDS_MAX => match response.min_expires() {
                Some(least_s) if least_s > self.expires_s && least_s <= LONGEST_EXPIRES_S => {
                    self.expires_s = least_s;
                    self.again()
                }
                Some(_) | None => self.refused(now_ms, Some(code), None),
            },
            // The server has trouble: another one may have none.
            500..=599 | 408 | 480 => self.next_server(now_ms, Some(response), Some(code), servers),
            _ => {
                // It may be our wish to take a former contact away that displeases it.
                self.stale.clear();
                self.refused(now_ms, Some(code), None)
            }
        }
    }

    /// The server has said nothing, or could not be reached.
    pub(crate) fn silent(&mut self, now_ms: u64, servers: usize) -> Verdict {
        self.next_server(now_ms, None, None, servers)
    }

    fn again(&mut self) -> Verdict {
        self.phase = Phase::Due { at_ms: 0 };
        Verdict::Again
    }

    fn registered(&mut self, now_ms: u64, response: &Message, contact: &str) -> Verdict {
        let granted_s = granted_s(response, contact).unwrap_or(self.expires_s);
        self.stale.clear();
        self.rounds = 0;
        let granted_ms = u64::from(granted_s.clamp(1, LONGEST_EXPIRES_S)) * 1_000;
        // A quarter of the time is left for tries that fail; a carrier that grants little is not asked all the time.
        let refresh_at_ms = now_ms + (granted_ms - granted_ms / 4).max(1_000);
        self.phase = Phase::Registered { refresh_at_ms };
        Verdict::Registered {
            expires_at_ms: now_ms + granted_ms,
        }
    }

    fn takes_challenge(&mut self, code: u16, response: &Message) -> bool {
        let (asked, header) = if code == 401 {
            (Name::WwwAuthenticate, Name::Authorization)
        } else {
            (Name::ProxyAuthenticate, Name::ProxyAuthorization)
        };
        let challenge = Challenge::choose(response.headers.get_all(asked).map(AsRef::as_ref));
        let wanted = challenge.filter(|challenge| {
            let realm = self.account.realm.as_ref();
            realm.is_none_or(|realm| *realm == challenge.realm)
        });
        let Some(challenge) = wanted else {
            return false;
        };
        // The same question once more says that the answer was wrong (RFC 3261 §22.3), unless only its nonce was old.
        let answered = self.proof.as_ref().is_some_and(|proof| proof.count > 0);
        let refreshing = self.rounds == 1;
        if answered && !challenge.stale && !refreshing {
            return false;
        }
        self.proof = Some(Proof {
            challenge,
            header,
            count: 0,
        });
        true
    }

    fn next_server(
        &mut self,
        now_ms: u64,
        response: Option<&Message>,
        code: Option<u16>,
        servers: usize,
    ) -> Verdict {
        self.server += 1;
        self.rounds = 0;
        self.proof = None;
        if self.server < servers {
            return self.again();
        }
        self.server = 0;
        let retry_ms = response
            .and_then(Message::retry_after)
            .map(|seconds| u64::from(seconds) * 1_000);
        self.refused(now_ms, code, retry_ms)
    }

    fn refused(&mut self, now_ms: u64, code: Option<u16>, retry_ms: Option<u64>) -> Verdict {
        let wait_ms = retry_ms.map_or(RETRY_MS, |retry_ms| retry_ms.clamp(1_000, LONGEST_RETRY_MS));
        self.ask_at(now_ms + wait_ms);
        Verdict::Refused { code }
    }
}

/// For how long our contact is registered, by what the response says of it, or of all.
fn granted_s(response: &Message, contact: &str) -> Option<u32> {
    let wanted: Option<Uri> = contact.parse().ok();
    let listed = match response.contacts() {
        Ok(Contacts::List(list)) => list,
        Ok(Contacts::Star) | Err(_) => Vec::new(),
    };
    let own = listed.iter().find(|listed| {
        let same = |wanted: &Uri| listed.address.uri.matches(wanted);
        wanted.as_ref().is_some_and(same)
    });
    own.and_then(|own| own.expires())
        .or_else(|| response.expires())
}
