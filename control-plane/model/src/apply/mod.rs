//! Commands become changes. One file per noun; each function checks first and changes then.

mod accounts;
mod bindings;
mod calls;
mod config;
mod contexts;
mod endpoints;
mod extensions;
mod field;
mod import;
mod incalls;
mod leases;
mod lines;
mod links;
mod nodes;
mod outcalls;
mod registers;
mod sites;
mod sweep;
#[cfg(test)]
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "what was not expected fails the test"
)]
mod tests;
mod trunk_options;
mod trunks;
mod users;

use crate::{
    Applied, Command, Event, HistoryRow, Outcome, Rejection, RejectionKind, ResourceKey, Stamp,
    State,
};

/// What a command has changed so far, and when it came.
struct Changes {
    at: Stamp,
    events: Vec<Event>,
    history: Vec<HistoryRow>,
}

impl Changes {
    fn config(&mut self, key: ResourceKey) {
        self.events.push(Event::ConfigChanged { key });
    }
}

/// A refusal; what was changed before it is undone by who called.
type Refusable<T> = Result<T, Rejection>;

impl State {
    /// Applies a command. It cannot fail: what may not be done is an [`Outcome`] and changes nothing.
    pub fn apply(&mut self, at: Stamp, command: &Command) -> Applied {
        self.applied = at.index;
        self.now_ms = self.now_ms.max(at.now_ms);
        let at = Stamp {
            index: at.index,
            now_ms: self.now_ms,
        };
        let mut changes = Changes {
            at,
            events: Vec::new(),
            history: Vec::new(),
        };
        let outcome = self.execute(&mut changes, command);
        Applied {
            outcome,
            events: changes.events,
            history: changes.history,
        }
    }

    fn execute(&mut self, changes: &mut Changes, command: &Command) -> Outcome {
        match command {
            Command::Initialise(initialise) => self.undo_if_refused(changes, |state, changes| {
                state.initialise(changes, initialise)
            }),
            Command::Configure(command) => {
                self.undo_if_refused(changes, |state, changes| state.configure(changes, command))
            }
            Command::Bindings(batch) => Outcome::Bindings(self.change_bindings(changes, batch)),
            Command::Call(command) => Outcome::Call(self.change_call(changes, command)),
            Command::Lease(command) => Outcome::Lease(self.change_lease(changes, command)),
            Command::Node(command) => self.undo_if_refused(changes, |state, changes| {
                state.change_node(changes, command)
            }),
            Command::Media(command) => self.undo_if_refused(changes, |state, changes| {
                state.change_media_server(changes, command)
            }),
            Command::Account(command) => self.undo_if_refused(changes, |state, changes| {
                state.change_account(changes, command)
            }),
            Command::Secret(command) => self.undo_if_refused(changes, |state, changes| {
                state.change_secret(changes, command)
            }),
            Command::Sweep => self.sweep(changes),
            Command::Trunk(report) => self.undo_if_refused(changes, |state, changes| {
                state.report_trunk(changes, report)
            }),
            Command::Batch(commands) => {
                let outcomes = commands.iter().map(|command| match command {
                    Command::Batch(_) | Command::Initialise(_) | Command::Configure(_) => {
                        Outcome::Rejected(Rejection::new(
                            RejectionKind::Input,
                            "Batch",
                            "commands",
                            "this command has to come alone",
                        ))
                    }
                    Command::Bindings(_)
                    | Command::Call(_)
                    | Command::Lease(_)
                    | Command::Node(_)
                    | Command::Media(_)
                    | Command::Account(_)
                    | Command::Secret(_)
                    | Command::Trunk(_)
                    | Command::Sweep => self.execute(changes, command),
                });
                Outcome::Batch(outcomes.collect())
            }
        }
    }

    /// All or nothing: a clone costs nothing, so the way back is always open.
    fn undo_if_refused(
        &mut self,
        changes: &mut Changes,
        change: impl FnOnce(&mut Self, &mut Changes) -> Refusable<Outcome>,
    ) -> Outcome {
        let before = self.clone();
        let events = changes.events.len();
        let history = changes.history.len();
        change(self, changes).unwrap_or_else(|rejection| {
            *self = before;
            changes.events.truncate(events);
            changes.history.truncate(history);
            Outcome::Rejected(rejection)
        })
    }
}
