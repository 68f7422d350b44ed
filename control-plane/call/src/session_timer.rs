//! Session timers (RFC 4028): how a call ends whose peer has vanished without a word.

use carillon_sip::{Message, Name};
use serde::{Deserialize, Serialize};

use carillon_model::{TimerMode, TimerSide};

use crate::features::{Features, number};
use crate::{Carrier, Policy};

/// The smallest Min-SE (RFC 4028 §5).
pub(crate) const MIN_INTERVAL_S: u32 = 90;
/// An interval that a peer may ask for at most; larger ones are cut.
const MAX_INTERVAL_S: u32 = 24 * 3600;
/// How long before its expiry a session is ended by the side that waits for the refresh (RFC 4028 §10).
const EARLY_S: u32 = 32;

/// The session timer of one leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Session {
    /// The leg has no confirmed dialog yet, or no timer runs on it.
    #[default]
    Off,
    On {
        interval_s: u32,
        refresher: Refresher,
        refreshed_at_ms: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refresher {
    Us,
    Peer,
}

/// What we answer to a request that may carry a session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Agreed {
    pub(crate) interval_s: u32,
    pub(crate) refresher: Refresher,
}

/// The peer's interval is below our smallest: 422.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSmall {
    pub(crate) min_s: u32,
}

/// What is done about session timers on a leg: what is so for all calls, and what its carrier wants otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timers {
    pub(crate) mode: TimerMode,
    pub(crate) interval_s: u32,
    pub(crate) min_s: u32,
    pub(crate) refresher: Option<TimerSide>,
}

impl Timers {
    pub(crate) fn of(policy: &Policy, carrier: Option<&Carrier>) -> Self {
        let rules = carrier.map(|carrier| carrier.timers).unwrap_or_default();
        let min_s = rules
            .min_interval_s
            .unwrap_or(policy.min_session_interval_s)
            .max(MIN_INTERVAL_S);
        Self {
            mode: rules.mode,
            interval_s: rules
                .interval_s
                .unwrap_or(policy.session_interval_s)
                .max(min_s),
            min_s,
            refresher: rules.refresher,
        }
    }

    /// They may run.
    pub(crate) fn run(self) -> bool {
        self.mode != TimerMode::Refuse
    }

    /// Session-Expires and Min-SE of a first INVITE, where they are proposed.
    pub(crate) fn propose(self, interval_s: u32) -> Option<(String, String)> {
        if self.mode != TimerMode::Originate {
            return None;
        }
        let refresher = match self.refresher {
            Some(TimerSide::Uac) => ";refresher=uac",
            Some(TimerSide::Uas) => ";refresher=uas",
            None => "",
        };
        let min_s = self.min_s.min(interval_s);
        Some((format!("{interval_s}{refresher}"), min_s.to_string()))
    }
}

impl Session {
    pub(crate) fn start(agreed: Agreed, now_ms: u64) -> Self {
        Self::On {
            interval_s: agreed.interval_s,
            refresher: agreed.refresher,
            refreshed_at_ms: now_ms,
        }
    }

    pub(crate) fn interval_s(self) -> Option<u32> {
        match self {
            Self::On { interval_s, .. } => Some(interval_s),
            Self::Off => None,
        }
    }

    pub(crate) fn with_interval(self, interval_s: u32) -> Self {
        match self {
            Self::On {
                refresher,
                refreshed_at_ms,
                ..
            } => Self::On {
                interval_s,
                refresher,
                refreshed_at_ms,
            },
            Self::Off => Self::Off,
        }
    }

    /// When we have to refresh: at half the interval (RFC 4028 §7.2).
    pub(crate) fn refresh_at_ms(self) -> Option<u64> {
        match self {
            Self::On {
                interval_s,
                refresher: Refresher::Us,
                refreshed_at_ms,
            } => Some(refreshed_at_ms + u64::from(interval_s) * 500),
            Self::On {
                refresher: Refresher::Peer,
                ..
            }
            | Self::Off => None,
        }
    }

    /// When the session is over without a refresh.
    pub(crate) fn expires_at_ms(self) -> Option<u64> {
        match self {
            Self::On {
                interval_s,
                refreshed_at_ms,
                ..
            } => {
                let lasts_s = interval_s - EARLY_S.min(interval_s / 3);
                Some(refreshed_at_ms + u64::from(lasts_s) * 1000)
            }
            Self::Off => None,
        }
    }

    /// What a request of ours says in Session-Expires to keep the timer going.
    pub(crate) fn of_request(self) -> Option<String> {
        match self {
            Self::On {
                interval_s,
                refresher,
                ..
            } => {
                let refresher = match refresher {
                    Refresher::Us => "uac",
                    Refresher::Peer => "uas",
                };
                Some(format!("{interval_s};refresher={refresher}"))
            }
            Self::Off => None,
        }
    }
}

impl Agreed {
    /// Our answer to the session timer of a peer's request (RFC 4028 §9).
    pub(crate) fn answer(
        request: &Message,
        peer: Features,
        timers: Timers,
    ) -> Result<Option<Self>, TooSmall> {
        let min_s = timers.min_s;
        let wanted_s =
            number(request, Name::SessionExpires).map(|interval_s| interval_s.min(MAX_INTERVAL_S));
        match timers.mode {
            TimerMode::Refuse => return Ok(None),
            TimerMode::Accept if wanted_s.is_none() => return Ok(None),
            TimerMode::Accept | TimerMode::Originate => {}
        }
        if wanted_s.is_some_and(|interval_s| interval_s < min_s) && peer.timer {
            return Err(TooSmall { min_s });
        }
        let peer_min_s = number(request, Name::MinSe)
            .unwrap_or(MIN_INTERVAL_S)
            .min(MAX_INTERVAL_S);
        let ours_s = timers.interval_s.max(peer_min_s);
        let interval_s = wanted_s.map_or(ours_s, |wanted_s| wanted_s.max(min_s).min(ours_s));
        let refresher = match refresher(request) {
            Some(Side::Uas) => Refresher::Us,
            Some(Side::Uac) if peer.timer => Refresher::Peer,
            None if peer.timer && timers.refresher != Some(TimerSide::Uas) => Refresher::Peer,
            Some(Side::Uac) | None => Refresher::Us,
        };
        Ok(Some(Self {
            interval_s,
            refresher,
        }))
    }

    /// What the peer's 2xx to a request of ours settles. A peer without session timers is refreshed by us, unless they
    /// only run for those who want them.
    pub(crate) fn settled(response: &Message, timers: Timers, asked_s: u32) -> Option<Self> {
        let told_s = number(response, Name::SessionExpires);
        match (timers.mode, told_s) {
            (TimerMode::Refuse, _) | (TimerMode::Accept, None) => None,
            (TimerMode::Originate, None) => Some(Self {
                interval_s: asked_s.max(timers.min_s),
                refresher: Refresher::Us,
            }),
            (TimerMode::Accept | TimerMode::Originate, Some(interval_s)) => Some(Self {
                interval_s: interval_s.clamp(MIN_INTERVAL_S, MAX_INTERVAL_S),
                refresher: match refresher(response) {
                    Some(Side::Uas) => Refresher::Peer,
                    Some(Side::Uac) | None => Refresher::Us,
                },
            }),
        }
    }

    /// Headers of our 2xx.
    pub(crate) fn write(self, response: &mut Message, peer: Features) {
        let refresher = match self.refresher {
            Refresher::Us => "uas",
            Refresher::Peer => "uac",
        };
        if self.refresher == Refresher::Peer {
            response.headers.push(Name::Require, "timer");
        }
        if peer.timer || self.refresher == Refresher::Us {
            response.headers.push(
                Name::SessionExpires,
                format!("{};refresher={refresher}", self.interval_s),
            );
        }
    }
}

/// The Min-SE of a 422, within reason.
pub(crate) fn raised_interval_s(response: &Message, interval_s: u32) -> Option<u32> {
    let min_s = number(response, Name::MinSe)?;
    (min_s > interval_s && min_s <= MAX_INTERVAL_S).then_some(min_s)
}

enum Side {
    Uac,
    Uas,
}

fn refresher(message: &Message) -> Option<Side> {
    let value = message.headers.text(Name::SessionExpires)?;
    let side = value
        .split(';')
        .skip(1)
        .find_map(|param| param.trim().strip_prefix("refresher="))?;
    match side.trim().to_ascii_lowercase().as_str() {
        "uac" => Some(Side::Uac),
        "uas" => Some(Side::Uas),
        _ => None,
    }
}
