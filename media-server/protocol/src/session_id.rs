use std::fmt;

use serde::{Deserialize, Serialize};

/// Names a media session for as long as its call lives, on whichever media server carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId {
    /// The call that the session belongs to.
    pub call: u128,
    /// Tells the sessions of one call apart (a site each, a consultation).
    pub part: u8,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}.{}", self.call, self.part)
    }
}
