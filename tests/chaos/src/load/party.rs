//! One phone of a call: it does at any time what a phone does, and keeps an account of it.

use anyhow::{Context, Result};
use bytes::Bytes;
use carillon_sip::{Message, Method, Name};
use carillon_testkit::Phone;
use carillon_testkit::phone::{Dialog, offer, rtp_target};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::voice::Voice;

/// How long a message is waited for in one look.
const LOOK: Duration = Duration::from_millis(4);
/// Repetitions of a request over UDP (RFC 3261 §17.1.2.2).
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const GIVES_UP_AFTER: Duration = Duration::from_secs(32);
/// A request that met one from the other side is sent again after this (RFC 3261 §14.1).
const COLLISION: Duration = Duration::from_millis(2_100);

/// What a phone asked for in its call, and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) method: Method,
    /// 408 where nothing came.
    pub(crate) code: u16,
    pub(crate) after: Duration,
}

/// Why a call is over at a phone; what explains the others first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ended {
    /// The phone has hung up.
    HungUp,
    /// The other side has, or so the phone was told.
    WasHungUp,
    /// It never was established, or has been forgotten.
    Missing,
}

#[derive(Debug)]
struct Ask {
    method: Method,
    message: Message,
    began: Instant,
    repeat_at: Instant,
    wait: Duration,
}

/// A 2xx to an INVITE whose ACK has not come: it is repeated until then (RFC 3261 §13.3.1.4).
#[derive(Debug)]
struct Unacked {
    response: Message,
    began: Instant,
    repeat_at: Instant,
    wait: Duration,
}

/// A phone's side of an established call.
#[derive(Debug)]
pub(crate) struct Talk {
    dialog: Dialog,
    pub(crate) call_id: Bytes,
    pub(crate) voice: Voice,
    target: SocketAddr,
    sdp: String,
    pub(crate) ended: Option<Ended>,
}

/// A phone.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) phone: Phone,
    host: IpAddr,
    pub(crate) talk: Option<Talk>,
    ask: Option<Ask>,
    unacked: Option<Unacked>,
    pub(crate) answers: Vec<Answer>,
}

impl Party {
    pub(crate) fn new(phone: Phone, host: IpAddr) -> Self {
        Self {
            phone,
            host,
            talk: None,
            ask: None,
            unacked: None,
            answers: Vec::new(),
        }
    }

    pub(crate) fn voice(&self, began: Instant) -> Result<(Voice, String)> {
        let voice = Voice::bind(SocketAddr::from((self.host, 0)), began)?;
        let sdp = offer(voice.local()?, 1, "sendrecv");
        Ok((voice, sdp))
    }

    pub(crate) fn next_message(&mut self) -> Result<Option<Message>> {
        self.phone.receive(LOOK)
    }

    /// The call is established.
    pub(crate) fn talks(
        &mut self,
        dialog: Dialog,
        theirs: &Message,
        voice: Voice,
        sdp: String,
    ) -> Result<()> {
        let call_id = theirs.headers.get(Name::CallId).cloned();
        self.talk = Some(Talk {
            dialog,
            call_id: call_id.context("a Call-ID")?,
            voice,
            target: rtp_target(theirs)?,
            sdp,
            ended: None,
        });
        Ok(())
    }

    /// Speaks, listens, and repeats what was not answered.
    pub(crate) fn tick(&mut self) -> Result<()> {
        if let Some(talk) = &mut self.talk
            && talk.ended.is_none()
        {
            talk.voice.speak(talk.target);
            talk.voice.listen();
        }
        self.accepts_again()?;
        let now = Instant::now();
        let Some(ask) = self.ask.as_mut() else {
            return Ok(());
        };
        if now.duration_since(ask.began) >= GIVES_UP_AFTER {
            return self.answered(408);
        }
        if now >= ask.repeat_at {
            ask.wait = (ask.wait * 2).min(T2);
            ask.repeat_at = now + ask.wait;
            let message = ask.message.clone();
            self.phone.send(&message)?;
        }
        Ok(())
    }

    /// Answers an INVITE with 200, until the ACK comes.
    pub(crate) fn accepts(&mut self, invite: &Message, sdp: &str) -> Result<Message> {
        let response = self.phone.respond(invite, 200, Some(sdp))?;
        let now = Instant::now();
        self.unacked = Some(Unacked {
            response: response.clone(),
            began: now,
            repeat_at: now + T1,
            wait: T1,
        });
        Ok(response)
    }

    fn accepts_again(&mut self) -> Result<()> {
        let now = Instant::now();
        let Some(unacked) = self.unacked.as_mut().filter(|it| now >= it.repeat_at) else {
            return Ok(());
        };
        if now.duration_since(unacked.began) >= GIVES_UP_AFTER {
            self.unacked = None;
            return Ok(());
        }
        unacked.wait = (unacked.wait * 2).min(T2);
        unacked.repeat_at = now + unacked.wait;
        let response = unacked.response.clone();
        self.turn_to_sender(&response)?;
        self.phone.send(&response)
    }

    fn is_acknowledged(&mut self, ack: &Message) -> Result<()> {
        if let Some(unacked) = &self.unacked
            && unacked.response.call_id() == ack.call_id()
            && unacked.response.cseq()?.number == ack.cseq()?.number
        {
            self.unacked = None;
        }
        Ok(())
    }

    /// Has forgotten the call.
    pub(crate) fn forget(&mut self) {
        self.talk = None;
        self.unacked = None;
    }

    /// Whether the phone waits for the answer to what it asked in its call.
    pub(crate) fn is_asking(&self) -> bool {
        self.ask.is_some()
    }

    /// Asks for the same session again, or hangs up.
    pub(crate) fn ask(&mut self, method: Method) -> Result<()> {
        self.ask_since(method, Instant::now())
    }

    fn ask_since(&mut self, method: Method, began: Instant) -> Result<()> {
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.ended.is_none()) else {
            return Ok(());
        };
        let sdp = (method == Method::Invite).then(|| talk.sdp.clone());
        if method == Method::Bye {
            talk.voice.end();
        }
        let message = self
            .phone
            .request_in(&mut talk.dialog, method.clone(), sdp.as_deref())?;
        self.phone.send(&message)?;
        self.ask = Some(Ask {
            method,
            message,
            began,
            repeat_at: Instant::now() + T1,
            wait: T1,
        });
        Ok(())
    }

    fn answered(&mut self, code: u16) -> Result<()> {
        let Some(ask) = self.ask.take() else {
            return Ok(());
        };
        let after = ask.began.elapsed();
        if ask.method == Method::Bye
            && let Some(talk) = &mut self.talk
        {
            talk.ended = Some(Ended::HungUp);
        }
        self.answers.push(Answer {
            method: ask.method,
            code,
            after,
        });
        Ok(())
    }

    /// A message for the established call, or for none.
    pub(crate) fn hears(&mut self, message: &Message) -> Result<()> {
        let call_id = message.headers.get(Name::CallId);
        let own = self
            .talk
            .as_ref()
            .is_some_and(|talk| call_id == Some(&talk.call_id) && talk.ended.is_none());
        match (message.method().cloned(), message.status()) {
            (Some(Method::Ack), _) => self.is_acknowledged(message),
            (Some(method), _) if own => self.is_asked(message, &method),
            // What it belonged to is over here.
            (Some(_), _) => self.reply(message, 481, None),
            (None, Some(code)) if own && code >= 200 => self.is_told(message, code),
            (None, _) => Ok(()),
        }
    }

    fn is_asked(&mut self, request: &Message, method: &Method) -> Result<()> {
        let Some(talk) = self.talk.as_mut() else {
            return Ok(());
        };
        match method {
            Method::Invite => {
                talk.dialog.follow(request)?;
                if !request.body.is_empty() {
                    talk.target = rtp_target(request)?;
                }
                let sdp = talk.sdp.clone();
                if let Some(node) = talk.dialog.target() {
                    self.phone.turn_to(node)?;
                }
                self.accepts(request, &sdp).map(|_| ())
            }
            Method::Bye => {
                talk.ended = Some(Ended::WasHungUp);
                self.reply(request, 200, None)
            }
            _ => self.reply(request, 200, None),
        }
    }

    /// Answers where the request came from, which may be a node that the phone has never heard of.
    pub(crate) fn reply(&mut self, request: &Message, code: u16, sdp: Option<&str>) -> Result<()> {
        self.turn_to_sender(request)?;
        self.phone.respond(request, code, sdp).map(|_| ())
    }

    /// Turns to the node by which a request came, whose Via its response has too.
    fn turn_to_sender(&mut self, message: &Message) -> Result<()> {
        let via = message.via()?;
        if let Some(node) = via.host().socket(via.port_or_default()) {
            self.phone.turn_to(node)?;
        }
        Ok(())
    }

    fn is_told(&mut self, response: &Message, code: u16) -> Result<()> {
        let number = response.cseq()?;
        let asked = self.ask.as_ref().map(|ask| ask.message.cseq());
        let (Some(Ok(asked)), Some(talk)) = (asked, self.talk.as_ref()) else {
            return Ok(());
        };
        if asked.number != number.number || asked.method != number.method {
            return Ok(());
        }
        if number.method == Method::Invite {
            if code < 300 {
                let dialog = talk.dialog.clone();
                self.phone.ack(&dialog, number.number)?;
            } else if let Some(ask) = &self.ask {
                let invite = ask.message.clone();
                self.phone.ack_refusal(&invite, response)?;
            }
        }
        if code == 491 {
            let began = self.ask.as_ref().map(|ask| ask.began);
            return self.tries_again(number.method, began.unwrap_or_else(Instant::now));
        }
        self.answered(code)
    }

    fn tries_again(&mut self, method: Method, began: Instant) -> Result<()> {
        let Some(talk) = self.talk.as_mut() else {
            return Ok(());
        };
        let sdp = talk.sdp.clone();
        let message = self
            .phone
            .request_in(&mut talk.dialog, method.clone(), Some(&sdp))?;
        self.ask = Some(Ask {
            method,
            message,
            began,
            repeat_at: Instant::now() + COLLISION,
            wait: T1,
        });
        Ok(())
    }
}
