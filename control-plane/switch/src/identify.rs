//! Who sends a request: digest authentication against the replicated endpoints.

use std::sync::Arc;

use carillon_model::{Flow, SipEndpoint};
use carillon_sip::auth::{Algorithm, Credentials, CredentialsError, Ha1, Verdict};
use carillon_sip::{Message, Method, Name};

use crate::{Notice, Switch};

/// The option of a SIP endpoint that names the digest algorithms of its challenges, such as `SHA-256,MD5`.
const ALGORITHMS_OPTION: &str = "auth_algorithms";

/// Why credentials did not hold. The peer is told the same for all but [`Distrust::Unreadable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// There is no such user.
    UnknownUser,
    /// The proof is wrong.
    WrongPassword,
    /// They were made for another request.
    WrongTarget,
    /// The source has failed too often; they were not looked at.
    Blocked,
    /// They do not follow the grammar, or use what was not offered.
    Unreadable,
}

impl Switch {
    /// The endpoint that sent a request, or what to answer instead.
    pub(crate) fn identify(
        &mut self,
        flow: &Flow,
        request: &Message,
    ) -> Result<Arc<SipEndpoint>, Box<Message>> {
        let Some(key) = self.state.nonce_key().copied() else {
            return Err(Box::new(self.unavailable(request)));
        };
        let credentials = match self.credentials_of(request) {
            Ok(Some(credentials)) => credentials,
            Ok(None) => return Err(self.challenge(&key, request, false)),
            Err(_) => {
                self.distrust(flow, Distrust::Unreadable);
                let why = "Bad Request: unusable credentials";
                return Err(Box::new(Message::response_to(request, 400, why)));
            }
        };
        let endpoint = self
            .state
            .endpoint_by_username(&credentials.username)
            .cloned();
        let (Some(method), Some(uri)) = (request.method(), request.uri()) else {
            return Err(self.challenge(&key, request, false));
        };
        let digest = endpoint.as_ref().map(|endpoint| self.digest_of(endpoint));
        let ha1 = digest.as_ref().map(|digest| Ha1 {
            sha256: digest.sha256.expose(),
            md5: digest.md5.expose(),
        });
        let verdict = self
            .guard
            .judge(&key, self.now_ms, method.as_str(), uri, &credentials, ha1);
        match (verdict, endpoint) {
            (Verdict::Accepted, Some(endpoint)) => Ok(endpoint),
            (Verdict::Stale, _) => Err(self.challenge(&key, request, true)),
            (Verdict::Accepted | Verdict::Refused(_), None) => {
                Err(self.distrusted(flow, request, Distrust::UnknownUser))
            }
            (Verdict::Refused(carillon_sip::auth::Refusal::Uri), Some(_)) => {
                Err(self.distrusted(flow, request, Distrust::WrongTarget))
            }
            (Verdict::Refused(_), Some(_)) => {
                Err(self.distrusted(flow, request, Distrust::WrongPassword))
            }
        }
    }

    /// The credentials for our realm: as for a registrar or as for a proxy, phones differ.
    fn credentials_of(&self, request: &Message) -> Result<Option<Credentials>, CredentialsError> {
        let values = [Name::Authorization, Name::ProxyAuthorization]
            .into_iter()
            .flat_map(|name| request.headers.get_all(name));
        let mut unusable = None;
        for value in values {
            match Credentials::parse(value) {
                Ok(credentials) if credentials.realm == self.guard.realm() => {
                    return Ok(Some(credentials));
                }
                // Another scheme, or for somebody else.
                Ok(_) | Err(CredentialsError::Grammar) => {}
                Err(error) => unusable = Some(error),
            }
        }
        unusable.map_or(Ok(None), Err)
    }

    fn digest_of(&self, endpoint: &SipEndpoint) -> carillon_model::Ha1 {
        let realm = self.guard.realm();
        if endpoint.digest.realm == realm {
            return endpoint.digest.clone();
        }
        carillon_model::Ha1::new(&endpoint.username, realm, &endpoint.secret)
    }

    /// Whether a request that would need credentials is met with silence: its source has failed too often. Registered
    /// phones behind the same address are heard.
    pub(crate) fn is_ignored(&mut self, flow: &Flow, request: &Message) -> bool {
        let begins = request.to().is_ok_and(|to| to.tag().is_none());
        let judged = begins && matches!(request.method(), Some(Method::Invite | Method::Register));
        if !judged
            || !self.offenders.is_blocked(self.now_ms, flow.peer.ip())
            || self.is_contact(flow, request)
            || self.trunk_at(flow).is_some()
        {
            return false;
        }
        self.distrust(flow, Distrust::Blocked);
        true
    }

    pub(crate) fn is_contact(&self, flow: &Flow, request: &Message) -> bool {
        let Ok(from) = request.from() else {
            return false;
        };
        let endpoint = from
            .uri
            .user()
            .and_then(|user| self.state.endpoint_by_username(user));
        endpoint.is_some_and(|endpoint| {
            let mut bindings = self.contacts(endpoint.id).into_iter();
            bindings.any(|binding| binding.flow.peer == flow.peer)
        })
    }

    fn challenge(&mut self, key: &[u8; 32], request: &Message, stale: bool) -> Box<Message> {
        let salt = self.draw();
        let mut response = Message::response_to(request, 401, "");
        let values = self.guard.challenge(key, self.now_ms, salt, stale);
        for (algorithm, value) in Algorithm::OFFERED.into_iter().zip(values) {
            if self.is_asked_for(algorithm, request) {
                response.headers.push(Name::WwwAuthenticate, value);
            }
        }
        Box::new(response)
    }

    /// Whether a challenge names this algorithm. Many phones give up on a response that names one they do not know, be it
    /// beside one that they know, so all get MD5 alone but those whose endpoint says otherwise.
    fn is_asked_for(&self, algorithm: Algorithm, request: &Message) -> bool {
        let from = request.from().ok();
        let user = from.as_ref().and_then(|from| from.uri.user());
        let endpoint = user.and_then(|user| self.state.endpoint_by_username(user));
        let mut named = endpoint
            .iter()
            .flat_map(|endpoint| &endpoint.options)
            .filter(|(option, _)| option == ALGORITHMS_OPTION)
            .flat_map(|(_, value)| value.split(','))
            .filter_map(|name| Algorithm::parse(name.trim()))
            .peekable();
        match named.peek() {
            Some(_) => named.any(|named| named == algorithm),
            None => algorithm == Algorithm::Md5,
        }
    }

    fn distrusted(&mut self, flow: &Flow, request: &Message, why: Distrust) -> Box<Message> {
        self.distrust(flow, why);
        Box::new(Message::response_to(request, 403, ""))
    }

    fn distrust(&mut self, flow: &Flow, why: Distrust) {
        self.tell(Notice::Distrusted { flow: *flow, why });
        let counts = match why {
            Distrust::UnknownUser | Distrust::WrongPassword | Distrust::WrongTarget => true,
            Distrust::Blocked | Distrust::Unreadable => false,
        };
        let blocked = counts
            .then(|| self.offenders.failed(self.now_ms, flow.peer.ip()))
            .flatten();
        if let Some(for_ms) = blocked {
            self.tell(Notice::SourceBlocked {
                flow: *flow,
                for_ms,
            });
        }
    }
}
