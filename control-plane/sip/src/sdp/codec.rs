use std::collections::BTreeMap;

use super::Media;
use super::line::attributes;
use crate::text::Text;

/// One payload format of a media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// The payload type.
    pub payload: u8,
    /// The encoding, as `PCMA`; compare without case.
    pub name: Text,
    /// Ticks of the RTP clock a second. Of G.722 8000, which is wrong and the rule.
    pub clock_rate: u32,
    /// Channels, where more than one.
    pub channels: u8,
    /// The format parameters.
    pub fmtp: Option<Text>,
}

impl Codec {
    /// Whether both are the same encoding, whatever its number.
    pub fn matches(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels
    }

    /// Whether this carries tones and not speech (RFC 4733), or marks silence (RFC 3389).
    pub fn is_auxiliary(&self) -> bool {
        let auxiliary = ["telephone-event", "CN"];
        auxiliary
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&self.name))
    }

    /// The value of `a=rtpmap`.
    pub fn rtpmap(&self) -> String {
        let Self {
            payload,
            name,
            clock_rate,
            channels,
            ..
        } = self;
        match channels {
            0 | 1 => format!("{payload} {name}/{clock_rate}"),
            _ => format!("{payload} {name}/{clock_rate}/{channels}"),
        }
    }

    /// What a payload type means without `a=rtpmap` (RFC 3551 §6).
    pub fn assigned(payload: u8) -> Option<Self> {
        let (name, clock_rate, channels) = match payload {
            0 => ("PCMU", 8000, 1),
            3 => ("GSM", 8000, 1),
            4 => ("G723", 8000, 1),
            5 => ("DVI4", 8000, 1),
            6 => ("DVI4", 16000, 1),
            7 => ("LPC", 8000, 1),
            8 => ("PCMA", 8000, 1),
            9 => ("G722", 8000, 1),
            10 => ("L16", 44100, 2),
            11 => ("L16", 44100, 1),
            12 => ("QCELP", 8000, 1),
            13 => ("CN", 8000, 1),
            14 => ("MPA", 90000, 1),
            15 => ("G728", 8000, 1),
            16 => ("DVI4", 11025, 1),
            17 => ("DVI4", 22050, 1),
            18 => ("G729", 8000, 1),
            25 => ("CelB", 90000, 1),
            26 => ("JPEG", 90000, 1),
            28 => ("nv", 90000, 1),
            31 => ("H261", 90000, 1),
            32 => ("MPV", 90000, 1),
            33 => ("MP2T", 90000, 1),
            34 => ("H263", 90000, 1),
            _ => return None,
        };
        Some(Self {
            payload,
            name: Text::from_static(name),
            clock_rate,
            channels,
            fmtp: None,
        })
    }

    fn mapped(payload: u8, map: &str) -> Option<Self> {
        let mut parts = map.trim().split('/');
        let (name, clock) = (parts.next()?, parts.next()?);
        let channels = parts
            .next()
            .map_or(Some(1), |channels| channels.trim().parse().ok())?;
        let clock_rate = clock.trim().parse().ok().filter(|rate| *rate > 0)?;
        let valid = !name.is_empty() && !name.contains(char::is_whitespace);
        valid.then(|| Self {
            payload,
            name: Text::from(name),
            clock_rate,
            channels,
            fmtp: None,
        })
    }
}

impl Media {
    /// The formats of a section that have a meaning, in the order of its preference.
    pub fn codecs(&self) -> Vec<Codec> {
        let (maps, parameters) = (self.by_payload("rtpmap"), self.by_payload("fmtp"));
        let payloads = self.formats.iter().filter_map(|format| format.parse().ok());
        payloads
            .filter_map(|payload| codec(payload, &maps, &parameters))
            .collect()
    }

    /// Takes away the formats that are not to be used, and what is said of them.
    pub fn keep_codecs(&mut self, is_kept: impl Fn(&Codec) -> bool) {
        let kept: Vec<u8> = self
            .codecs()
            .iter()
            .filter(|codec| is_kept(codec))
            .map(|codec| codec.payload)
            .collect();
        let is_one = |text: &str| text.parse().is_ok_and(|payload| kept.contains(&payload));
        self.formats.retain(|format| is_one(format));
        self.lines.retain(|line| match line.as_attribute() {
            Some(("rtpmap" | "fmtp" | "rtcp-fb", value)) => {
                let payload = value.split_ascii_whitespace().next().unwrap_or_default();
                payload == "*" || is_one(payload)
            }
            Some(_) | None => true,
        });
    }

    /// What a payload type means in this section.
    pub fn codec(&self, payload: u8) -> Option<Codec> {
        codec(
            payload,
            &self.by_payload("rtpmap"),
            &self.by_payload("fmtp"),
        )
    }

    /// The values of an attribute that belongs to payload types; of several the first counts.
    fn by_payload(&self, attribute: &str) -> BTreeMap<u8, &str> {
        let mut values = BTreeMap::new();
        for value in attributes(&self.lines, attribute) {
            if let Some((number, rest)) = value.trim_start().split_once(' ')
                && let Ok(number) = number.parse()
            {
                values.entry(number).or_insert(rest);
            }
        }
        values
    }
}

fn codec(payload: u8, maps: &BTreeMap<u8, &str>, parameters: &BTreeMap<u8, &str>) -> Option<Codec> {
    let mut codec = match maps.get(&payload) {
        Some(map) => Codec::mapped(payload, map)?,
        None => Codec::assigned(payload)?,
    };
    codec.fmtp = parameters.get(&payload).map(|fmtp| Text::from(fmtp.trim()));
    Some(codec)
}

/// The formats that both sections have, in the order of the first; each with its number here and
/// there.
pub fn common_codecs(here: &Media, there: &Media) -> Vec<(Codec, Codec)> {
    let others = there.codecs();
    here.codecs()
        .into_iter()
        .filter_map(|codec| {
            let other = others.iter().find(|other| other.matches(&codec))?;
            Some((codec, other.clone()))
        })
        .collect()
}
