//! The calls that this node owns, and what they can be found by.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use carillon_call::{Call, Input, Output, Owner};
use carillon_model::{CallEntry, CallId, DialogKey, Epoch, Flow, SiteId};
use carillon_sip::Message;
use carillon_sip::transaction::{self, ClientKey, ServerKey, response_flow};

use crate::commit::Commits;
use crate::media::MediaLink;
use crate::reach::Reach;
use crate::switch::Asker;
use crate::{Notice, Switch};

/// A call, and what waits for it or on it.
pub(crate) struct Slot {
    pub(crate) call: Call,
    /// What it wants done; behind a barrier until the commit is there.
    pub(crate) queue: VecDeque<Output>,
    /// What the switch has to tell it, once all it wanted before is done.
    pub(crate) inputs: VecDeque<Input>,
    pub(crate) commits: Commits,
    pub(crate) media: MediaLink,
    /// Where the caller is.
    pub(crate) site: Option<SiteId>,
    /// How the caller came, while its call is set up.
    pub(crate) caller_flow: Option<Flow>,
    /// The caller's INVITE, until the call is stored: what a refusal for want of a quorum answers.
    pub(crate) invite: Option<(ServerKey, Message)>,
    /// Its record is written: nothing is to be stored any more.
    pub(crate) recorded: bool,
    /// It is to be forgotten at once.
    pub(crate) lost: bool,
    pub(crate) started_ms: u64,
    pub(crate) progressed: bool,
    found_by: FoundBy,
}

#[derive(Default)]
struct FoundBy {
    deadline_ms: Option<u64>,
    dialogs: Vec<DialogKey>,
    setup: Option<(SetupKey, u32)>,
}

/// Call-ID and From tag of a caller's first INVITE.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SetupKey {
    call_id: String,
    tag: String,
}

/// The table of calls.
pub(crate) struct Calls {
    slots: BTreeMap<CallId, Box<Slot>>,
    dialogs: BTreeMap<DialogKey, CallId>,
    deadlines: BTreeSet<(u64, CallId)>,
    setups: BTreeMap<SetupKey, (CallId, u32)>,
}

impl SetupKey {
    pub(crate) fn of(invite: &Message) -> Option<(Self, u32)> {
        let tag = invite.from().ok()?.tag()?.to_owned();
        let number = invite.cseq().ok()?.number;
        Some((
            Self {
                call_id: invite.call_id()?.to_owned(),
                tag,
            },
            number,
        ))
    }
}

impl Slot {
    pub(crate) fn new(call: Call, now_ms: u64) -> Box<Self> {
        Box::new(Self {
            call,
            queue: VecDeque::new(),
            inputs: VecDeque::new(),
            commits: Commits::default(),
            media: MediaLink::default(),
            site: None,
            caller_flow: None,
            invite: None,
            recorded: false,
            lost: false,
            started_ms: now_ms,
            progressed: false,
            found_by: FoundBy::default(),
        })
    }

    /// Takes over what the call wants done.
    pub(crate) fn collect(&mut self) {
        let mut outputs = self.call.take_outputs();
        match self.queue.is_empty() {
            true => self.queue = outputs,
            false => self.queue.append(&mut outputs),
        }
    }

    /// Keeps no room for what was done: a call stands for much longer than it has something to do.
    fn give_room_back(&mut self) {
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        if self.inputs.is_empty() {
            self.inputs = VecDeque::new();
        }
    }

    fn is_over(&self) -> bool {
        let idle =
            self.queue.is_empty() && !self.commits.is_blocked() && !self.media.is_releasing();
        self.lost || (self.call.is_ended() && idle)
    }

    fn next_ms(&self) -> Option<u64> {
        let times = [
            self.call.poll_timeout(),
            self.commits.next_ms(),
            self.media.next_ms(),
        ];
        times.into_iter().flatten().min()
    }
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            slots: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            setups: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&self, id: CallId) -> Option<&Slot> {
        self.slots.get(&id).map(Box::as_ref)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values().map(Box::as_ref)
    }

    pub(crate) fn of_dialog(&self, dialog: &DialogKey) -> Option<CallId> {
        self.dialogs.get(dialog).copied()
    }

    /// The call that began with an INVITE of this Call-ID and tag, and the number of that INVITE.
    pub(crate) fn of_setup(&self, setup: &SetupKey) -> Option<(CallId, u32)> {
        self.setups.get(setup).copied()
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes a call out to work on it; it is found as before until it is [put](Self::put) back.
    fn take(&mut self, id: CallId) -> Option<Box<Slot>> {
        self.slots.remove(&id)
    }

    /// Adds a call with the INVITE that it began with.
    pub(crate) fn add(&mut self, mut slot: Box<Slot>, setup: Option<(SetupKey, u32)>) {
        if let Some((key, number)) = setup.clone() {
            self.setups.insert(key, (slot.call.id(), number));
        }
        slot.found_by.setup = setup;
        self.put(slot);
    }

    /// Puts a call back and brings what it is found by up to date.
    fn put(&mut self, mut slot: Box<Slot>) {
        let id = slot.call.id();
        slot.give_room_back();
        let deadline_ms = slot.next_ms();
        if deadline_ms != slot.found_by.deadline_ms {
            if let Some(old_ms) = slot.found_by.deadline_ms {
                self.deadlines.remove(&(old_ms, id));
            }
            self.deadlines.extend(deadline_ms.map(|at_ms| (at_ms, id)));
            slot.found_by.deadline_ms = deadline_ms;
        }
        if !slot.call.has_dialogs(&slot.found_by.dialogs) {
            let dialogs = slot.call.dialogs();
            for gone in &slot.found_by.dialogs {
                self.dialogs.remove(gone);
            }
            self.dialogs
                .extend(dialogs.iter().map(|dialog| (dialog.clone(), id)));
            slot.found_by.dialogs = dialogs;
        }
        self.slots.insert(id, slot);
    }

    fn forget(&mut self, slot: &Slot) {
        let id = slot.call.id();
        if let Some(at_ms) = slot.found_by.deadline_ms {
            self.deadlines.remove(&(at_ms, id));
        }
        for dialog in &slot.found_by.dialogs {
            self.dialogs.remove(dialog);
        }
        // A later call may have begun with the same Call-ID and tag.
        if let Some((setup, _)) = &slot.found_by.setup
            && self.of_setup(setup).is_some_and(|(call, _)| call == id)
        {
            self.setups.remove(setup);
        }
    }
}

impl Switch {
    /// Tells a call something, and does what it wants done.
    pub(crate) fn drive(&mut self, id: CallId, input: Input) {
        self.with_call(id, |_, slot| slot.inputs.push_back(input));
    }

    /// Changes what surrounds a call, and does what it wants done then.
    pub(crate) fn with_call(&mut self, id: CallId, change: impl FnOnce(&mut Self, &mut Slot)) {
        let Some(mut slot) = self.calls.take(id) else {
            return;
        };
        change(self, &mut slot);
        self.work(slot);
    }

    /// Works on a call that has been taken out, and puts it back if it is not over.
    fn work(&mut self, mut slot: Box<Slot>) {
        loop {
            self.perform(&mut slot);
            if slot.lost {
                break;
            }
            let Some(input) = slot.inputs.pop_front() else {
                break;
            };
            slot.call.handle_input(self.now_ms, &mut self.random, input);
            slot.collect();
        }
        if !slot.lost {
            self.follow_move(&mut slot);
        }
        if slot.is_over() {
            self.calls.forget(&slot);
        } else {
            self.calls.put(slot);
        }
    }

    /// Calls whose time has come, each once.
    pub(crate) fn calls_due(&mut self) {
        if self.is_in_doubt() {
            return;
        }
        let due: Vec<CallId> = self
            .calls
            .deadlines
            .range(..=(self.now_ms, CallId(u128::MAX)))
            .map(|(_, id)| *id)
            .collect();
        for id in due {
            let Some(mut slot) = self.calls.take(id) else {
                continue;
            };
            self.commit_due(&mut slot);
            self.media_due(&mut slot);
            if !slot.lost
                && slot
                    .call
                    .poll_timeout()
                    .is_some_and(|at_ms| at_ms <= self.now_ms)
            {
                slot.call.handle_timeout(self.now_ms, &mut self.random);
                slot.collect();
            }
            self.work(slot);
        }
    }

    /// Calls of an earlier life of this node go on from their stored values.
    pub(crate) fn resume_calls(&mut self) {
        let state = self.state.clone();
        for stored in state.calls_of_node(self.config.node) {
            self.resume(stored);
        }
    }

    /// Takes a stored call of this node up; says whether it is here now.
    pub(crate) fn resume(&mut self, stored: &CallEntry) -> bool {
        if self.calls.get(stored.id).is_some() {
            return true;
        }
        if self.records.contains(stored.id) || !self.may_resume(stored) {
            return false;
        }
        self.records.retract(stored.id);
        let decoded = Call::decode(&stored.body)
            .ok()
            .filter(|call| call.id() == stored.id);
        let Some(mut call) = decoded else {
            self.tell(Notice::CallUnreadable { call: stored.id });
            return false;
        };
        let inherited = call.epoch() < stored.epoch;
        let owner = Owner {
            node: self.config.node,
            epoch: stored.epoch,
        };
        let server = call.media_server();
        if server.is_some_and(|server| self.is_server_lost(server)) {
            call.expect_media();
        }
        let reach = Reach::of(&self.config, &self.floating, self.nodes_lost());
        call.resume(self.now_ms, &mut self.random, owner, |flow| reach.way(flow));
        let mut slot = Slot::new(call, stored.summary.started_at_ms);
        slot.commits = Commits::stored(stored.revision);
        slot.media = MediaLink::resumed(&slot.call);
        slot.collect();
        self.tell(if inherited {
            Notice::CallTakenOver { call: stored.id }
        } else {
            Notice::CallResumed { call: stored.id }
        });
        self.adopt_requests(&slot);
        self.note_lost(&slot);
        self.work(slot);
        true
    }

    /// INVITEs of peers that came to the former owner are answered here, and a CANCEL of one is found.
    fn adopt_requests(&mut self, slot: &Slot) {
        for (leg, key, response, flow) in slot.call.awaiting() {
            let flow = response
                .via()
                .map_or(flow, |via| response_flow(&via, &flow));
            let input = transaction::Input::AdoptServer {
                key: key.clone(),
                flow,
            };
            self.transactions.handle_input(self.now_ms, input);
            self.servers.insert(key, (slot.call.id(), leg));
        }
    }

    /// Lets go of calls that are another node's by now, or over.
    pub(crate) fn compare_calls(&mut self) {
        let own: Vec<CallId> = self.calls.values().map(|slot| slot.call.id()).collect();
        for id in own {
            if self.state.calls().contains(&id) {
                self.call_stored(id);
            } else if self.state.has_ended(id) {
                self.call_ended_elsewhere(id);
            }
        }
        if self.resumed {
            self.resume_calls();
        }
    }

    /// Somebody's value of a call is stored: if it is another node's, ours counts no more.
    pub(crate) fn call_stored(&mut self, id: CallId) {
        let Some(stored) = self.state.calls().get(&id).cloned() else {
            return;
        };
        let epoch: Option<Epoch> = self.calls.get(id).map(|slot| slot.call.epoch());
        let ours = stored.owner == self.config.node;
        if epoch.is_some_and(|epoch| !ours || epoch < stored.epoch) {
            self.fence(id);
        }
        if ours && self.resumed && !self.is_in_doubt() && self.calls.get(id).is_none() {
            self.resume(&stored);
        }
        if self.heirs.waiting.is_wanted(id) {
            self.say_again(id);
        }
        self.hand_to(stored.owner, id);
    }

    /// A call has its record: from another node, unless it is ours.
    pub(crate) fn call_ended_elsewhere(&mut self, id: CallId) {
        if self.calls.get(id).is_some_and(|slot| !slot.recorded) {
            self.fence(id);
        }
        if self.heirs.waiting.is_wanted(id) {
            self.say_again(id);
        }
    }

    /// Lets go of a call that is another node's: nothing more is said for it.
    pub(crate) fn fence(&mut self, id: CallId) {
        self.with_call(id, |switch, slot| switch.lose(slot));
    }

    pub(crate) fn lose(&mut self, slot: &mut Slot) {
        slot.lost = true;
        let call = slot.call.id();
        self.tell(Notice::CallFenced { call });
        self.testify(slot);
        self.forsake_media(slot);
        self.note_fenced(call, slot.call.epoch());
        let clients: Vec<ClientKey> = self
            .clients
            .iter()
            .filter(|(_, asker)| matches!(asker, Asker::Leg(of, _) if *of == call))
            .map(|(key, _)| *key)
            .collect();
        for key in clients {
            self.clients.remove(&key);
            self.transactions
                .handle_input(self.now_ms, transaction::Input::AbandonClient { key });
        }
        let servers: Vec<ServerKey> = self
            .servers
            .iter()
            .filter(|(_, (of, _))| *of == call)
            .map(|(key, _)| key.clone())
            .collect();
        for key in servers {
            self.servers.remove(&key);
            self.transactions
                .handle_input(self.now_ms, transaction::Input::AbandonServer { key });
        }
    }
}
