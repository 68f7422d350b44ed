//! What our messages say of ourselves and of the caller.

use std::net::SocketAddr;

use bytes::Bytes;
use carillon_model::Party;
use carillon_sip::{Message, Name, NameAddr, Uri};

pub(crate) const SDP: &str = "application/sdp";
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO";
/// Option tags that a request may require of us.
pub(crate) const EXTENSIONS: [&str; 2] = ["100rel", "timer"];

/// Where a number is at home: the configured domain, or the address that the peer reaches us by.
pub(crate) fn address_of(number: &str, domain: Option<&str>, advertised: SocketAddr) -> Uri {
    let here = || Uri::sip(number, advertised);
    match domain {
        None => here(),
        Some(domain) => {
            let host = carillon_sip::Host::Name(domain);
            Uri::build(carillon_sip::Scheme::Sip, Some(number), host, None)
                .unwrap_or_else(|_| here())
        }
    }
}

/// The caller as the callee sees it.
pub(crate) fn caller(
    party: &Party,
    domain: Option<&str>,
    advertised: SocketAddr,
    private: bool,
) -> NameAddr {
    if private || party.number.is_empty() {
        let nobody = "sip:anonymous@anonymous.invalid"
            .parse()
            .expect("a valid URI");
        return NameAddr::named("Anonymous", nobody);
    }
    let uri = address_of(&party.number, domain, advertised);
    match party.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => NameAddr::named(name.to_owned(), uri),
        None => NameAddr::new(uri),
    }
}

/// The caller asks that its identity is kept from the callee (RFC 3323).
pub(crate) fn wants_privacy(invite: &Message) -> bool {
    invite.headers.get_all(Name::Privacy).any(|value| {
        value
            .split(|octet| matches!(octet, b';' | b','))
            .any(|token| {
                [&b"id"[..], b"user", b"header"]
                    .iter()
                    .any(|p| token.trim_ascii().eq_ignore_ascii_case(p))
            })
    })
}

/// What we can do, in every INVITE and UPDATE and their 2xx. Session timers can be kept from a carrier.
pub(crate) fn abilities(message: &mut Message, reliable: bool, timers: bool) {
    message
        .headers
        .push(Name::Allow, Bytes::from_static(ALLOW.as_bytes()));
    let supported = match (reliable, timers) {
        (true, true) => "100rel, timer",
        (true, false) => "100rel",
        (false, true) => "timer",
        (false, false) => return,
    };
    message
        .headers
        .push(Name::Supported, Bytes::from_static(supported.as_bytes()));
}

/// Why a request or response ends something (RFC 3326).
pub(crate) fn reason(sip: u16, q850: u8, text: &str) -> String {
    if sip == 0 {
        format!("Q.850;cause={q850};text=\"{text}\"")
    } else {
        format!("SIP;cause={sip};text=\"{text}\", Q.850;cause={q850}")
    }
}
