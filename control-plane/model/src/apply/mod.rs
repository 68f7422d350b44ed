//! Commands become changes. One file per noun; each function checks first and changes then.

use crate::{Applied, Command, Outcome, Stamp, State};

impl State {
    /// Applies a command. It cannot fail: what may not be done is an [`Outcome`] and changes nothing.
    pub fn apply(&mut self, at: Stamp, command: &Command) -> Applied {
        self.applied = at.index;
        self.now_ms = self.now_ms.max(at.now_ms);
        let _ = command;
        Applied { outcome: Outcome::Done, events: Vec::new(), history: Vec::new() }
    }
}
