//! What the options of a trunk's endpoint may say.

use super::{Refusable, endpoints::ENDPOINT, field::MAX_NAME};
use crate::{
    SipEndpoint, TrunkOptions,
    trunk::transport_of,
    trunk_rules::{rtp_name, subnet_of},
};

/// The smallest interval of a session timer (RFC 4028 §4).
const MIN_SESSION_S: u32 = 90;
const MAX_SESSION_S: u32 = 24 * 3600;
/// Silence that is waited for, at most.
const MAX_RTP_TIMEOUT_S: u32 = 3600;
const MAX_COUNTRY_DIGITS: usize = 3;

/// Options that mean something to a trunk must be readable; of all others nothing is asked.
pub(super) fn check(endpoint: &SipEndpoint) -> Refusable<()> {
    for (name, value) in &endpoint.options {
        if let Err(why) = readable(name, value) {
            return Err(ENDPOINT.input("options", format!("{name} '{value}' {why}")));
        }
    }
    together(endpoint)
}

/// Options that are readable each by itself and contradict one another.
fn together(endpoint: &SipEndpoint) -> Refusable<()> {
    let options = TrunkOptions::of(endpoint);
    let timers = options.timers;
    if let (Some(interval_s), Some(min_s)) = (timers.interval_s, timers.min_interval_s)
        && interval_s < min_s
    {
        let message =
            format!("session-expires '{interval_s}' is less than session-minse '{min_s}'");
        return Err(ENDPOINT.input("options", message));
    }
    let codecs = options.codecs;
    if !codecs.allowed.is_empty() && !codecs.allowed.iter().any(|name| codecs.keeps(name)) {
        let message = "disallow takes every codec away that allow names";
        return Err(ENDPOINT.input("options", message));
    }
    Ok(())
}

/// Who the carrier is, and from where it may call.
fn readable(name: &str, value: &str) -> Result<(), &'static str> {
    let is_made_of = |others: &[u8]| {
        value
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || others.contains(&octet))
    };
    let (right, why) = match name {
        "call-limit" | "busylevel" | "qualifyfreq" => {
            (is_within(value, 0, u32::MAX), "must be a number, 0 or more")
        }
        "port" => (
            is_within(value, 1, 65_535),
            "must be a port between 1 and 65535",
        ),
        "transport" => (
            value.split(',').all(|name| transport_of(name).is_some()),
            "must be udp, tcp or tls, or several of them with commas between",
        ),
        "permit" | "deny" => (
            subnet_of(value).is_some(),
            "must be an address, or one with '/' and the bits or the mask of its network",
        ),
        "fromuser" | "fromdomain" => (
            !value.is_empty() && is_made_of(b"-_.+"),
            "may have ASCII letters, digits, '-', '_', '.' and '+' only",
        ),
        "callbackextension" => (
            value.len() <= MAX_NAME && is_made_of(b"-_.+*#"),
            "may have ASCII letters, digits, '-', '_', '.', '+', '*' and '#' only",
        ),
        "accountcode" => (value.len() <= MAX_NAME, "is too long"),
        "country_code" => (is_digits(value, 1), "must have one to three digits"),
        "national_prefix" => (is_digits(value, 0), "must have three digits at most"),
        _ => return habit(name, value),
    };
    right.then_some(()).ok_or(why)
}

/// How its calls are made.
fn habit(name: &str, value: &str) -> Result<(), &'static str> {
    let is_one_of = |values: &[&str]| values.contains(&value);
    let (right, why) = match name {
        "sendrpid" => (
            is_one_of(&["", "no", "yes", "pai", "rpid"]),
            "must be no, yes, rpid or pai",
        ),
        "allow" | "disallow" => (
            value
                .split(',')
                .all(|name| name.trim() == "all" || rtp_name(name).is_some()),
            "must be all, or codecs as alaw, ulaw, g722, g729, gsm or opus with commas between",
        ),
        "dtmfmode" => (
            is_one_of(&["rfc2833", "rfc4733", "auto", "info", "inband"]),
            "must be rfc2833, rfc4733, auto, info or inband",
        ),
        "session-timers" => (
            is_one_of(&["originate", "accept", "refuse"]),
            "must be originate, accept or refuse",
        ),
        "session-expires" | "session-minse" => (
            is_within(value, MIN_SESSION_S, MAX_SESSION_S),
            "must be a number of seconds between 90 and 86400",
        ),
        "session-refresher" => (is_one_of(&["uac", "uas"]), "must be uac or uas"),
        "rtptimeout" => (
            is_within(value, 0, MAX_RTP_TIMEOUT_S),
            "must be a number of seconds between 0 and 3600",
        ),
        "progressinband" => (
            is_one_of(&["yes", "no", "never"]),
            "must be yes, no or never",
        ),
        "amaflags" => (
            is_one_of(&["", "default", "omit", "billing", "documentation"]),
            "must be default, omit, billing or documentation",
        ),
        _ => return Ok(()),
    };
    right.then_some(()).ok_or(why)
}

fn is_within(value: &str, low: u32, high: u32) -> bool {
    value
        .parse::<u32>()
        .is_ok_and(|number| (low..=high).contains(&number))
}

fn is_digits(value: &str, least: usize) -> bool {
    (least..=MAX_COUNTRY_DIGITS).contains(&value.len())
        && value.bytes().all(|octet| octet.is_ascii_digit())
}
