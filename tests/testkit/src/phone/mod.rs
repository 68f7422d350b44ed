//! A scripted SIP phone for tests that ask for an exact outcome: it does what the test says, message by message, keeps a
//! ladder of what went over its wire, and never repairs what the other side does wrong.

mod account;
mod dialog;
mod ladder;
mod media;
mod requests;
mod wire;

pub use account::Account;
pub use dialog::{Dialog, contact_address};
pub use ladder::Ladder;
pub use media::{Audio, offer, rtp_target};
pub use wire::{Transport, Wire, connection};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use carillon_sip::{Framing, Message, Method, Via, ViaTransport};
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::freshness::token;
use crate::wait::note_in_vain;

/// How long a phone waits for a message that must come.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// First wait before a request is sent again over UDP (RFC 3261 §17.1.1.1).
const T1: Duration = Duration::from_millis(500);

/// One phone on one socket, talking to one node.
#[derive(Debug)]
pub struct Phone {
    pub account: Account,
    wire: Wire,
    inbox: VecDeque<Message>,
    seen: BTreeSet<Bytes>,
    ladder: Ladder,
    cseq: u32,
    registration: String,
}

impl Phone {
    /// A phone that reaches a node over `wire`; it is known to nobody yet.
    pub fn new(account: &Account, wire: Wire) -> Self {
        Self {
            account: account.clone(),
            wire,
            inbox: VecDeque::new(),
            seen: BTreeSet::new(),
            ladder: Ladder::default(),
            cseq: 0,
            registration: token(),
        }
    }

    /// Over UDP to that node, from an address of loopback that the test chooses.
    pub fn udp(account: &Account, local: SocketAddr, node: SocketAddr) -> Result<Self> {
        Ok(Self::new(account, Wire::udp(local, node)?))
    }

    /// Over TLS to a node whose certificate that authority has signed.
    pub fn tls(account: &Account, node: SocketAddr, authority: &Path) -> Result<Self> {
        let config = crate::http::tls(authority)?;
        Ok(Self::new(account, Wire::tls(node, &config)?))
    }

    /// Where the phone is reached.
    pub fn local(&self) -> SocketAddr {
        self.wire.local()
    }

    /// How it reaches its node.
    pub fn transport(&self) -> Transport {
        self.wire.transport()
    }

    /// From now on it talks to another node; over UDP only.
    pub fn turn_to(&mut self, node: SocketAddr) -> Result<()> {
        self.wire.turn_to(node)
    }

    /// What went over the wire so far, one line a message.
    pub fn ladder(&self) -> String {
        self.ladder.to_string()
    }

    /// Forgets the ladder so far, so that the next lines stand alone.
    pub fn clear_ladder(&mut self) {
        self.ladder = Ladder::default();
    }

    /// Sends a message as it is.
    pub fn send(&mut self, message: &Message) -> Result<()> {
        self.ladder.sent(message);
        self.wire.send(&message.to_bytes())
    }

    /// Sends octets that may be no message.
    pub fn send_octets(&mut self, octets: &[u8]) -> Result<()> {
        self.wire.send(octets)
    }

    /// The next message that has not come before; repeated ones are dropped, as RFC 3261 §17 does.
    pub fn receive(&mut self, within: Duration) -> Result<Option<Message>> {
        if let Some(message) = self.inbox.pop_front() {
            return Ok(Some(message));
        }
        let deadline = Instant::now() + within;
        while let Some(octets) = self.wire.receive(deadline)? {
            if !self.seen.insert(octets.clone()) {
                continue;
            }
            let framing = match self.wire.transport() {
                Transport::Udp => Framing::Datagram,
                Transport::Tcp | Transport::Tls => Framing::Stream,
            };
            let message = Message::parse(&octets, framing)
                .map_err(|error| anyhow::anyhow!("the node sent what is no message: {error:?}"))?;
            self.ladder.received(&message);
            return Ok(Some(message));
        }
        Ok(None)
    }

    /// Sends a request and waits for its final answer; 100 and other provisional answers pass by.
    pub fn transact(&mut self, request: &Message) -> Result<Message> {
        self.send(request)?;
        let response = self.response_to(request, PATIENCE, |code| code >= 200)?;
        if request.method() == Some(&Method::Invite)
            && response.status().is_some_and(|code| code >= 300)
        {
            self.ack_refusal(request, &response)?;
        }
        Ok(response)
    }

    /// Waits for an answer to this request that satisfies `wanted`, sending the request again meanwhile where UDP may have
    /// lost it. Answers below 200 that are not wanted pass by; a final one that is not wanted is an error.
    pub fn response_to(
        &mut self,
        request: &Message,
        within: Duration,
        wanted: impl Fn(u16) -> bool,
    ) -> Result<Message> {
        let own = transaction(request).context("a request has Via and CSeq")?;
        let deadline = Instant::now() + within;
        let mut repeat_after = T1;
        let mut repeat_at = Instant::now() + repeat_after;
        let mut answered = self.wire.transport() != Transport::Udp;
        let mut aside = VecDeque::new();
        let outcome = loop {
            let until = if answered {
                deadline
            } else {
                deadline.min(repeat_at)
            };
            let left = until.saturating_duration_since(Instant::now());
            match self.receive(left)? {
                Some(message)
                    if message.status().is_some()
                        && transaction(&message).as_ref() == Some(&own) =>
                {
                    answered = true;
                    let code = message.status().unwrap_or_default();
                    if wanted(code) {
                        break Ok(message);
                    }
                    if code >= 200 {
                        break Err(anyhow::anyhow!("{code} is not the answer that was wanted"));
                    }
                }
                Some(message) => aside.push_back(message),
                None if Instant::now() >= deadline => break Err(anyhow::anyhow!("no answer")),
                None => {
                    self.wire.send(&request.to_bytes())?;
                    repeat_after *= 2;
                    repeat_at = Instant::now() + repeat_after;
                }
            }
        };
        while let Some(message) = aside.pop_back() {
            self.inbox.push_front(message);
        }
        outcome.inspect_err(|_| note_in_vain()).with_context(|| {
            format!(
                "{}, phone {}:\n{}",
                name(request),
                self.account.username,
                self.ladder
            )
        })
    }

    /// Waits for a request of this method; answers that come meanwhile stay for later.
    pub fn expect(&mut self, method: &Method) -> Result<Message> {
        self.expect_within(method, PATIENCE)
    }

    /// The same with a limit of the test's choice.
    pub fn expect_within(&mut self, method: &Method, limit: Duration) -> Result<Message> {
        let deadline = Instant::now() + limit;
        let mut aside = VecDeque::new();
        let outcome = loop {
            match self.receive(deadline.saturating_duration_since(Instant::now()))? {
                Some(message) if message.method() == Some(method) => break Ok(message),
                Some(message) if message.is_request() => {
                    break Err(anyhow::anyhow!("{} came instead", name(&message)));
                }
                Some(message) => aside.push_back(message),
                None => break Err(anyhow::anyhow!("nothing came")),
            }
        };
        while let Some(message) = aside.pop_back() {
            self.inbox.push_front(message);
        }
        outcome.inspect_err(|_| note_in_vain()).with_context(|| {
            format!(
                "{method} expected, phone {}:\n{}",
                self.account.username, self.ladder
            )
        })
    }

    /// Looks for this long that nothing new comes.
    pub fn expect_silence(&mut self, time: Duration) -> Result<()> {
        if let Some(message) = self.receive(time)? {
            bail!(
                "{} came into the silence, phone {}:\n{}",
                name(&message),
                self.account.username,
                self.ladder
            );
        }
        Ok(())
    }

    fn next_cseq(&mut self) -> u32 {
        self.cseq += 1;
        self.cseq
    }

    fn new_via(&self) -> Via {
        let transport = match self.wire.transport() {
            Transport::Udp => ViaTransport::Udp,
            Transport::Tcp => ViaTransport::Tcp,
            Transport::Tls => ViaTransport::Tls,
        };
        Via::new(transport, self.local(), &format!("z9hG4bK{}", token()))
    }
}

fn name(message: &Message) -> String {
    match (message.method(), message.status()) {
        (Some(method), _) => method.to_string(),
        (None, Some(code)) => code.to_string(),
        (None, None) => "a message".to_owned(),
    }
}

/// What an answer shares with its request: the branch of the top Via, and the method of CSeq (a CANCEL has the branch of
/// its INVITE).
fn transaction(message: &Message) -> Option<(String, String)> {
    let via = message.via().ok()?;
    let cseq = message.cseq().ok()?;
    Some((via.branch()?.to_owned(), cseq.method.to_string()))
}
