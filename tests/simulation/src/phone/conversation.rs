use std::net::SocketAddr;

use bytes::Bytes;
use carillon_rtp::Packet;
use carillon_sip::dialog::Dialog;
use carillon_sip::sdp::SessionDescription;
use carillon_sip::transaction::{self, ServerKey};
use carillon_sip::{Message, Method};

use super::hearing::Word;
use super::{Hearing, Output, Phone, Purpose};
use crate::clock;

const FRAME_US: u64 = 20_000;
const FRAME_SAMPLES: u32 = 160;
const PCMA: u8 = 8;
const T1_MS: u64 = 500;
const T2_MS: u64 = 4_000;
/// An answer that nobody acknowledges is given up (RFC 3261 §13.3.1.4).
const GIVE_UP_MS: u64 = 32_000;

/// Where a phone stands in its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has asked.
    Calling,
    /// The other phone rings, or this one.
    Ringing,
    /// Both can talk.
    Talking,
    /// It has hung up and waits for the answer.
    Leaving,
    /// The call is over.
    Over,
}

/// The one call of a phone.
pub(crate) struct Conversation {
    pub(crate) stage: Stage,
    /// The final answer to the INVITE that made it or failed to.
    pub(crate) code: Option<u16>,
    /// The final answer to its BYE.
    pub(crate) goodbye: Option<u16>,
    /// It was hung up in good order, from either side.
    pub(crate) ended_well: bool,
    pub(crate) hearing: Hearing,
    /// Packets sent.
    pub(crate) said: u32,
    pub(super) invite: Message,
    pub(super) server: Option<ServerKey>,
    pub(super) dialog: Option<Dialog>,
    pub(super) answer_at_us: Option<u64>,
    pub(super) repeated: Option<Repeated>,
    pub(super) ack: Option<(Bytes, SocketAddr)>,
    pub(super) speaks: Option<Speech>,
    pub(super) sdp_version: u32,
    pub(super) leaves_at_once: bool,
    /// It holds the other phone.
    pub(super) holds: bool,
    /// It says that it does.
    pub(super) silent: bool,
    pub(super) change: Option<Change>,
    /// The owner has asked while the phone was leaving, and so knows that it is.
    pub(super) is_missed: bool,
    /// It rang and was told to stop.
    pub(super) is_silenced: bool,
}

/// A change of the call that the phone has asked for.
pub(super) struct Change {
    pub(super) holds: bool,
    /// The number of the present request for it.
    pub(super) cseq: u32,
    /// It was told to wait.
    pub(super) retry_at_us: Option<u64>,
}

/// A 200 of ours that waits for its ACK.
pub(super) struct Repeated {
    pub(super) key: ServerKey,
    pub(super) response: Message,
    at_us: u64,
    interval_ms: u64,
    until_us: u64,
}

/// Where a phone sends its voice.
pub(super) struct Speech {
    to: SocketAddr,
    next_us: u64,
}

impl Repeated {
    pub(super) fn new(key: ServerKey, response: Message) -> Self {
        let now_us = clock::now_us();
        Self {
            key,
            response,
            at_us: now_us + T1_MS * 1000,
            interval_ms: T1_MS,
            until_us: now_us + GIVE_UP_MS * 1000,
        }
    }
}

impl Conversation {
    pub(super) fn new(stage: Stage, invite: Message) -> Self {
        Self {
            stage,
            code: None,
            goodbye: None,
            ended_well: false,
            hearing: Hearing::default(),
            said: 0,
            invite,
            server: None,
            dialog: None,
            answer_at_us: None,
            repeated: None,
            ack: None,
            speaks: None,
            sdp_version: 1,
            leaves_at_once: false,
            holds: false,
            silent: false,
            change: None,
            is_missed: false,
            is_silenced: false,
        }
    }

    pub(super) fn next_us(&self) -> Option<u64> {
        let repeat_us = self.repeated.as_ref().map(|repeated| repeated.at_us);
        let speak_us = self.speaks.as_ref().map(|speech| speech.next_us);
        let change_us = self.change.as_ref().and_then(|change| change.retry_at_us);
        [self.answer_at_us, repeat_us, speak_us, change_us]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn talk_to(&mut self, to: SocketAddr) {
        match &mut self.speaks {
            Some(speech) => speech.to = to,
            None => {
                self.speaks = Some(Speech {
                    to,
                    next_us: clock::now_us(),
                });
            }
        }
    }

    pub(super) fn over(&mut self) {
        self.stage = Stage::Over;
        self.answer_at_us = None;
        self.repeated = None;
        self.speaks = None;
        self.change = None;
    }

    /// A re-INVITE of the phone is under way.
    pub(super) fn is_changing(&self) -> bool {
        self.change
            .as_ref()
            .is_some_and(|change| change.retry_at_us.is_none())
    }
}

impl Phone {
    /// Where it stands; nothing where it never had a call.
    pub(crate) fn stage(&self) -> Option<Stage> {
        self.conversation.as_ref().map(|talk| talk.stage)
    }

    /// What its call was answered with.
    pub(crate) fn code(&self) -> Option<u16> {
        self.conversation.as_ref()?.code
    }

    /// Ends its call: by CANCEL, by a refusal or by BYE, whichever is due.
    pub(crate) fn hang_up(&mut self) {
        let Some(talk) = &self.conversation else {
            return;
        };
        match (talk.stage, talk.server.is_some()) {
            (Stage::Calling | Stage::Ringing, true) => self.decline(),
            (Stage::Calling | Stage::Ringing, false) if talk.leaves_at_once => {}
            (Stage::Calling | Stage::Ringing, false) => self.cancel(),
            (Stage::Talking, _) => self.leave(),
            (Stage::Leaving | Stage::Over, _) => {}
        }
    }

    pub(super) fn leave(&mut self) {
        let via = self.via();
        let Some(talk) = &mut self.conversation else {
            return;
        };
        let Some(dialog) = &mut talk.dialog else {
            return;
        };
        let bye = dialog.request(Method::Bye, via);
        let to = target(dialog);
        talk.stage = Stage::Leaving;
        talk.speaks = None;
        talk.repeated = None;
        talk.change = None;
        self.ask(Purpose::Bye, bye, to);
    }

    pub(super) fn conversation_due(&mut self) {
        let now_us = clock::now_us();
        let due = |at_us: Option<u64>| at_us.is_some_and(|at_us| at_us <= now_us);
        let Some(talk) = &mut self.conversation else {
            return;
        };
        if due(talk.answer_at_us) {
            talk.answer_at_us = None;
            self.accept();
        }
        self.repeat_answer(now_us);
        self.change_due(now_us);
        self.speak(now_us);
    }

    fn repeat_answer(&mut self, now_us: u64) {
        let Some(talk) = &mut self.conversation else {
            return;
        };
        let Some(repeated) = &mut talk.repeated else {
            return;
        };
        if repeated.at_us > now_us {
            return;
        }
        if repeated.until_us <= now_us {
            talk.repeated = None;
            return self.leave();
        }
        repeated.interval_ms = (2 * repeated.interval_ms).min(T2_MS);
        repeated.at_us = now_us + repeated.interval_ms * 1000;
        let input = transaction::Input::Respond {
            key: repeated.key.clone(),
            message: repeated.response.clone(),
        };
        self.layer.handle_input(clock::now_ms(), input);
        self.settle();
    }

    fn speak(&mut self, now_us: u64) {
        let speaker = self.number;
        let from = self.rtp_address();
        let Some(talk) = &mut self.conversation else {
            return;
        };
        let Some(speech) = &mut talk.speaks else {
            return;
        };
        while speech.next_us <= now_us {
            let word = Word {
                speaker,
                number: talk.said,
            };
            let sequence = (talk.said & 0xffff) as u16;
            let timestamp = talk.said.wrapping_mul(FRAME_SAMPLES);
            let payload = word.to_payload();
            let packet = Packet::new(PCMA, sequence, timestamp, u32::from(speaker), &payload);
            let mut octets = Vec::with_capacity(128);
            packet.write(&mut octets);
            talk.said += 1;
            speech.next_us += FRAME_US;
            self.outputs.push_back(Output::Send {
                from,
                to: speech.to,
                octets: octets.into(),
            });
        }
    }

    pub(super) fn hear(&mut self, octets: &[u8]) {
        let Ok(packet) = Packet::parse(octets) else {
            return;
        };
        let Some(word) = Word::of_payload(packet.payload) else {
            return;
        };
        if let Some(talk) = &mut self.conversation
            && talk.stage == Stage::Talking
        {
            talk.hearing.add(clock::now_us(), word);
        }
    }

    /// What the phone says of its media.
    pub(super) fn description(&self, version: u32, direction: &str) -> String {
        let (ip, port) = (self.rtp_address().ip(), self.rtp_address().port());
        format!(
            "v=0\r\no=- {} {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na={direction}\r\n",
            self.number
        )
    }
}

/// Where requests of a dialog go.
pub(super) fn target(dialog: &Dialog) -> SocketAddr {
    let uri = dialog.remote_target();
    uri.host()
        .and_then(|host| host.socket(uri.port().unwrap_or(5060)))
        .expect("the cluster's contacts are addresses")
}

/// Where the other side wants RTP.
pub(super) fn voice_target(message: &Message) -> Option<SocketAddr> {
    let description = SessionDescription::parse(&message.body).ok()?;
    let (_, audio) = description.audio()?;
    description.rtp_address(audio)
}
