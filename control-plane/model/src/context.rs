//! Contexts: which numbers exist for whom.

use serde::{Deserialize, Serialize};

use crate::ContextId;

/// What a context is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContextKind {
    /// Numbers of the organisation's own phones.
    #[default]
    Internal,
    /// Numbers called from outside.
    Incall,
    /// Ways to the outside.
    Outcall,
    /// Feature codes.
    Services,
    /// Anything else.
    Others,
}

impl ContextKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Internal,
        Self::Incall,
        Self::Outcall,
        Self::Services,
        Self::Others,
    ];

    /// As in the configuration interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Incall => "incall",
            Self::Outcall => "outcall",
            Self::Services => "services",
            Self::Others => "others",
        }
    }
}

/// Numbers from `start` to `end`, both of the same length, both included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NumberRange {
    /// First number.
    pub start: String,
    /// Last number.
    pub end: String,
    /// How many last digits of a number called from outside are compared; 0 for all.
    pub did_length: u32,
}

impl NumberRange {
    /// Whether a number lies in it.
    pub fn contains(&self, exten: &str) -> bool {
        let digits = exten.bytes().all(|byte| byte.is_ascii_digit());
        digits && exten.len() == self.start.len() && *self.start <= *exten && *exten <= *self.end
    }

    /// Whether both have a number in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start.len() == other.start.len() && self.start <= other.end && other.start <= self.end
    }
}

/// A set of numbers, and the other sets in which a number unknown here is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Number of the context.
    pub id: ContextId,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// Its lasting name, which lines and extensions quote.
    pub name: String,
    /// What people call it.
    pub label: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// What it is for.
    pub kind: ContextKind,
    /// Numbers for users.
    pub user_ranges: Vec<NumberRange>,
    /// Numbers for groups.
    pub group_ranges: Vec<NumberRange>,
    /// Numbers for queues.
    pub queue_ranges: Vec<NumberRange>,
    /// Numbers for conference rooms.
    pub conference_room_ranges: Vec<NumberRange>,
    /// Numbers called from outside.
    pub incall_ranges: Vec<NumberRange>,
    /// Contexts searched after this one, in order.
    pub includes: Vec<ContextId>,
    /// Whether calls may use it.
    pub enabled: bool,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            id: ContextId(0),
            revision: 0,
            name: String::new(),
            label: None,
            description: None,
            kind: ContextKind::Internal,
            user_ranges: Vec::new(),
            group_ranges: Vec::new(),
            queue_ranges: Vec::new(),
            conference_room_ranges: Vec::new(),
            incall_ranges: Vec::new(),
            includes: Vec::new(),
            enabled: true,
        }
    }
}

impl Context {
    /// The ranges with the names of their fields.
    pub fn ranges(&self) -> [(&'static str, &[NumberRange]); 5] {
        [
            ("user_ranges", &self.user_ranges),
            ("group_ranges", &self.group_ranges),
            ("queue_ranges", &self.queue_ranges),
            ("conference_room_ranges", &self.conference_room_ranges),
            ("incall_ranges", &self.incall_ranges),
        ]
    }
}
