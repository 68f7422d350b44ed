//! What the caller hears before the answer: provisional responses, reliable ones (RFC 3262) among them.

use bytes::Bytes;
use carillon_sip::{Message, Name, Text};
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::compose::{SDP, abilities};
use crate::features::Features;
use crate::leg::Incoming;
use crate::turn::{PATIENCE_MS, T1_MS, Turn};
use crate::{LegId, MAX_PROVISIONALS, Output};

/// The provisional responses of the caller's INVITE.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ringback {
    mode: Mode,
    next_rseq: u32,
    pub(crate) unacked: Option<Reliable>,
    waiting: Vec<Provisional>,
    told: Vec<u16>,
    /// The fork whose session description the caller has been given.
    pub(crate) sdp_from: Option<LegId>,
    /// A PRACK has come for it: the answer is given, the 2xx needs none.
    pub(crate) sdp_acked: bool,
    /// The 2xx waits for a PRACK (RFC 3262 §3).
    pub(crate) holds_answer: bool,
    /// Tags of ours that the caller has seen besides that of the dialog.
    pub(crate) other_tags: Vec<Text>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Mode {
    #[default]
    Plain,
    Reliable,
    /// Only reliable ones are allowed, but the first would have to bring an offer that we do not have yet.
    Silent,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Provisional {
    code: u16,
    sdp: Option<Bytes>,
}

/// A reliable provisional response, repeated until its PRACK comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reliable {
    pub(crate) rseq: u32,
    pub(crate) response: Message,
    pub(crate) has_sdp: bool,
    pub(crate) repeat_at_ms: u64,
    pub(crate) interval_ms: u64,
    pub(crate) give_up_at_ms: u64,
}

impl Ringback {
    pub(crate) fn start(&mut self, rseq: u32, caller: Features, offered: bool) {
        self.next_rseq = rseq;
        self.mode = match (offered, caller.reliable, caller.reliable_only) {
            (false, _, true) => Mode::Silent,
            (true, true, _) => Mode::Reliable,
            (true, false, _) | (false, _, false) => Mode::Plain,
        };
    }

    /// Forgets what is not final.
    pub(crate) fn stop(&mut self) {
        self.unacked = None;
        self.waiting.clear();
        self.holds_answer = false;
    }
}

impl Call {
    /// Passes a provisional response on, unless the caller has heard the same before.
    pub(crate) fn tell_caller(
        &mut self,
        turn: &mut Turn<'_>,
        code: u16,
        sdp: Option<(LegId, Bytes)>,
    ) {
        let muted = self.legs.get(&LegId::CALLER).is_some_and(|leg| {
            let carrier = leg.carrier.as_ref();
            carrier.is_some_and(|carrier| carrier.never_rings_in_band)
        });
        // 183 says nothing without a session description.
        let code = if muted && code == 183 { 180 } else { code };
        let sdp = sdp.filter(|_| !muted);
        let ringback = &mut self.ringback;
        let news = sdp.is_some() || !ringback.told.contains(&code);
        if !news || ringback.mode == Mode::Silent {
            return;
        }
        if !ringback.told.contains(&code) {
            ringback.told.push(code);
        }
        if let Some((fork, _)) = &sdp {
            ringback.sdp_from = Some(*fork);
        }
        let provisional = Provisional {
            code,
            sdp: sdp.map(|(_, sdp)| sdp),
        };
        if ringback.unacked.is_none() {
            self.send_provisional(turn, provisional);
        } else if ringback.waiting.len() < MAX_PROVISIONALS {
            ringback.waiting.push(provisional);
        }
    }

    /// The next one that waited for a PRACK.
    pub(crate) fn tell_caller_next(&mut self, turn: &mut Turn<'_>) {
        if self.ringback.unacked.is_none() && !self.ringback.waiting.is_empty() {
            let next = self.ringback.waiting.remove(0);
            self.send_provisional(turn, next);
        }
    }

    fn send_provisional(&mut self, turn: &mut Turn<'_>, provisional: Provisional) {
        let Some(leg) = self.legs.get(&LegId::CALLER) else {
            return;
        };
        let Incoming::Asked(asked) = &leg.incoming else {
            return;
        };
        let mut response = asked.dialog_response(provisional.code, leg.dialog.local());
        response
            .headers
            .push(Name::Contact, leg.dialog.contact.clone());
        abilities(&mut response, true, leg.runs_timers());
        let (transaction, flow) = (asked.transaction.clone(), asked.flow);
        let has_sdp = provisional.sdp.is_some();
        let ringback = &mut self.ringback;
        if ringback.mode == Mode::Reliable {
            response.headers.push(Name::Require, "100rel");
            response
                .headers
                .push(Name::RSeq, ringback.next_rseq.to_string());
        }
        if let Some(sdp) = provisional.sdp {
            response.set_body(SDP, sdp);
        }
        if ringback.mode == Mode::Reliable {
            ringback.unacked = Some(Reliable {
                rseq: ringback.next_rseq,
                response: response.clone(),
                has_sdp,
                repeat_at_ms: turn.now_ms + T1_MS,
                interval_ms: T1_MS,
                give_up_at_ms: turn.now_ms + PATIENCE_MS,
            });
            ringback.next_rseq += 1;
        }
        self.put(Output::Respond {
            leg: LegId::CALLER,
            transaction,
            message: response,
            flow,
        });
    }

    /// The time of a reliable provisional response is up: again, or never (RFC 3262 §3).
    pub(crate) fn provisional_due(&mut self, turn: &mut Turn<'_>) {
        let Some(reliable) = &mut self.ringback.unacked else {
            return;
        };
        if reliable.give_up_at_ms <= turn.now_ms {
            self.caller_lost(turn);
            return;
        }
        reliable.interval_ms *= 2;
        reliable.repeat_at_ms += reliable.interval_ms;
        let message = reliable.response.clone();
        let Some(leg) = self.legs.get(&LegId::CALLER) else {
            return;
        };
        let Incoming::Asked(asked) = &leg.incoming else {
            return;
        };
        let (transaction, flow) = (asked.transaction.clone(), asked.flow);
        self.put(Output::Respond {
            leg: LegId::CALLER,
            transaction,
            message,
            flow,
        });
    }
}
