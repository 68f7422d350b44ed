//! Two phones that try to hold a conversation while damaged copies of all they say reach the node before they do.

use anyhow::Result;
use carillon_sip::{Message, Method};
use carillon_testkit::phone::{Dialog, Transport, connection, offer};
use carillon_testkit::{Phone, TestLab};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Dice;

/// Damaged copies of each message.
const COPIES: usize = 3;
/// How often a caller proves who it is: a damaged copy may have used the nonce up.
const ATTEMPTS: u32 = 3;
/// How long a damaged conversation is waited for.
const PATIENCE: Duration = Duration::from_millis(1_500);
const LOOK: Duration = Duration::from_millis(2);

/// The pair.
#[derive(Debug)]
pub struct Victims {
    caller: Victim,
    callee: Victim,
}

#[derive(Debug)]
struct Victim {
    phone: Phone,
    node: SocketAddr,
    /// Where the damage goes: into the phone's own socket, or, lest it end the phone's connection, into another one.
    damage: Option<TcpStream>,
    talk: Option<Dialog>,
    attempts: u32,
    invited: bool,
    over: bool,
}

impl Victims {
    /// Registered at two nodes, over UDP or TCP.
    pub fn new(lab: &TestLab, transport: Transport, numbers: (u32, u32)) -> Result<Self> {
        let register = |number, node| -> Result<Victim> {
            let mut phone = match transport {
                Transport::Udp => lab.phone(number, node)?,
                Transport::Tcp | Transport::Tls => lab.phone_tcp(number, node)?,
            };
            phone.register()?;
            Ok(Victim {
                phone,
                node: lab.sip(node)?,
                damage: None,
                talk: None,
                attempts: 0,
                invited: false,
                over: false,
            })
        };
        Ok(Self {
            caller: register(numbers.0, 1)?,
            callee: register(numbers.1, 2)?,
        })
    }

    /// One call as far as it gets. Says whether both phones saw its regular end.
    pub fn converse(&mut self, dice: &mut Dice) -> Result<bool> {
        let Self { caller, callee } = self;
        for victim in [&mut *caller, &mut *callee] {
            (victim.talk, victim.attempts) = (None, 0);
            (victim.invited, victim.over) = (false, false);
        }
        let sdp = offer(caller.phone.local(), 1, "sendrecv");
        let number = callee.phone.account.number.clone();
        let first = caller.phone.invite_request(&number, Some(&sdp))?;
        let mut invite = first.clone();
        caller.say(dice, &first)?;
        let deadline = Instant::now() + PATIENCE;
        let is_over =
            |caller: &Victim, callee: &Victim| caller.over && (callee.over || !callee.invited);
        while !is_over(caller, callee) && Instant::now() < deadline {
            if let Some(message) = caller.phone.receive(LOOK)? {
                caller.as_caller(dice, &mut invite, &message)?;
            }
            if let Some(message) = callee.phone.receive(LOOK)? {
                callee.as_anybody(dice, &message)?;
            }
        }
        Ok(caller.over && callee.over && caller.talk.is_some())
    }
}

impl Victim {
    /// Damaged copies first, then the message itself.
    fn say(&mut self, dice: &mut Dice, message: &Message) -> Result<()> {
        for _ in 0..COPIES {
            let octets = dice.mutate(&message.to_bytes());
            if self.phone.transport() == Transport::Udp {
                self.phone.send_octets(&octets)?;
            } else {
                self.damage(&octets)?;
            }
        }
        self.phone.send(message)
    }

    fn damage(&mut self, octets: &[u8]) -> Result<()> {
        let mut stream = match self.damage.take() {
            Some(stream) => stream,
            None => connection(SocketAddr::new(self.phone.local().ip(), 0), self.node)?,
        };
        // The node has closed what made no sense; the next time there is a new connection.
        if stream.write_all(octets).is_ok() {
            self.damage = Some(stream);
        }
        Ok(())
    }

    fn as_caller(
        &mut self,
        dice: &mut Dice,
        invite: &mut Message,
        message: &Message,
    ) -> Result<()> {
        let (Ok(about), Ok(via)) = (message.cseq(), message.via()) else {
            return Ok(());
        };
        let current = via.branch() == invite.via()?.branch();
        match (message.status(), about.method) {
            (Some(401), Method::Invite) if current && self.attempts < ATTEMPTS => {
                self.attempts += 1;
                self.phone.ack_refusal(invite, message)?;
                *invite = self
                    .phone
                    .with_password(invite, message, about.number + 1)?;
                match self.attempts {
                    1 => self.say(dice, &invite.clone()),
                    _ => self.phone.send(invite),
                }
            }
            (Some(200), Method::Invite) if current && self.talk.is_none() => {
                let mut dialog = Dialog::of_caller(invite, message)?;
                self.phone.ack(&dialog, about.number)?;
                let bye = self.phone.request_in(&mut dialog, Method::Bye, None)?;
                self.talk = Some(dialog);
                self.say(dice, &bye)
            }
            (Some(300..), Method::Invite) if current => {
                self.over = true;
                self.phone.ack_refusal(invite, message)
            }
            (Some(200..), Method::Bye) => {
                self.over = true;
                Ok(())
            }
            (Some(_), _) => Ok(()),
            (None, _) => self.as_anybody(dice, message),
        }
    }

    /// Agrees with everything.
    fn as_anybody(&mut self, dice: &mut Dice, request: &Message) -> Result<()> {
        let Some(method) = request.method() else {
            return Ok(());
        };
        match method {
            Method::Ack => Ok(()),
            Method::Invite => {
                (self.invited, self.over) = (true, false);
                let sdp = offer(self.phone.local(), 1, "sendrecv");
                self.phone.respond(request, 180, None)?;
                let answer = self.phone.answer_to(request, 200, Some(&sdp))?;
                self.say(dice, &answer)
            }
            Method::Bye => {
                self.over = true;
                self.phone.respond(request, 200, None).map(drop)
            }
            _ => self.phone.respond(request, 200, None).map(drop),
        }
    }
}
