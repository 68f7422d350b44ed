//! Two phones that call each other.

use anyhow::{Context, Result};
use carillon_sip::{Message, Method, Name};
use carillon_testkit::TestLab;
use carillon_testkit::phone::{Account, Dialog};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::party::{Ended, Party};
use super::voice::Voice;

/// A call that is not connected by then has failed: longer than a PBX may ring a phone that answers at once, and shorter than a
/// partition, in which its caller shall call again.
const CONNECTED_WITHIN: Duration = Duration::from_secs(6);
/// A node that says nothing at all for so long is dead for its phone, which turns to the next (RFC 3263 §4.3).
const SILENT_AFTER: Duration = Duration::from_secs(2);
const T1: Duration = Duration::from_millis(500);
/// Longer than any expiry that a run could need.
const EXPIRES_S: u32 = 3_600;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Caller,
    Callee,
}

/// Why a call was not connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    Refused(u16),
    /// No node said anything at all.
    Silence,
    /// It was begun and came to nothing.
    NoAnswer,
}

/// Two phones, and the numbers of the nodes that they began at.
#[derive(Debug)]
pub(crate) struct Couple {
    pub(crate) name: String,
    pub(crate) caller: Party,
    pub(crate) callee: Party,
    /// The node that the caller sends to, counted from 1.
    pub(crate) node: usize,
    /// The one that it asks first, as often as it calls.
    home: usize,
    nodes: Vec<SocketAddr>,
    /// How many calls were connected.
    pub(crate) connected: usize,
    /// How many nodes were silent to the latest call.
    pub(crate) silent: usize,
}

/// What is kept while a call is set up.
struct SetUp {
    invite: Message,
    voice: Option<(Voice, String)>,
    asked_at: Instant,
    repeat_at: Instant,
    wait: Duration,
    heard: bool,
    authorised: bool,
}

impl Couple {
    /// Registers both.
    pub(crate) fn register(
        lab: &TestLab,
        host: IpAddr,
        lines: [u32; 2],
        nodes: [usize; 2],
    ) -> Result<Self> {
        let party = |line: u32, node: usize| -> Result<Party> {
            let local = SocketAddr::from((host, 0));
            let account = Account::of(line);
            let mut phone = carillon_testkit::Phone::udp(&account, local, lab.sip(node)?)?;
            phone.register_for(EXPIRES_S)?;
            Ok(Party::new(phone, host))
        };
        let count = lab.lab.control.len();
        Ok(Self {
            name: format!("{} -> {}", lines[0], lines[1]),
            caller: party(lines[0], nodes[0])?,
            callee: party(lines[1], nodes[1])?,
            node: nodes[0],
            home: nodes[0],
            nodes: (1..=count)
                .map(|node| lab.sip(node))
                .collect::<Result<_>>()?,
            connected: 0,
            silent: 0,
        })
    }

    /// The numbers of the two lines.
    pub(crate) fn lines(&self) -> (String, String) {
        (
            self.caller.phone.account.number.clone(),
            self.callee.phone.account.number.clone(),
        )
    }

    /// Calls, and is answered at once.
    pub(crate) fn connect(&mut self) -> Result<Result<(), Failure>> {
        self.forget();
        (self.node, self.silent) = (self.home, 0);
        let began = Instant::now();
        let (voice, sdp) = self.caller.voice(began)?;
        let mut set_up = self.invite(voice, sdp)?;
        loop {
            if let Some(message) = self.caller.next_message()?
                && let Some(failure) = self.caller_hears(&mut set_up, &message)?
            {
                self.forget();
                return Ok(Err(failure));
            }
            if let Some(message) = self.callee.next_message()? {
                self.callee_hears(&message, began)?;
            }
            self.caller.tick()?;
            self.callee.tick()?;
            if self.caller.talk.is_some() && self.callee.talk.is_some() {
                self.connected += 1;
                return Ok(Ok(()));
            }
            let waited = set_up.asked_at.elapsed();
            if !set_up.heard && waited >= SILENT_AFTER {
                self.node = 1 + self.node % self.nodes.len();
                self.silent += 1;
                let voice = set_up
                    .voice
                    .take()
                    .filter(|_| self.silent < self.nodes.len());
                let Some((voice, sdp)) = voice else {
                    self.forget();
                    return Ok(Err(Failure::Silence));
                };
                set_up = self.invite(voice, sdp)?;
            }
            if waited >= CONNECTED_WITHIN {
                self.gives_up(&set_up)?;
                return Ok(Err(Failure::NoAnswer));
            }
            if !set_up.heard && Instant::now() >= set_up.repeat_at {
                set_up.wait *= 2;
                set_up.repeat_at += set_up.wait;
                self.caller.phone.send(&set_up.invite)?;
            }
        }
    }

    /// The INVITE leaves for the node of the caller.
    fn invite(&mut self, voice: Voice, sdp: String) -> Result<SetUp> {
        self.caller.phone.turn_to(self.nodes[self.node - 1])?;
        let number = self.callee.phone.account.number.clone();
        let invite = self.caller.phone.invite_request(&number, Some(&sdp))?;
        self.caller.phone.send(&invite)?;
        let asked_at = Instant::now();
        Ok(SetUp {
            invite,
            voice: Some((voice, sdp)),
            asked_at,
            repeat_at: asked_at + T1,
            wait: T1,
            heard: false,
            authorised: false,
        })
    }

    /// A response to the INVITE, or a message of the call that it has just become.
    fn caller_hears(&mut self, set_up: &mut SetUp, message: &Message) -> Result<Option<Failure>> {
        let ours = message.call_id() == set_up.invite.call_id();
        let Some(code) = message.status().filter(|_| ours) else {
            self.caller.hears(message)?;
            return Ok(None);
        };
        if message.cseq()? != set_up.invite.cseq()? || self.caller.talk.is_some() {
            return Ok(None);
        }
        set_up.heard = true;
        match code {
            100..200 => Ok(None),
            200..300 => {
                let dialog = Dialog::of_caller(&set_up.invite, message)?;
                let number = message.cseq()?.number;
                self.caller.phone.ack(&dialog, number)?;
                let (voice, sdp) = set_up.voice.take().context("a call is answered once")?;
                self.caller.talks(dialog, message, voice, sdp)?;
                Ok(None)
            }
            401 | 407 if !set_up.authorised => {
                self.caller.phone.ack_refusal(&set_up.invite, message)?;
                let next = set_up.invite.cseq()?.number + 1;
                set_up.invite = self
                    .caller
                    .phone
                    .with_password(&set_up.invite, message, next)?;
                (set_up.authorised, set_up.heard) = (true, false);
                set_up.asked_at = Instant::now();
                (set_up.wait, set_up.repeat_at) = (T1, set_up.asked_at + T1);
                self.caller.phone.send(&set_up.invite)?;
                Ok(None)
            }
            _ => {
                self.caller.phone.ack_refusal(&set_up.invite, message)?;
                Ok(Some(Failure::Refused(code)))
            }
        }
    }

    fn callee_hears(&mut self, message: &Message, began: Instant) -> Result<()> {
        // A phone that has answered, and that nobody has heard, rings for the next call as well, and is answered again.
        let free = self.caller.talk.is_none()
            && self
                .callee
                .talk
                .as_ref()
                .is_none_or(|talk| message.headers.get(Name::CallId) != Some(&talk.call_id));
        let new =
            message.method() == Some(&Method::Invite) && message.to()?.tag().is_none() && free;
        if !new {
            return self.callee.hears(message);
        }
        let (voice, sdp) = self.callee.voice(began)?;
        self.callee.reply(message, 180, None)?;
        let answer = self.callee.accepts(message, &sdp)?;
        let dialog = Dialog::of_callee(message, &answer)?;
        self.callee.talks(dialog, message, voice, sdp)
    }

    /// Nobody waits for the answer any more.
    fn gives_up(&mut self, set_up: &SetUp) -> Result<()> {
        // Whatever the answer is: the cluster has its own limits for a call whose caller is gone.
        let _ = self.caller.phone.cancel(&set_up.invite);
        self.forget();
        Ok(())
    }

    /// Lets both do what is due, for a moment.
    pub(crate) fn tick(&mut self) -> Result<()> {
        for party in [&mut self.caller, &mut self.callee] {
            if let Some(message) = party.next_message()? {
                party.hears(&message)?;
            }
            party.tick()?;
        }
        Ok(())
    }

    pub(crate) fn party(&mut self, who: Who) -> &mut Party {
        match who {
            Who::Caller => &mut self.caller,
            Who::Callee => &mut self.callee,
        }
    }

    pub(crate) fn is_asking(&self) -> bool {
        self.caller.is_asking() || self.callee.is_asking()
    }

    /// Why the call is over at one of its phones, if it is. Where one has hung up, the other has heard of it.
    pub(crate) fn ended(&self) -> Option<Ended> {
        let ended = |party: &Party| match &party.talk {
            Some(talk) => talk.ended,
            None => Some(Ended::Missing),
        };
        let both = [ended(&self.caller), ended(&self.callee)];
        both.into_iter().flatten().min()
    }

    /// The longest gap of each direction since the last time that this was asked.
    pub(crate) fn gaps(&mut self) -> [Duration; 2] {
        let (Some(caller), Some(callee)) = (&mut self.caller.talk, &mut self.callee.talk) else {
            return [Duration::ZERO; 2];
        };
        let (caller, callee) = (&mut caller.voice, &mut callee.voice);
        [caller.longest_gap(callee), callee.longest_gap(caller)]
    }

    /// Whether both have heard something since the last time that this was asked.
    pub(crate) fn hear_each_other(&mut self) -> bool {
        let heard = [&mut self.caller, &mut self.callee].map(|party| {
            let talk = party.talk.as_mut();
            talk.is_some_and(|talk| talk.voice.has_heard())
        });
        heard == [true; 2]
    }

    /// Both phones have forgotten the call, as after a power cut of their own.
    pub(crate) fn forget(&mut self) {
        for party in [&mut self.caller, &mut self.callee] {
            party.forget();
        }
    }
}
