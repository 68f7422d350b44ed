//! What a carrier is held to besides its address and credentials: codecs, digits, session timers, addresses, billing.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{SipEndpoint, Subnet};

/// Codecs as administrators of Asterisk name them, and their names in RTP (RFC 3551, RFC 4855).
const CODECS: [(&str, &str); 31] = [
    ("adpcm", "DVI4"),
    ("alaw", "PCMA"),
    ("amr", "AMR"),
    ("amrwb", "AMR-WB"),
    ("g719", "G719"),
    ("g722", "G722"),
    ("g723", "G723"),
    ("g723.1", "G723"),
    ("g726", "G726-32"),
    ("g726aal2", "AAL2-G726-32"),
    ("g729", "G729"),
    ("g729a", "G729"),
    ("gsm", "GSM"),
    ("h261", "H261"),
    ("h263", "H263"),
    ("h263p", "H263-1998"),
    ("h264", "H264"),
    ("ilbc", "iLBC"),
    ("jpeg", "JPEG"),
    ("lpc10", "LPC"),
    ("opus", "opus"),
    ("siren14", "G7221"),
    ("siren7", "G7221"),
    ("slin", "L16"),
    ("slin16", "L16"),
    ("speex", "speex"),
    ("speex16", "speex"),
    ("speex32", "speex"),
    ("ulaw", "PCMU"),
    ("vp8", "VP8"),
    ("vp9", "VP9"),
];

/// How digits are sent to a carrier (`dtmfmode`). They are never made from one another: what the carrier is not to get as
/// telephone events is not offered to it, so that the phone sends them in its own other way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DtmfMode {
    /// As telephone events (RFC 4733) where both sides know them.
    #[default]
    Events,
    /// As tones in the voice.
    Inband,
    /// As INFO requests.
    Info,
}

/// Which codecs a carrier is offered and may offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CodecRules {
    /// Names in RTP of those that it has; all where there is none.
    pub allowed: Vec<String>,
    /// Names in RTP of those that it has not.
    pub refused: Vec<String>,
    /// How digits are sent.
    pub dtmf: DtmfMode,
}

/// What is done about session timers (`session-timers`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerMode {
    /// They are proposed.
    #[default]
    Originate,
    /// They run where the carrier wants them.
    Accept,
    /// They do not run.
    Refuse,
}

/// Who refreshes a session (`session-refresher`), in the words of RFC 4028.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerSide {
    /// Who sends the request.
    Uac,
    /// Who answers it.
    Uas,
}

/// The session timers of a carrier, where they are not those of all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimerRules {
    /// Whether they run at all.
    pub mode: TimerMode,
    /// `session-expires`.
    pub interval_s: Option<u32>,
    /// `session-minse`.
    pub min_interval_s: Option<u32>,
    /// Who is asked to refresh.
    pub refresher: Option<TimerSide>,
}

/// From where a carrier may call (`permit`, `deny`): the last rule that an address fits counts, and none permits it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressRules {
    rules: Vec<(bool, Subnet)>,
}

/// What records of a carrier's calls say for whoever writes bills.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Billing {
    /// `accountcode`.
    pub account_code: Option<String>,
    /// `amaflags`: `default`, `omit`, `billing` or `documentation`.
    pub ama_flags: Option<String>,
}

impl CodecRules {
    /// Reads `allow`, `disallow` and `dtmfmode`. Where codecs are allowed by name, no others are: that all are disallowed
    /// first goes without saying.
    pub fn of(endpoint: &SipEndpoint) -> Self {
        let listed = |name: &str| {
            let values = endpoint.options.iter().filter(|(known, _)| known == name);
            values
                .flat_map(|(_, value)| value.split(','))
                .map(str::trim)
                .collect::<Vec<_>>()
        };
        let allowed = listed("allow");
        let named = |names: &[&str]| {
            let mut named: Vec<String> = names
                .iter()
                .filter_map(|name| rtp_name(name))
                .map(str::to_owned)
                .collect();
            named.sort_unstable();
            named.dedup();
            named
        };
        Self {
            allowed: if allowed.contains(&"all") {
                Vec::new()
            } else {
                named(&allowed)
            },
            refused: named(&listed("disallow")),
            dtmf: match endpoint.option("dtmfmode") {
                Some("inband") => DtmfMode::Inband,
                Some("info") => DtmfMode::Info,
                Some(_) | None => DtmfMode::Events,
            },
        }
    }

    /// Nothing is kept from the carrier.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the carrier may be offered a codec of this name. Comfort noise goes with every voice.
    pub fn keeps(&self, name: &str) -> bool {
        let among = |names: &[String]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if name.eq_ignore_ascii_case("telephone-event") {
            return self.dtmf == DtmfMode::Events;
        }
        if name.eq_ignore_ascii_case("CN") {
            return true;
        }
        (self.allowed.is_empty() || among(&self.allowed)) && !among(&self.refused)
    }
}

/// The name in RTP of a codec as administrators name it.
pub(crate) fn rtp_name(name: &str) -> Option<&'static str> {
    let mut codecs = CODECS.iter();
    codecs
        .find(|(known, _)| known.eq_ignore_ascii_case(name.trim()))
        .map(|(_, rtp)| *rtp)
}

impl TimerRules {
    /// Reads `session-timers`, `session-expires`, `session-minse` and `session-refresher`.
    pub fn of(endpoint: &SipEndpoint) -> Self {
        let seconds = |name: &str| endpoint.option(name).and_then(|value| value.parse().ok());
        Self {
            mode: match endpoint.option("session-timers") {
                Some("accept") => TimerMode::Accept,
                Some("refuse") => TimerMode::Refuse,
                Some(_) | None => TimerMode::Originate,
            },
            interval_s: seconds("session-expires"),
            min_interval_s: seconds("session-minse"),
            refresher: match endpoint.option("session-refresher") {
                Some("uac") => Some(TimerSide::Uac),
                Some("uas") => Some(TimerSide::Uas),
                Some(_) | None => None,
            },
        }
    }
}

impl AddressRules {
    /// Reads `permit` and `deny`, in the order in which they stand.
    pub fn of(endpoint: &SipEndpoint) -> Self {
        let rules = endpoint.options.iter().filter_map(|(name, value)| {
            let permits = match name.as_str() {
                "permit" => true,
                "deny" => false,
                _ => return None,
            };
            Some((permits, subnet_of(value)?))
        });
        Self {
            rules: rules.collect(),
        }
    }

    /// Whether a call may come from there.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let mut rules = self.rules.iter().rev();
        rules
            .find(|(_, subnet)| subnet.contains(address))
            .is_none_or(|(permits, _)| *permits)
    }
}

impl Billing {
    /// Reads `accountcode` and `amaflags`.
    pub fn of(endpoint: &SipEndpoint) -> Self {
        let text = |name: &str| {
            let value = endpoint.option(name).filter(|value| !value.is_empty());
            value.map(str::to_owned)
        };
        Self {
            account_code: text("accountcode"),
            ama_flags: text("amaflags"),
        }
    }

    /// Nobody has said anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An address, one with the number of leading bits that count, or one with a mask as older systems write it.
pub(crate) fn subnet_of(text: &str) -> Option<Subnet> {
    let (address, rest) = match text.trim().split_once('/') {
        Some((address, rest)) => (address, Some(rest)),
        None => (text.trim(), None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match rest {
        None => bits,
        Some(rest) => match rest.parse::<u8>() {
            Ok(prefix) => prefix,
            Err(_) => prefix_of_mask(rest.parse().ok()?)?,
        },
    };
    (prefix <= bits).then_some(Subnet { address, prefix })
}

/// The leading ones of a mask; one with a hole is none.
fn prefix_of_mask(mask: IpAddr) -> Option<u8> {
    let IpAddr::V4(mask) = mask else {
        return None;
    };
    let ones = mask.to_bits().leading_ones();
    let whole = mask.to_bits().count_ones() == ones;
    whole.then(|| u8::try_from(ones).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(options: &[(&str, &str)]) -> SipEndpoint {
        SipEndpoint {
            options: options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..SipEndpoint::default()
        }
    }

    #[test]
    fn who_allows_codecs_by_name_allows_no_others() {
        for options in [
            &[("disallow", "all"), ("allow", "alaw, g722")][..],
            &[("allow", "alaw"), ("allow", "g722"), ("disallow", "all")],
            &[("allow", "alaw,g722")],
        ] {
            let rules = CodecRules::of(&endpoint(options));
            let kept: Vec<_> = ["PCMU", "pcma", "G722", "CN", "telephone-event"]
                .into_iter()
                .filter(|name| rules.keeps(name))
                .collect();
            assert_eq!(
                kept,
                ["pcma", "G722", "CN", "telephone-event"],
                "{options:?}"
            );
        }
    }

    #[test]
    fn one_codec_can_be_taken_away_from_all() {
        let rules = CodecRules::of(&endpoint(&[("disallow", "g729")]));
        assert!(!rules.keeps("G729") && rules.keeps("PCMA") && !rules.is_open());
        assert!(CodecRules::of(&endpoint(&[("allow", "all")])).is_open());
    }

    #[test]
    fn digits_that_are_not_events_are_not_offered_as_such() {
        for (mode, events) in [
            ("rfc2833", true),
            ("auto", true),
            ("inband", false),
            ("info", false),
        ] {
            let rules = CodecRules::of(&endpoint(&[("dtmfmode", mode)]));
            assert_eq!(rules.keeps("telephone-event"), events, "{mode}");
            assert!(rules.keeps("PCMA"), "{mode}");
        }
    }

    #[test]
    fn the_last_rule_that_an_address_fits_counts() {
        let rules = AddressRules::of(&endpoint(&[
            ("deny", "0.0.0.0/0.0.0.0"),
            ("permit", "192.0.2.0/255.255.255.0"),
            ("deny", "192.0.2.66"),
            ("permit", "2001:db8::/32"),
        ]));
        let permits = |address: &str| rules.permits(address.parse().unwrap());
        assert!(permits("192.0.2.5") && permits("::ffff:192.0.2.5") && permits("2001:db8::1"));
        assert!(!permits("192.0.2.66") && !permits("198.51.100.1"));
        // Nothing is said of IPv6 addresses of others.
        assert!(permits("2001:db9::1"));
        assert!(AddressRules::default().permits("198.51.100.1".parse().unwrap()));
    }

    #[test]
    fn a_mask_with_a_hole_and_too_many_bits_are_no_subnet() {
        for text in [
            "10.0.0.0/255.0.255.0",
            "10.0.0.0/33",
            "::/129",
            "carrier",
            "",
        ] {
            assert_eq!(subnet_of(text), None, "{text}");
        }
    }
}
