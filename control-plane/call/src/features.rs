use carillon_sip::{Message, Name};
use serde::{Deserialize, Serialize};

/// What a peer says that it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Features {
    /// UPDATE is in its Allow.
    pub(crate) update: bool,
    /// 100rel is in its Supported or Require.
    pub(crate) reliable: bool,
    /// 100rel is in its Require.
    pub(crate) reliable_only: bool,
    /// timer is in its Supported or Require.
    pub(crate) timer: bool,
}

impl Features {
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            update: message.allow().any(|method| method == "UPDATE"),
            reliable: message.supports("100rel"),
            reliable_only: message
                .require()
                .any(|token| token.eq_ignore_ascii_case("100rel")),
            timer: message.supports("timer"),
        }
    }

    /// What a later message of the same peer says; one without Allow or Supported says nothing new.
    pub(crate) fn learn(&mut self, message: &Message) {
        let new = Self::of(message);
        if message.headers.contains(Name::Allow) {
            self.update = new.update;
        }
        if message.headers.contains(Name::Supported) {
            self.timer = new.timer;
        }
    }
}

/// A header that is a number, with or without parameters behind it.
pub(crate) fn number(message: &Message, name: Name) -> Option<u32> {
    let value = message.headers.text(name)?;
    let end = value.find(';').unwrap_or(value.len());
    value[..end].trim().parse().ok()
}
