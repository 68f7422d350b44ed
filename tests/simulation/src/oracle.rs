//! What clients were told, and whether it is true in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bytes::Bytes;
use carillon_cluster::{HistoryQuery, Replicated};
use carillon_model::{CallId, CallRecord, CallStatus, Event, HistoryRow, HistoryTable, State};
use carillon_switch::Notice;
use carillon_telephony::Telephony;

use crate::clock;
use crate::phone::{self, Told};
use crate::world::{Failure, NODES, PHONES, Verdict, World, ensure, failure};

const RECORDS_READ: usize = 10_000;
/// A node promises no more than this by itself.
const ALONE_S: u32 = 60;

/// A 200 to a REGISTER.
#[derive(Clone, Debug)]
struct Confirmed {
    contact: String,
    call_id: String,
    cseq: u32,
    until_ms: u64,
    /// By the node that the phone registers with, without the quorum's word.
    alone: bool,
}

/// A request that was not granted.
#[derive(Clone, Copy, Debug)]
struct Refused {
    phone: u8,
    method: &'static str,
    code: u16,
    asked_us: u64,
}

/// Remembers every promise.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// The newest of each phone.
    bindings: BTreeMap<u8, Confirmed>,
    /// Callers, and the numbers that they were connected with.
    connected: Vec<(String, String)>,
    /// Users that an administrator was told of.
    users: Vec<String>,
    /// Calls of which a value was committed.
    calls: BTreeSet<CallId>,
    /// Calls of which a node was told that the record is committed.
    recorded: BTreeSet<CallId>,
    /// Calls that went ahead without the quorum's word: what was told of them may be forgotten.
    unprotected: BTreeSet<CallId>,
    refused: Vec<Refused>,
    /// No call ends but by its phones: connections and records are as many as each other.
    nothing_fails: bool,
    /// A floating address, and the running processes that held it together.
    held_twice: Option<Failure>,
    reads: usize,
    wrong_read: Option<Failure>,
}

impl Oracle {
    /// These processes hold the address now.
    pub(crate) fn address_held(&mut self, address: IpAddr, holders: &[u8]) {
        if holders.len() > 1 && self.held_twice.is_none() {
            let what = format_args!("{address} is held by {holders:?}");
            self.held_twice = Some(failure(what));
        }
    }

    /// No floating address was ever held by two.
    pub(crate) fn one_holder(&self) -> Verdict {
        self.held_twice.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn told(&mut self, phone: u8, told: Told) {
        match told {
            Told::Registered {
                contact,
                call_id,
                cseq,
                expires_s,
            } => {
                let newest = self.bindings.get(&phone).map_or(0, |known| known.cseq);
                if cseq > newest {
                    let until_ms = clock::now_ms() + 1000 * u64::from(expires_s);
                    let confirmed = Confirmed {
                        contact,
                        call_id,
                        cseq,
                        until_ms,
                        alone: expires_s <= ALONE_S,
                    };
                    self.bindings.insert(phone, confirmed);
                }
            }
            Told::Connected { number } => {
                self.connected.push((phone::extension(phone), number));
            }
            Told::Refused {
                method,
                code,
                asked_us,
            } => self.refused.push(Refused {
                phone,
                method,
                code,
                asked_us,
            }),
            // What a phone says to itself (RFC 3261 §8.1.3.1).
            Told::Unanswered { method, asked_us } => self.refused.push(Refused {
                phone,
                method,
                code: 408,
                asked_us,
            }),
        }
    }

    pub(crate) fn noticed(&mut self, notice: &Notice) {
        if let Notice::CallRecorded { record } = notice {
            self.recorded.insert(record.call);
        }
        if let Notice::CallUnprotected { call, refused } = notice
            && !refused
        {
            self.unprotected.insert(*call);
        }
    }

    pub(crate) fn changed(&mut self, state: &State, events: &[Event]) {
        for event in events {
            if let Event::CallPut(call) = event
                && (state.calls().contains(call) || state.has_ended(*call))
            {
                self.calls.insert(*call);
            }
        }
    }

    /// A process has ended: what it promised by itself to these phones it takes with it.
    pub(crate) fn died(&mut self, phones: impl Fn(u8) -> bool) {
        self.bindings
            .retain(|phone, confirmed| !confirmed.alone || !phones(*phone));
    }

    /// From now on every record has to be of a connection that a caller knows of.
    pub(crate) fn nothing_fails(&mut self) {
        self.nothing_fails = true;
    }

    /// Requests inside of a call that were sent since then have been granted, whoever the owner was.
    pub(crate) fn granted_since(&self, since_us: u64) -> Verdict {
        let inside = ["BYE", "re-INVITE"];
        let refused = self
            .refused
            .iter()
            .find(|refused| inside.contains(&refused.method) && refused.asked_us >= since_us);
        match refused {
            None => Ok(()),
            Some(refused) => Err(failure(format_args!(
                "a {} of phone{} is answered {} although the call goes on",
                refused.method, refused.phone, refused.code
            ))),
        }
    }

    /// An administrator was told that a user was made.
    pub(crate) fn user_made(&mut self, uuid: String) {
        self.users.push(uuid);
    }

    /// The users that an administrator was told of.
    pub(crate) fn users(&self) -> &[String] {
        &self.users
    }

    /// A linearizable read was answered with this state: it holds what was acknowledged before the question.
    pub(crate) fn read(&mut self, node: u8, users: &[String], state: &State) {
        self.reads += 1;
        let missing = users.iter().find(|uuid| state.user_by_uuid(uuid).is_none());
        if let (Some(uuid), None) = (missing, &self.wrong_read) {
            let what = format!("a linearizable read on node{node} misses user {uuid}");
            self.wrong_read = Some(failure(format_args!("{what}")));
        }
    }

    /// How many promises there are.
    pub(crate) fn promises(&self) -> usize {
        self.bindings.len() + self.users.len() + self.calls.len() + self.recorded.len() + self.reads
    }

    /// Whether a node's state keeps what was promised.
    fn judge_state(&self, node: u8, state: &State) -> Verdict {
        let now_ms = clock::now_ms();
        for phone in 1..=PHONES {
            let username = phone::username(phone);
            ensure!(
                state.endpoint_by_username(&username).is_some(),
                "node{node} has no endpoint {username}"
            );
        }
        for (phone, confirmed) in &self.bindings {
            if confirmed.until_ms <= now_ms {
                continue;
            }
            let username = phone::username(*phone);
            let endpoint = state.endpoint_by_username(&username);
            let bindings = endpoint.map_or(&[][..], |endpoint| state.bindings(endpoint.id));
            let kept = bindings.iter().any(|binding| {
                binding.contact == confirmed.contact
                    && binding.call_id == confirmed.call_id
                    && binding.cseq >= confirmed.cseq
            });
            ensure!(
                kept,
                "a confirmed binding is missing on node{node}: {confirmed:?}, there is {bindings:?}"
            );
        }
        for uuid in &self.users {
            ensure!(
                state.user_by_uuid(uuid).is_some(),
                "an acknowledged user is missing on node{node}: {uuid}"
            );
        }
        Ok(())
    }

    fn judge_records(&self, node: u8, records: &[CallRecord]) -> Verdict {
        let mut written: BTreeMap<CallId, usize> = BTreeMap::new();
        for record in records {
            *written.entry(record.call).or_default() += 1;
        }
        for (call, count) in &written {
            ensure!(*count == 1, "call {call} has {count} records on node{node}");
        }
        for call in self.calls.iter().chain(&self.recorded) {
            ensure!(
                written.contains_key(call),
                "call {call} has no record on node{node}"
            );
        }
        let (connected, written) = (self.connected.len(), written.len());
        ensure!(
            !self.nothing_fails || connected == written,
            "there were {connected} calls, node{node} has {written} records"
        );
        for (caller, number) in &self.connected {
            let told = self
                .connected
                .iter()
                .filter(|other| *other == &(caller.clone(), number.clone()));
            let found = records.iter().filter(|record| {
                let answered = record.status == CallStatus::Answered;
                (answered || self.unprotected.contains(&record.call))
                    && record.caller.number == *caller
                    && record.callee.number == *number
            });
            let (told, found) = (told.count(), found.count());
            ensure!(
                told <= found,
                "{caller} was connected with {number} {told} times, node{node} has {found} records of that"
            );
        }
        Ok(())
    }
}

impl World {
    /// What somebody was told must be true now, on every node.
    pub(crate) fn judge_promises(&self) -> Verdict {
        if let Some(failure) = &self.oracle.wrong_read {
            return Err(failure.clone());
        }
        for node in 1..=NODES {
            let state = self.state(node);
            let state = state.ok_or_else(|| failure(format_args!("node{node} is off")))?;
            self.oracle.judge_state(node, &state)?;
        }
        Ok(())
    }

    /// Everything that anybody was told must be true on every node, and nothing may be left over.
    pub(crate) fn judge(&self) -> Verdict {
        self.judge_promises()?;
        let mut digests = BTreeSet::new();
        for node in 1..=NODES {
            let replica = self.replica(node);
            let replica = replica.ok_or_else(|| failure(format_args!("node{node} is off")))?;
            let (at, state) = replica.stamped_state();
            let live: Vec<_> = state.calls().values().map(|call| call.id).collect();
            ensure!(
                live.is_empty(),
                "calls are left over on node{node}: {live:?}"
            );
            let records = self.records(node)?;
            self.oracle.judge_records(node, &records)?;
            let status = replica.status();
            ensure!(
                status.digests_differing == 0,
                "node{node} has found its state to differ from the leader's"
            );
            ensure!(
                status.out_of_duty.is_none(),
                "node{node} has left duty: {:?}",
                status.out_of_duty
            );
            digests.insert((at.index, Telephony::digest(&state), records.len()));
        }
        ensure!(digests.len() == 1, "the nodes differ: {digests:?}");
        for server in &self.media {
            let (host, left) = (server.host, server.sessions.len());
            ensure!(left == 0, "{left} sessions are left on {host}");
        }
        Ok(())
    }

    /// The records of calls that a node has on its disk.
    pub(crate) fn records(&self, node: u8) -> Result<Vec<CallRecord>, Failure> {
        let query = HistoryQuery {
            table: HistoryTable::CallRecords.as_str().to_owned(),
            from: Bytes::new(),
            to: None,
            limit: RECORDS_READ,
            newest_first: false,
        };
        let rows = self.replica(node).map(|replica| replica.history(&query));
        let Some(Ok(rows)) = rows else {
            return Err(failure(format_args!("node{node} reads no records")));
        };
        let records = rows
            .iter()
            .map(|row| HistoryRow::read_call_record(&row.value));
        let records: Result<Vec<_>, _> = records.collect();
        records
            .map_err(|error| failure(format_args!("node{node} has an unreadable record: {error}")))
    }
}
