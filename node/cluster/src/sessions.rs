//! Each command exactly once: what was answered to whom, until the proposer says that it knows.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Proposers remembered. The one that was silent longest goes first.
const MAX_CLIENTS: usize = 256;
/// How far the commands of one proposer may run ahead of the oldest it still waits for.
pub(crate) const MAX_OPEN: u64 = 4_096;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    floor: u64,
    last_index: u64,
    answers: BTreeMap<u64, Bytes>,
}

/// The table of answers. Part of the replicated state: the same on every node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sessions {
    clients: BTreeMap<u64, Session>,
}

/// Whether a command is to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// For the first time.
    New,
    /// It was applied; this was the outcome.
    Answered(Bytes),
    /// Its proposer gave up on it, or it is too far ahead.
    Forgotten,
}

impl Sessions {
    /// Looks `serial` of `client` up, and drops the answers below `floor`.
    pub(crate) fn admit(&mut self, client: u64, serial: u64, floor: u64, index: u64) -> Admission {
        if !self.clients.contains_key(&client) {
            self.make_room();
        }
        let session = self.clients.entry(client).or_default();
        session.last_index = index;
        if floor > session.floor {
            session.floor = floor;
            session.answers = session.answers.split_off(&floor);
        }
        if let Some(answer) = session.answers.get(&serial) {
            return Admission::Answered(answer.clone());
        }
        if serial < session.floor || serial >= session.floor + MAX_OPEN {
            return Admission::Forgotten;
        }
        Admission::New
    }

    /// Keeps the outcome of an admitted command.
    pub(crate) fn record(&mut self, client: u64, serial: u64, outcome: Bytes) {
        if let Some(session) = self.clients.get_mut(&client) {
            session.answers.insert(serial, outcome);
        }
    }

    fn make_room(&mut self) {
        if self.clients.len() < MAX_CLIENTS {
            return;
        }
        let oldest = self
            .clients
            .iter()
            .min_by_key(|(_, session)| session.last_index);
        if let Some(client) = oldest.map(|(client, _)| *client) {
            self.clients.remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(sessions: &mut Sessions, serial: u64, floor: u64) -> Admission {
        let admission = sessions.admit(7, serial, floor, serial);
        if admission == Admission::New {
            sessions.record(7, serial, Bytes::from(serial.to_string()));
        }
        admission
    }

    #[test]
    fn a_repeated_command_gets_the_first_answer() {
        let mut sessions = Sessions::default();
        assert_eq!(apply(&mut sessions, 1, 1), Admission::New);
        assert_eq!(apply(&mut sessions, 1, 1), Admission::Answered("1".into()));
    }

    #[test]
    fn commands_may_arrive_in_any_order() {
        let mut sessions = Sessions::default();
        assert_eq!(apply(&mut sessions, 3, 1), Admission::New);
        assert_eq!(apply(&mut sessions, 2, 1), Admission::New);
        assert_eq!(apply(&mut sessions, 3, 2), Admission::Answered("3".into()));
    }

    #[test]
    fn a_command_that_was_given_up_is_not_applied_late() {
        let mut sessions = Sessions::default();
        assert_eq!(apply(&mut sessions, 5, 5), Admission::New);
        assert_eq!(apply(&mut sessions, 4, 4), Admission::Forgotten);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut sessions = Sessions::default();
        for serial in 0..3 * MAX_OPEN {
            apply(&mut sessions, serial, serial.saturating_sub(2));
        }
        assert!(sessions.clients[&7].answers.len() <= 3);
        assert_eq!(apply(&mut sessions, 5 * MAX_OPEN, 0), Admission::Forgotten);
        for client in 0..2 * MAX_CLIENTS as u64 {
            sessions.admit(client, 1, 1, 1_000_000 + client);
        }
        assert_eq!(sessions.clients.len(), MAX_CLIENTS);
    }
}
