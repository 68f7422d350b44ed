//! Ways out and ways in: which dialled number leaves by which trunk, and where a number called from outside leads.

use serde::{Deserialize, Serialize};

use crate::{ExtensionId, IncallId, OutcallId, TrunkId, UserId};

/// A way to the outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcall {
    /// Number of the way.
    pub id: OutcallId,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// A name, unique among ways out.
    pub name: String,
    /// A sentence for administrators.
    pub description: Option<String>,
    /// The carrier sees the caller's number inside rather than the one for outside.
    pub internal_caller_id: bool,
    /// How long the far end rings; as long as the carrier lets it if nobody said.
    pub ring_seconds: Option<u32>,
    /// Whether it is used.
    pub enabled: bool,
    /// The trunks, to be tried in this order.
    pub trunks: Vec<TrunkId>,
    /// The numbers that leave by it.
    pub numbers: Vec<OutcallNumber>,
}

impl Default for Outcall {
    fn default() -> Self {
        Self {
            id: OutcallId(0),
            revision: 0,
            name: String::new(),
            description: None,
            internal_caller_id: false,
            ring_seconds: None,
            enabled: true,
            trunks: Vec::new(),
            numbers: Vec::new(),
        }
    }
}

/// A number, or a pattern of numbers, that leaves by a way, and how it is rewritten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutcallNumber {
    /// The extension that matches what is dialled.
    pub extension: ExtensionId,
    /// What people dial before the number; a note for administrators.
    pub prefix: Option<String>,
    /// What is set before the number.
    pub external_prefix: Option<String>,
    /// How many digits are taken away at first.
    pub strip_digits: u32,
    /// The caller as the carrier sees it, `"Name" <number>` or a number.
    pub caller_id: Option<String>,
}

impl OutcallNumber {
    /// What the carrier is asked for when this is dialled.
    pub fn rewritten(&self, dialled: &str) -> String {
        let stripped: String = dialled.chars().skip(self.strip_digits as usize).collect();
        self.external_prefix
            .as_deref()
            .unwrap_or_default()
            .to_owned()
            + &stripped
    }
}

/// Where a number called from outside leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Incall {
    /// Number of the way.
    pub id: IncallId,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// A sentence for administrators.
    pub description: Option<String>,
    /// Where it leads.
    pub destination: Destination,
    /// The numbers that lead there.
    pub extensions: Vec<ExtensionId>,
}

/// Where a call may be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// Nowhere.
    #[default]
    None,
    /// To a user's main line.
    User {
        /// Which user.
        user: UserId,
        /// How long to ring; the user's own time if nobody said.
        ring_seconds: Option<u32>,
    },
    /// To a number.
    Extension {
        /// The number.
        exten: String,
        /// Where it is looked up.
        context: String,
    },
    /// It is refused: busy, congested, or as if nobody were there.
    Hangup {
        /// How.
        cause: HangupCause,
    },
}

/// How a call is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HangupCause {
    /// As if the number did not exist.
    #[default]
    Normal,
    /// As busy.
    Busy,
    /// As overloaded.
    Congestion,
}
