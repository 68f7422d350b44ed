//! Doing what a call wants done, in its order.

use carillon_call::{Input, LegId, Output, Refusal, Route};
use carillon_model::Flow;
use carillon_sip::transaction::{self, ServerKey, response_flow};
use carillon_sip::{Message, Method};

use crate::calls::Slot;
use crate::heirs::{HELD_MS, HeldRefusal};
use crate::switch::Asker;
use crate::{Notice, Switch};

impl Switch {
    /// Does what is not behind a barrier.
    pub(crate) fn perform(&mut self, slot: &mut Slot) {
        while !slot.commits.is_blocked() && !slot.lost {
            let Some(output) = slot.queue.pop_front() else {
                break;
            };
            match output {
                Output::Respond {
                    leg,
                    transaction,
                    message,
                    flow,
                } => {
                    self.respond_for(slot, leg, transaction, message, flow);
                }
                Output::Request {
                    leg,
                    transaction,
                    message,
                    flow,
                } => {
                    if let Some((flow, advertised)) = self.detour_of(slot, &message, &flow) {
                        slot.inputs.push_back(Input::Unsent {
                            leg,
                            transaction,
                            flow,
                            advertised,
                        });
                        continue;
                    }
                    self.clients
                        .insert(transaction, Asker::Leg(slot.call.id(), leg));
                    let input = transaction::Input::Request {
                        key: transaction,
                        message,
                        flow,
                    };
                    self.transactions.handle_input(self.now_ms, input);
                }
                Output::Adopt {
                    leg,
                    transaction,
                    message,
                    flow,
                } => {
                    self.clients
                        .insert(transaction, Asker::Leg(slot.call.id(), leg));
                    let input = transaction::Input::AdoptClient {
                        key: transaction,
                        message,
                        flow,
                    };
                    self.transactions.handle_input(self.now_ms, input);
                }
                Output::Abandon { transaction } => {
                    self.clients.remove(&transaction);
                    let input = transaction::Input::AbandonClient { key: transaction };
                    self.transactions.handle_input(self.now_ms, input);
                }
                Output::Ack {
                    leg: _,
                    message,
                    flow,
                } => {
                    self.put(crate::Output::Send {
                        flow,
                        bytes: message.to_bytes(),
                    });
                }
                Output::Route { number, context } => {
                    let route = self.route(slot, &number, &context);
                    if self.may_be_behind(slot, &route) {
                        slot.queue.push_front(Output::Route { number, context });
                        self.commit(slot);
                        continue;
                    }
                    slot.inputs.push_back(Input::Routed(route));
                }
                Output::Media(descriptor) => self.put_media(slot, descriptor),
                Output::MediaRelease => self.release_media(slot),
                Output::Commit => self.commit(slot),
                Output::CommitLazily => self.commit_lazily(slot),
                Output::Record(record) => self.record(slot, record),
                Output::Ended => {}
            }
        }
    }

    /// Another node may have told a phone or a script that it is known, and this one has not heard of it yet. Once the call
    /// is stored, all that was acknowledged before it is known here.
    fn may_be_behind(&self, slot: &Slot, route: &Result<Route, Refusal>) -> bool {
        let unknown = matches!(route, Err(refusal) if matches!(refusal.code, 404 | 480));
        unknown && self.quorum && !slot.recorded && slot.commits.is_untried()
    }

    fn respond_for(
        &mut self,
        slot: &mut Slot,
        leg: LegId,
        key: ServerKey,
        message: Message,
        flow: Flow,
    ) {
        let (Some(code), Ok(cseq)) = (message.status(), message.cseq()) else {
            return;
        };
        let invite = cseq.method == Method::Invite;
        if leg == LegId::CALLER && invite && self.is_heirs_to_refuse(slot, code) {
            let until_ms = self.now_ms + HELD_MS;
            let refusal = HeldRefusal {
                key,
                message,
                until_ms,
            };
            self.heirs.held.insert(slot.call.id(), refusal);
            return;
        }
        if leg == LegId::CALLER && invite && code > 100 {
            self.note_progress(slot, code);
        }
        if !self.transactions.has_server(&key) {
            // The request came to another node, or to an earlier life of this one.
            let flow = message.via().map_or(flow, |via| response_flow(&via, &flow));
            if !invite {
                return self.put(crate::Output::Send {
                    flow,
                    bytes: message.to_bytes(),
                });
            }
            let input = transaction::Input::AdoptServer {
                key: key.clone(),
                flow,
            };
            self.transactions.handle_input(self.now_ms, input);
            self.servers.insert(key.clone(), (slot.call.id(), leg));
        }
        self.transactions
            .handle_input(self.now_ms, transaction::Input::Respond { key, message });
        if code >= 200 {
            self.tell(Notice::Answered {
                method: cseq.method,
                code,
            });
        }
    }

    /// A call in set-up may have an heir that rings its phones: what they answer to that here is no refusal of theirs. It
    /// waits until the cluster has taken our record of the call. Only who gives up by itself hears so at once.
    fn is_heirs_to_refuse(&self, slot: &Slot, code: u16) -> bool {
        let refuses = code >= 300 && code != 487 && slot.is_stored() && !self.is_tenured();
        refuses && slot.call.summary().answered_at_ms.is_none()
    }

    fn note_progress(&mut self, slot: &mut Slot, code: u16) {
        let first = !slot.progressed;
        let answered = (200..300).contains(&code);
        if first || (answered && slot.invite.is_some()) {
            let since_start_ms = self.now_ms.saturating_sub(slot.started_ms);
            self.tell(Notice::CallProgressed {
                call: slot.call.id(),
                code,
                since_start_ms,
            });
        }
        slot.progressed = true;
        if code >= 200 {
            slot.invite = None;
        }
    }
}
