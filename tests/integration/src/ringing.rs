//! Calls that ring when the node that owns them is killed: who talks in the end, and how the others end.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use carillon_sip::{Framing, Message, Method, Name};
use carillon_testkit::phone::{Audio, Dialog, contact_address, offer};
use carillon_testkit::{Account, Phone, TestLab, eventually};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::Dice;

/// The node that calls are made at, and that is killed.
const OWNER: usize = 1;
const LOOK: Duration = Duration::from_millis(20);
const RINGS_WITHIN: Duration = Duration::from_secs(15);
/// People answer at some moment of this time after the kill.
const ANSWERED_WITHIN_MS: usize = 4_000;
/// How long they talk then.
const TALK: Duration = Duration::from_millis(1_500);
/// After this time a call that has not got anywhere is lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// A 2xx is repeated at first after this time (RFC 3261 §13.3.1.4).
const REPEATED_EVERY: Duration = Duration::from_millis(500);

/// What became of the calls of some kills.
#[derive(Debug, Default)]
pub struct Share {
    pub calls: usize,
    /// Both talked, and the hang-up of one reached the other.
    pub talked: usize,
    /// How long after the first word of an heir the others were over at both phones.
    pub ended_after: Vec<Duration>,
    /// What was neither, in words.
    pub lost: Vec<String>,
}

/// The caller's account of its call.
struct CallerSaw {
    connected: bool,
    hung_up: bool,
    refused: Option<(u16, Instant)>,
    heir: Option<Instant>,
}

/// The callee's account of its call.
struct CalleeSaw {
    hung_up_on: bool,
    /// Since when nothing rings and nobody talks.
    quiet_since: Option<Instant>,
    heir: Option<Instant>,
}

impl Share {
    /// The part of calls that were answered and talked.
    pub fn talked(&self) -> f64 {
        self.talked as f64 / self.calls.max(1) as f64
    }

    fn count(&mut self, pair: &str, caller: &CallerSaw, callee: &CalleeSaw, heir: Instant) {
        self.calls += 1;
        if caller.connected && caller.hung_up && callee.hung_up_on {
            self.talked += 1;
            return;
        }
        match (caller.refused, callee.quiet_since) {
            (Some((_, one)), Some(other)) => {
                let over = one.max(other);
                self.ended_after.push(over.saturating_duration_since(heir));
            }
            (refused, quiet) => self.lost.push(format!(
                "{pair}: connected {}, hung up {}, refused {:?}, heard of the hang-up {}, quiet {}",
                caller.connected,
                caller.hung_up,
                refused.map(|(code, _)| code),
                callee.hung_up_on,
                quiet.is_some()
            )),
        }
    }
}

/// One kill of the node at which `pairs` ring; callees are registered there, or at the node after it. The node is started
/// again when all is over.
pub fn kill_while_ringing(
    lab: &mut TestLab,
    pairs: &[(u32, u32)],
    dice: &mut Dice,
    share: &mut Share,
) -> Result<()> {
    let mut callers = Vec::new();
    let mut callees = Vec::new();
    let mut registered = Vec::new();
    for (index, (caller, callee)) in pairs.iter().enumerate() {
        let node = OWNER + index % 2;
        let mut phone = lab.phone(*callee, node)?;
        phone.register()?;
        let at = phone.local();
        drop(phone);
        registered.push((*callee, at));
        callees.push(Callee::open(*callee, at)?);
        let mut phone = lab.phone(*caller, OWNER)?;
        let sdp = offer(Audio::bind(lab.phone_address()?)?.local()?, 1, "sendrecv");
        let invite = phone.invite(&callee.to_string(), Some(&sdp))?;
        callers.push((phone, invite, sdp));
    }
    for callee in &mut callees {
        eventually("it rings", RINGS_WITHIN, || {
            callee.listen(LOOK)?;
            Ok(callee.rings().then_some(()))
        })?;
    }
    for (phone, invite, _) in &mut callers {
        phone.hears_ringing(invite)?;
    }
    let name = format!("control{OWNER}");
    lab.kill(&name)?;
    let killed = Instant::now();
    let over = killed + PATIENCE;
    let callees: Vec<_> = callees
        .into_iter()
        .map(|mut callee| {
            let wait_ms = dice.roll(ANSWERED_WITHIN_MS) as u64;
            callee.killed = Some(killed);
            callee.answer_at = Some(killed + Duration::from_millis(wait_ms));
            thread::spawn(move || callee.live_until(over))
        })
        .collect();
    let callers: Vec<_> = callers
        .into_iter()
        .map(|(phone, invite, sdp)| {
            thread::spawn(move || live_until(phone, &invite, &sdp, killed, over))
        })
        .collect();
    let mut accounts = Vec::new();
    for (caller, callee) in callers.into_iter().zip(callees) {
        let caller = caller.join().ok().context("a caller's thread")??;
        let callee = callee.join().ok().context("a callee's thread")??;
        accounts.push((caller, callee));
    }
    let words = accounts
        .iter()
        .flat_map(|(caller, callee)| [caller.heir, callee.heir])
        .flatten();
    let heir = words.min().context("no heir has said a word")?;
    for ((caller, callee), pair) in accounts.iter().zip(pairs) {
        share.count(&format!("{pair:?}"), caller, callee, heir);
    }
    lab.start(&name)?;
    // The next kill finds no contacts where nobody is any more.
    for (callee, at) in registered {
        Phone::udp(&Account::of(callee), at, lab.sip(OWNER)?)?.try_register(0)?;
    }
    Ok(())
}

/// The caller waits for an answer, follows who gives it, talks, and hangs up.
fn live_until(
    mut phone: Phone,
    invite: &Message,
    sdp: &str,
    killed: Instant,
    over: Instant,
) -> Result<CallerSaw> {
    let mut saw = CallerSaw {
        connected: false,
        hung_up: false,
        refused: None,
        heir: None,
    };
    let mut talk: Option<(Dialog, Instant)> = None;
    let mut bye: Option<Message> = None;
    while Instant::now() < over && !saw.hung_up {
        if let (Some((dialog, since)), None) = (&mut talk, &bye)
            && since.elapsed() >= TALK
        {
            let request = phone.request_in(dialog, Method::Bye, None)?;
            phone.send(&request)?;
            bye = Some(request);
        }
        let Some(message) = phone.receive(LOOK)? else {
            continue;
        };
        if Instant::now() > killed {
            saw.heir.get_or_insert_with(Instant::now);
        }
        match (message.status(), message.cseq()?.method) {
            (Some(200), Method::Invite) => {
                let dialog = Dialog::of_caller(invite, &message)?;
                phone.turn_to(contact_address(&message)?)?;
                phone.ack(&dialog, message.cseq()?.number)?;
                saw.connected = true;
                talk.get_or_insert((dialog, Instant::now()));
            }
            (Some(code @ 300..), Method::Invite) => {
                phone.ack_refusal(invite, &message)?;
                saw.refused = Some((code, Instant::now()));
                return Ok(saw);
            }
            (Some(200), Method::Bye) => saw.hung_up = true,
            (Some(_), _) => {}
            (None, Method::Invite) => {
                phone.turn_to(contact_address(&message)?)?;
                if let Some((dialog, _)) = &mut talk {
                    dialog.follow(&message)?;
                }
                phone.respond(&message, 200, Some(sdp))?;
            }
            (None, Method::Bye) => {
                phone.respond(&message, 200, None)?;
                saw.refused = Some((0, Instant::now()));
                return Ok(saw);
            }
            (None, Method::Ack) => {}
            (None, _) => drop(phone.respond(&message, 200, None)?),
        }
    }
    Ok(saw)
}

/// A phone that does what is measured of baresip: it rings, answers to where a request came from, and knows what a CANCEL
/// and a re-INVITE are.
struct Callee {
    socket: UdpSocket,
    at: SocketAddr,
    tag: String,
    state: State,
    killed: Option<Instant>,
    answer_at: Option<Instant>,
    saw: CalleeSaw,
}

enum State {
    Quiet,
    Rings {
        invite: Message,
        from: SocketAddr,
    },
    /// The 200 is out and wants its ACK.
    Answered {
        answer: Bytes,
        to: SocketAddr,
        again_at: Instant,
    },
    Talks,
}

impl Callee {
    fn open(number: u32, at: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(at).with_context(|| format!("bind {at}"))?;
        Ok(Self {
            socket,
            at,
            tag: format!("callee{}", Account::of(number).number),
            state: State::Quiet,
            killed: None,
            answer_at: None,
            saw: CalleeSaw {
                hung_up_on: false,
                quiet_since: None,
                heir: None,
            },
        })
    }

    fn rings(&self) -> bool {
        matches!(self.state, State::Rings { .. })
    }

    fn live_until(mut self, over: Instant) -> Result<CalleeSaw> {
        while Instant::now() < over && !self.saw.hung_up_on {
            self.act()?;
            self.listen(LOOK)?;
        }
        if !matches!(self.state, State::Quiet) {
            self.saw.quiet_since = None;
        }
        Ok(self.saw)
    }

    /// Answers when it is time to, and again where nobody acknowledges it.
    fn act(&mut self) -> Result<()> {
        let now = Instant::now();
        match &mut self.state {
            State::Rings { invite, from } if self.answer_at.is_some_and(|at| now >= at) => {
                let (invite, to) = (invite.clone(), *from);
                let answer = self.response(&invite, 200)?.to_bytes();
                self.socket.send_to(&answer, to)?;
                let again_at = now + REPEATED_EVERY;
                self.state = State::Answered {
                    answer,
                    to,
                    again_at,
                };
            }
            State::Answered {
                answer,
                to,
                again_at,
            } if now >= *again_at => {
                *again_at = now + REPEATED_EVERY;
                self.socket.send_to(answer, *to)?;
            }
            State::Quiet | State::Rings { .. } | State::Answered { .. } | State::Talks => {}
        }
        Ok(())
    }

    fn listen(&mut self, within: Duration) -> Result<()> {
        let mut octets = vec![0; 65_535];
        self.socket.set_read_timeout(Some(within))?;
        // Nothing came; or a port that was sent to is closed, which the kernel reports on the next call.
        let Ok((length, from)) = self.socket.recv_from(&mut octets) else {
            return Ok(());
        };
        let octets = Bytes::copy_from_slice(&octets[..length]);
        let Ok(message) = Message::parse(&octets, Framing::Datagram) else {
            return Ok(());
        };
        if self.killed.is_some_and(|killed| Instant::now() > killed) {
            self.saw.heir.get_or_insert_with(Instant::now);
        }
        self.hear(message, from)
    }

    fn hear(&mut self, message: Message, from: SocketAddr) -> Result<()> {
        let Some(method) = message.method().cloned() else {
            return Ok(());
        };
        let inside = message.to()?.tag().is_some();
        match (method, &self.state) {
            (Method::Invite, State::Quiet) if !inside => {
                self.say(&message, 180, from)?;
                self.saw.quiet_since = None;
                let invite = message;
                self.state = State::Rings { invite, from };
            }
            (Method::Invite, State::Rings { .. }) if !inside => self.say(&message, 180, from)?,
            (Method::Invite, State::Answered { .. } | State::Talks) if inside => {
                self.say(&message, 200, from)?;
            }
            (Method::Invite, _) => self.say(&message, 481, from)?,
            (Method::Ack, State::Answered { .. }) => self.state = State::Talks,
            (Method::Ack, _) => {}
            (Method::Cancel, State::Rings { invite, from: to }) => {
                let (invite, to) = (invite.clone(), *to);
                self.say(&message, 200, from)?;
                self.say(&invite, 487, to)?;
                self.quiet();
            }
            (Method::Bye, State::Quiet) => self.say(&message, 481, from)?,
            (Method::Bye, _) => {
                self.say(&message, 200, from)?;
                self.saw.hung_up_on = true;
                self.quiet();
            }
            (_, _) => self.say(&message, 200, from)?,
        }
        Ok(())
    }

    fn quiet(&mut self) {
        self.state = State::Quiet;
        self.saw.quiet_since = Some(Instant::now());
    }

    fn say(&self, request: &Message, code: u16, to: SocketAddr) -> Result<()> {
        let response = self.response(request, code)?;
        self.socket.send_to(&response.to_bytes(), to)?;
        Ok(())
    }

    fn response(&self, request: &Message, code: u16) -> Result<Message> {
        let mut response = Message::response_to(request, code, "");
        if code > 100 && request.to()?.tag().is_none() {
            response.add_to_tag(&self.tag);
        }
        if request.method() == Some(&Method::Invite) && code < 300 {
            let contact = format!("<sip:{}@{}>", self.tag, self.at);
            response.headers.push(Name::Contact, contact);
            if code == 200 {
                let sdp = offer(self.at, 1, "sendrecv");
                response.set_body("application/sdp", sdp);
            }
        }
        Ok(response)
    }
}

/// At least this part of calls talks, and the others are over within `limit` of the takeover.
pub fn assert_share(share: &Share, part: f64, limit: Duration) -> Result<()> {
    let worst = share.ended_after.iter().max().copied().unwrap_or_default();
    println!(
        "{} of {} calls that rang were answered and talked ({:.1} %); {} ended, the last {worst:?} after the takeover; {} lost",
        share.talked,
        share.calls,
        share.talked() * 100.0,
        share.ended_after.len(),
        share.lost.len()
    );
    ensure!(share.lost.is_empty(), "{:#?}", share.lost);
    ensure!(worst <= limit, "an end came {worst:?} after the takeover");
    ensure!(share.talked() >= part, "{share:#?}");
    Ok(())
}
