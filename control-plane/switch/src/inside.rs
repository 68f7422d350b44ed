//! Messages inside dialogs: which node has their call.

use std::net::SocketAddr;

use bytes::Bytes;
use carillon_call::LegId;
use carillon_model::{CallEntry, CallId, DialogKey, Event, Flow, NodeId, State, Transport};
use carillon_sip::transaction::{ClientKey, ServerKey, branch_owner, tag_owner};
use carillon_sip::{Message, Method};

use crate::Switch;

/// Where the call of a dialog is.
enum Place {
    Here,
    There(NodeId),
    /// Its node does not answer.
    Orphaned(CallId, NodeId),
    /// There is no such call, and this is known.
    Nowhere,
    /// The call has ended a moment ago.
    Over,
    /// It was a call of a node that is down, and the replica knows nothing of it.
    Unheard(DialogKey),
    /// This node cannot tell now.
    Unknown,
}

impl Switch {
    /// Whether a request is for this node; if not, it is sent on, answered or dropped.
    pub(crate) fn belongs_here(&mut self, flow: Flow, message: &Message, bytes: Bytes) -> bool {
        let dialog = dialog_of(message);
        let place = match &dialog {
            Some(dialog) => self.place_of(dialog, &flow),
            None => self.place_outside(message, &flow),
        };
        match place {
            Place::Here => !self.leaves_to_heir(dialog.as_ref(), flow, message, &bytes),
            Place::There(node) => {
                // The node may take it to its grave. By a connection nobody repeats it, by datagrams perhaps not before the
                // heir has asked the phone, which says that it has hung up.
                let call = dialog
                    .as_ref()
                    .and_then(|dialog| self.state.call_of_dialog(dialog));
                self.heirs
                    .waiting
                    .sent_on(self.now_ms, (node, call), flow, bytes.clone());
                if let Some(dialog) = &dialog {
                    self.trails.remember(self.now_ms, dialog, node);
                }
                self.forward(node, flow, bytes);
                false
            }
            Place::Orphaned(call, owner) => {
                // It may only be that we do not hear it.
                let gone = self.state.has_gone(owner, self.cluster_now_ms());
                if !gone && flow.node == self.config.node {
                    self.forward(owner, flow, bytes.clone());
                }
                self.wait_for_heir(call, flow, bytes);
                false
            }
            Place::Nowhere => {
                if message.method() == Some(&Method::Ack) {
                    self.counters.dropped += 1;
                } else {
                    self.answer_at_once(&flow, Message::response_to(message, 481, ""));
                }
                false
            }
            Place::Over => {
                self.answer_for_ended(&flow, message);
                false
            }
            Place::Unheard(dialog) => {
                self.answer_for_unheard(&flow, &dialog, message);
                false
            }
            Place::Unknown => {
                self.keep_waiting(&flow, message);
                false
            }
        }
    }

    /// A node that has lost its lease and the quorum, and does not hear the node by whose socket the other side is reached,
    /// would only keep the phone waiting: what it asks comes to no end here. An heir can do it, now or soon. Those that may
    /// hear us are given the request; the phone is told nothing, and repeats it.
    fn leaves_to_heir(
        &mut self,
        dialog: Option<&DialogKey>,
        flow: Flow,
        message: &Message,
        bytes: &Bytes,
    ) -> bool {
        let asks_other_side = matches!(
            message.method(),
            Some(Method::Invite | Method::Update | Method::Info)
        );
        let alone = !self.quorum && !self.is_tenured();
        if !asks_other_side || !alone || flow.node != self.config.node {
            return false;
        }
        let call = dialog.and_then(|dialog| self.calls.of_dialog(dialog));
        let slot = call.and_then(|call| self.calls.get(call));
        let cut_off = slot.is_some_and(|slot| {
            let mut ways = slot.call.ways();
            slot.is_stored() && ways.any(|way| self.nodes_down.contains(&way.node))
        });
        if cut_off && flow.transport == Transport::Udp {
            let state = self.state.clone();
            for node in state.nodes().values().map(|node| node.id) {
                if node != self.config.node {
                    self.forward(node, flow, bytes.clone());
                }
            }
            return true;
        }
        false
    }

    /// Who hangs up is told that it has, also where the call came to its end in another way before.
    fn answer_for_ended(&mut self, flow: &Flow, message: &Message) {
        let code = match message.method() {
            Some(Method::Ack) | None => {
                self.counters.dropped += 1;
                return;
            }
            Some(Method::Bye) => 200,
            Some(_) => 481,
        };
        self.answer_at_once(flow, Message::response_to(message, code, ""));
    }

    /// The replica may lag behind what the node has committed before it went, until the cluster has answered us once more:
    /// then there is no such call. One that never was committed may still go on at a node that is only cut off. So nothing
    /// is said that ends a call which its phone does not end itself.
    fn answer_for_unheard(&mut self, flow: &Flow, dialog: &DialogKey, message: &Message) {
        let since_ms = self.sought.recall(self.now_ms, dialog);
        if since_ms.is_none() {
            self.sought.remember(self.now_ms, dialog, self.now_ms);
        }
        let known = since_ms.is_some_and(|since_ms| self.has_word_since(since_ms));
        if known && self.quorum && message.method() == Some(&Method::Bye) {
            self.answer_at_once(flow, Message::response_to(message, 481, ""));
        } else {
            self.keep_waiting(flow, message);
        }
    }

    /// Remembers the dialogs of calls that have ended since the state was `before`.
    pub(crate) fn note_ended(&mut self, before: &State, events: &[Event]) {
        for event in events {
            if let Event::CallEnded(call) = event
                && let Some(stored) = before.calls().get(call)
            {
                for dialog in &stored.dialogs {
                    self.ended.remember(self.now_ms, dialog, ());
                }
            }
        }
    }

    /// The replica is the authority; the node in the tag is where to ask when the replica knows nothing (yet).
    fn place_of(&mut self, dialog: &DialogKey, flow: &Flow) -> Place {
        if self.is_in_doubt() {
            return Place::Unknown;
        }
        if self.calls.of_dialog(dialog).is_some() {
            return Place::Here;
        }
        // What was forwarded once is not forwarded again: the nodes would play ball with it.
        let forwarded = flow.node != self.config.node;
        let stored = self
            .state
            .call_of_dialog(dialog)
            .and_then(|call| self.state.calls().get(&call));
        if let Some(stored) = stored.cloned() {
            return self.place_of_stored(&stored, forwarded);
        }
        if let Some(node) = self.trails.recall(self.now_ms, dialog)
            && !forwarded
            && self.state.nodes().contains(&node)
            && !self.nodes_down.contains(&node)
        {
            return Place::There(node);
        }
        if self.ended.recall(self.now_ms, dialog).is_some() {
            return Place::Over;
        }
        match tag_owner(&dialog.local_tag) {
            // Never was ours.
            None => Place::Nowhere,
            Some(node) if self.nodes_down.contains(&node) => Place::Unheard(dialog.clone()),
            Some(node)
                if node != self.config.node && !forwarded && self.state.nodes().contains(&node) =>
            {
                Place::There(node)
            }
            Some(_) if self.quorum => Place::Nowhere,
            Some(_) => Place::Unknown,
        }
    }

    fn place_of_stored(&mut self, stored: &CallEntry, forwarded: bool) -> Place {
        match stored.owner {
            owner if owner == self.config.node => {
                if !self.resumed || !self.is_tenured() {
                    Place::Unknown
                } else if self.resume(stored) {
                    Place::Here
                } else if self.records.contains(stored.id) {
                    // It has ended here, and its record is on its way.
                    Place::Over
                } else {
                    Place::Unknown
                }
            }
            owner if self.is_suspect(owner) => Place::Orphaned(stored.id, owner),
            _ if forwarded => Place::Unknown,
            owner => Place::There(owner),
        }
    }

    /// What is in no dialog is for any node.
    fn place_outside(&mut self, message: &Message, flow: &Flow) -> Place {
        let cancels = message.method() == Some(&Method::Cancel);
        let place = match cancels {
            true => self.place_of_cancelled(message, flow),
            false => Place::Here,
        };
        match (place, self.stand_in(message, flow)) {
            (Place::Here, Some(node)) => Place::There(node),
            (place, _) => place,
        }
    }

    /// A CANCEL has no tag of ours, and one for an INVITE that another node has may come here when that has gone.
    fn place_of_cancelled(&mut self, cancel: &Message, flow: &Flow) -> Place {
        if self.is_in_doubt() {
            return Place::Unknown;
        }
        let stored = cancel
            .call_id()
            .and_then(|call_id| self.state.call_of_call_id(call_id))
            .and_then(|call| self.state.calls().get(&call))
            .cloned();
        match stored {
            Some(stored) if stored.owner != self.config.node => {
                self.place_of_stored(&stored, flow.node != self.config.node)
            }
            Some(_) | None => Place::Here,
        }
    }

    pub(crate) fn requested_inside(&mut self, key: ServerKey, flow: Flow, message: Message) {
        let found = dialog_of(&message).and_then(|dialog| self.leg_of(&dialog));
        let Some((call, leg)) = found else {
            return self.answer(key, Message::response_to(&message, 481, ""));
        };
        self.servers.insert(key.clone(), (call, leg));
        self.drive(
            call,
            carillon_call::Input::Request {
                leg,
                transaction: key,
                message,
                flow,
            },
        );
    }

    pub(crate) fn acknowledged(&mut self, message: Message) {
        let found = dialog_of(&message).and_then(|dialog| self.leg_of(&dialog));
        match found {
            Some((call, leg)) => self.drive(call, carillon_call::Input::Ack { leg, message }),
            None => self.counters.dropped += 1,
        }
    }

    /// A response that no transaction here expects: another node's, or a late 2xx whose ACK our call repeats.
    pub(crate) fn stray_response(&mut self, flow: Flow, message: Message) {
        let owner = message
            .via()
            .ok()
            .and_then(|via| via.branch().and_then(branch_owner));
        if self.is_in_doubt() {
            self.counters.dropped += 1;
            return;
        }
        let forwarded = flow.node != self.config.node;
        // The replica knows better than the branch whose the call is by now.
        let stored = self.stored_call_of(&message);
        if let Some((call, node)) = stored
            && self.is_suspect(node)
        {
            return self.wait_for_heir(call, flow, message.to_bytes());
        }
        let node = stored.map(|(_, node)| node).or(owner.map(|(node, _)| node));
        if let Some(node) = node
            && node != self.config.node
            && !forwarded
            && self.state.nodes().contains(&node)
            && !self.nodes_down.contains(&node)
        {
            return self.forward(node, flow, message.to_bytes());
        }
        let answers_invite = message
            .cseq()
            .is_ok_and(|cseq| cseq.method == Method::Invite);
        let success = message
            .status()
            .is_some_and(|code| (200..300).contains(&code));
        let found = own_dialog_of(&message)
            .filter(|_| answers_invite && success)
            .and_then(|dialog| self.leg_of(&dialog));
        match found {
            Some((call, leg)) => {
                let transaction = owner.map_or(ClientKey(0), |(_, key)| key);
                self.drive(
                    call,
                    carillon_call::Input::Response {
                        leg,
                        transaction,
                        message,
                        flow,
                    },
                );
            }
            None => self.counters.dropped += 1,
        }
    }

    /// The call that a message says it belongs to, and its owner.
    pub(crate) fn stored_call_of(&self, message: &Message) -> Option<(CallId, NodeId)> {
        let dialog = match message.is_request() {
            true => dialog_of(message),
            false => own_dialog_of(message),
        };
        let call = self.state.call_of_dialog(&dialog?)?;
        Some((call, self.state.calls().get(&call)?.owner))
    }

    fn leg_of(&self, dialog: &DialogKey) -> Option<(CallId, LegId)> {
        let call = self.calls.of_dialog(dialog)?;
        Some((call, self.calls.get(call)?.call.leg_of(dialog)?))
    }

    /// Whether the cluster takes SIP at an address.
    pub(crate) fn is_listener(&self, address: SocketAddr) -> bool {
        let others = self.state.nodes().values().flat_map(|node| &node.sip);
        let mut all = self.config.listeners.iter().chain(others);
        let floats = self.state.home_of(address.ip()).is_some();
        all.any(|listener| {
            let same_port = listener.address.port() == address.port();
            listener.address == address || floats && same_port
        })
    }
}

/// The dialog that a request says it is in: our tag is in its To.
fn dialog_of(request: &Message) -> Option<DialogKey> {
    let local_tag = request.to().ok()?.tag()?.to_owned();
    Some(DialogKey {
        call_id: request.call_id()?.to_owned(),
        local_tag,
    })
}

/// The dialog that a response is in: our tag is in its From.
fn own_dialog_of(response: &Message) -> Option<DialogKey> {
    let local_tag = response.from().ok()?.tag()?.to_owned();
    Some(DialogKey {
        call_id: response.call_id()?.to_owned(),
        local_tag,
    })
}
