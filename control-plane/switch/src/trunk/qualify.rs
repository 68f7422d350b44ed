//! Asking carriers by OPTIONS whether they are there: one that does not answer is passed over by calls.

use std::collections::BTreeMap;

use carillon_model::{Random, TrunkId, TrunkOptions};
use carillon_sip::transaction::{ClientKey, Input, branch, tag};
use carillon_sip::{CSeq, Message, Method, Name, NameAddr, Uri, Via};

use super::client::PATIENCE_MS;
use crate::qualify::via_transport;
use crate::switch::Asker;
use crate::{Notice, Switch};

/// Carriers that are asked, and what came of it.
#[derive(Default)]
pub(super) struct Reach {
    known: BTreeMap<TrunkId, Known>,
    asked: BTreeMap<ClientKey, TrunkId>,
}

struct Known {
    next_ms: u64,
    /// The OPTIONS that is out, and until when it is waited for.
    out: Option<(ClientKey, u64)>,
    reachable: Option<bool>,
}

impl Reach {
    pub(super) fn next_ms(&self) -> Option<u64> {
        let due = |known: &Known| known.out.map_or(known.next_ms, |(_, until_ms)| until_ms);
        self.known.values().map(due).min()
    }
}

impl Switch {
    /// Whether a carrier answered when it was last asked; nothing where it never was.
    pub fn is_trunk_reachable(&self, trunk: TrunkId) -> Option<bool> {
        self.trunks.reach.known.get(&trunk)?.reachable
    }

    /// Asks the carriers whose time has come.
    pub(super) fn qualify_carriers(&mut self) {
        let state = self.state.clone();
        let now_ms = self.now_ms;
        let qualified = |trunk: &TrunkId| {
            let options = TrunkOptions::of(state.endpoint_of_trunk(*trunk)?);
            Some((options.qualify_ms?, options))
        };
        let gone = |trunk: &TrunkId| qualified(trunk).is_none();
        self.trunks.reach.known.retain(|trunk, _| !gone(trunk));
        for trunk in state.trunks().values() {
            let Some((interval_ms, options)) = qualified(&trunk.id) else {
                continue;
            };
            let known = self.trunks.reach.known.entry(trunk.id).or_insert(Known {
                next_ms: now_ms,
                out: None,
                reachable: None,
            });
            match known.out {
                Some((key, until_ms)) if until_ms <= now_ms => {
                    self.trunks.reach.asked.remove(&key);
                    self.abandon(key);
                    self.judge_trunk(trunk.id, false);
                }
                Some(_) => {}
                None if known.next_ms <= now_ms => {
                    known.next_ms = now_ms + interval_ms;
                    self.ask_whether_there(trunk, &options);
                }
                None => {}
            }
        }
    }

    fn ask_whether_there(&mut self, trunk: &carillon_model::Trunk, options: &TrunkOptions) {
        let Some(endpoint) = self.state.endpoint_of_trunk(trunk.id).cloned() else {
            return;
        };
        let way = self
            .ways_of_trunk(trunk, &endpoint, options)
            .and_then(|(_, ways)| ways.first().copied());
        let Some(flow) = way.and_then(|way| self.flow_to(&way)) else {
            return;
        };
        let key = ClientKey(self.draw());
        let via = Via::new(
            via_transport(flow.transport),
            flow.local,
            &branch(self.config.node, key),
        );
        let (own, target) = (Uri::sip("", flow.local), Uri::sip("", flow.peer));
        let tag = tag(self.config.node, &self.random.token(12));
        let mut message = Message::request(Method::Options, target.clone());
        let headers = &mut message.headers;
        headers.push(Name::Via, via);
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, NameAddr::new(own.clone()).with_tag(&tag));
        headers.push(Name::To, NameAddr::new(target));
        headers.push(Name::CallId, self.random.token(24));
        headers.push(Name::CSeq, CSeq::new(1, Method::Options));
        headers.push(Name::Contact, NameAddr::new(own));
        headers.push(Name::Accept, "application/sdp");
        if let Some(known) = self.trunks.reach.known.get_mut(&trunk.id) {
            known.out = Some((key, self.now_ms + PATIENCE_MS));
        }
        self.trunks.reach.asked.insert(key, trunk.id);
        self.clients.insert(key, Asker::Trunks);
        self.transactions
            .handle_input(self.now_ms, Input::Request { key, message, flow });
    }

    /// Whether a response, or the failure of a request, is about a carrier that was asked whether it is there. Any answer
    /// shows that somebody is.
    pub(super) fn is_about_reach(&mut self, key: ClientKey, reachable: bool) -> bool {
        let Some(trunk) = self.trunks.reach.asked.remove(&key) else {
            return false;
        };
        self.judge_trunk(trunk, reachable);
        true
    }

    fn judge_trunk(&mut self, trunk: TrunkId, reachable: bool) {
        let Some(known) = self.trunks.reach.known.get_mut(&trunk) else {
            return;
        };
        known.out = None;
        if known.reachable.replace(reachable) != Some(reachable) {
            self.tell(Notice::TrunkReachable { trunk, reachable });
        }
    }
}
