//! Numbers.

use serde::{Deserialize, Serialize};

use crate::{ExtensionId, LineId};

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
        }
    }
}
