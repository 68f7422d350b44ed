use std::borrow::Cow;

use super::{Scheme, Uri, escape::unescape};

/// Parameters that make two URIs differ when only one has them (RFC 3261 §19.1.4).
const TELLING: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

impl Uri {
    /// Whether both name the same resource (RFC 3261 §19.1.4, RFC 3966 §4).
    pub fn matches(&self, other: &Self) -> bool {
        if self.scheme() != other.scheme() {
            return false;
        }
        match self.scheme() {
            Scheme::Sip | Scheme::Sips => self.sip_matches(other),
            Scheme::Tel => self.tel_matches(other),
            Scheme::Other => self == other,
        }
    }

    fn sip_matches(&self, other: &Self) -> bool {
        let hosts = match (self.host(), other.host()) {
            (Some(one), Some(two)) => one.matches(two),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        hosts
            && self.port() == other.port()
            && same_escaped(self.user(), other.user())
            && same_escaped(self.password(), other.password())
            && params_match(self, other)
            && params_match(other, self)
            && headers_match(self.headers(), other.headers())
    }

    fn tel_matches(&self, other: &Self) -> bool {
        let digits = |uri: &Self| {
            let number = uri.user().unwrap_or_default();
            let dialled = number
                .chars()
                .filter(|c| !matches!(c, '-' | '.' | '(' | ')'));
            dialled.map(|c| c.to_ascii_lowercase()).collect::<String>()
        };
        let same = |one: &Self, two: &Self| {
            one.params().all(|(name, value)| {
                let other = two.param(name);
                other.is_some_and(|other| other.eq_ignore_ascii_case(value.unwrap_or_default()))
            })
        };
        digits(self) == digits(other) && same(self, other) && same(other, self)
    }
}

fn same_escaped(one: Option<&str>, two: Option<&str>) -> bool {
    one.map(unescape) == two.map(unescape)
}

fn lower(text: &str) -> Vec<u8> {
    unescape(text).to_ascii_lowercase()
}

fn params_match(one: &Uri, two: &Uri) -> bool {
    one.params().all(|(name, value)| {
        let here = value.unwrap_or_default();
        match two.param(name) {
            Some(there) => lower(here) == lower(there),
            None => !TELLING
                .iter()
                .any(|telling| telling.eq_ignore_ascii_case(name)),
        }
    })
}

fn headers_match(one: Option<&str>, two: Option<&str>) -> bool {
    let sorted = |headers: Option<&str>| {
        let list = headers
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty());
        let mut list: Vec<(Vec<u8>, Vec<u8>)> = list
            .map(|part| {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                (lower(name), Cow::into_owned(unescape(value)))
            })
            .collect();
        list.sort();
        list
    };
    sorted(one) == sorted(two)
}
