//! A phone of either make, driven by the same words.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Baresip, Linphone, PhoneOptions};

/// Who has made a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    Baresip,
    Linphone,
}

/// A phone that runs; it ends with this value.
#[derive(Debug)]
pub enum Softphone {
    Baresip(Baresip),
    Linphone(Linphone),
}

impl Softphone {
    /// Starts a phone with `on_host`, which runs a program on its host, and waits until it is registered.
    pub fn start(
        make: Make,
        options: &PhoneOptions,
        limit: Duration,
        on_host: impl Fn(&str) -> Command,
    ) -> Result<Self> {
        Ok(match make {
            Make::Baresip => {
                let mut phone = Baresip::start(options, on_host)?;
                phone.until_registered(limit)?;
                Self::Baresip(phone)
            }
            Make::Linphone => {
                let mut phone = Linphone::start(options, on_host)?;
                phone.until_registered(limit)?;
                Self::Linphone(phone)
            }
        })
    }

    pub fn make(&self) -> Make {
        match self {
            Self::Baresip(_) => Make::Baresip,
            Self::Linphone(_) => Make::Linphone,
        }
    }

    pub fn dial(&mut self, number: &str) -> Result<()> {
        match self {
            Self::Baresip(phone) => phone.dial(number),
            Self::Linphone(phone) => phone.command(&format!("call {number}")),
        }
    }

    pub fn answer(&mut self) -> Result<()> {
        match self {
            Self::Baresip(phone) => phone.answer(),
            Self::Linphone(phone) => phone.command("answer"),
        }
    }

    pub fn hang_up(&mut self) -> Result<()> {
        match self {
            Self::Baresip(phone) => phone.hang_up(),
            Self::Linphone(phone) => phone.command("terminate"),
        }
    }

    pub fn hold(&mut self) -> Result<()> {
        match self {
            Self::Baresip(phone) => phone.hold(),
            Self::Linphone(phone) => phone.command("pause"),
        }
    }

    pub fn resume(&mut self) -> Result<()> {
        match self {
            Self::Baresip(phone) => phone.resume(),
            Self::Linphone(phone) => phone.command("resume"),
        }
    }

    /// Says what is in another file, from its beginning.
    pub fn say(&mut self, says: &Path) -> Result<()> {
        match self {
            Self::Baresip(phone) => phone.say(says),
            Self::Linphone(phone) => phone.command(&format!("play {}", says.display())),
        }
    }

    /// Somebody calls.
    pub fn until_rings(&mut self, limit: Duration) -> Result<()> {
        match self {
            Self::Baresip(phone) => phone.until_event("CALL_INCOMING", limit),
            Self::Linphone(phone) => phone.until_says("Receiving new incoming call", limit),
        }
    }

    /// The other side rings.
    pub fn until_hears_ringing(&mut self, limit: Duration) -> Result<()> {
        match self {
            Self::Baresip(phone) => phone.until_event("CALL_RINGING", limit),
            Self::Linphone(phone) => phone.until_says(" ringing.", limit),
        }
    }

    /// What was printed before is of no interest any more; events of baresip are seen once anyway.
    pub fn look_from_now(&mut self) {
        match self {
            Self::Baresip(_) => {}
            Self::Linphone(phone) => phone.look_from_now(),
        }
    }

    pub fn until_talks(&mut self, limit: Duration) -> Result<()> {
        match self {
            Self::Baresip(phone) => phone.until_event("CALL_ESTABLISHED", limit),
            Self::Linphone(phone) => phone.until_says("Media streams established", limit),
        }
    }

    /// Its call is over.
    pub fn until_closed(&mut self, limit: Duration) -> Result<()> {
        match self {
            Self::Baresip(phone) => phone.until_event("CALL_CLOSED", limit),
            Self::Linphone(phone) => phone.until_one_of(&[" ended (", " error."], limit),
        }
    }

    /// The recordings of what it hears, oldest first. One is whole once the call is closed.
    pub fn recordings(&self) -> Result<Vec<PathBuf>> {
        match self {
            Self::Baresip(phone) => phone.recordings(),
            Self::Linphone(phone) => Ok(vec![phone.heard()]),
        }
    }

    /// RTP packets that came in during its last call. linphonec does not tell.
    pub fn packets_heard(&self) -> Result<Option<u32>> {
        match self {
            Self::Baresip(phone) => phone.packets_heard().map(Some),
            Self::Linphone(_) => Ok(None),
        }
    }

    /// What the phone printed.
    pub fn log(&self) -> String {
        match self {
            Self::Baresip(phone) => phone.log(),
            Self::Linphone(phone) => phone.log(),
        }
    }

    /// Says beside an error what the phone has seen.
    pub fn beside<T>(&self, who: &str, outcome: Result<T>) -> Result<T> {
        outcome.with_context(|| format!("{who}'s log:\n{}", self.log()))
    }
}
