//! Numbers.

use serde::{Deserialize, Serialize};

use crate::{ExtensionId, IncallId, LineId, OutcallId};

/// A number in a context, and what it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extension {
    /// Number of the record.
    pub id: ExtensionId,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// The number that is dialled.
    pub exten: String,
    /// Name of the context in which it is known.
    pub context: String,
    /// Whether it answers.
    pub enabled: bool,
    /// The line that rings.
    pub line: Option<LineId>,
    /// The way in from outside that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incall: Option<IncallId>,
    /// The way out that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcall: Option<OutcallId>,
}

impl Default for Extension {
    fn default() -> Self {
        Self {
            id: ExtensionId(0),
            revision: 0,
            exten: String::new(),
            context: String::new(),
            enabled: true,
            line: None,
            incall: None,
            outcall: None,
        }
    }
}
