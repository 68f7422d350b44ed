//! A pretended media server.

use std::collections::BTreeMap;

use carillon_model::MediaServerId;
use carillon_protocol::{
    DirectionQuality, Local, Reason, Reply, Request, SessionDescriptor, SessionId,
};

/// A media server that holds what it is told.
#[derive(Default)]
pub(crate) struct FakeServer {
    pub(crate) sessions: BTreeMap<SessionId, SessionDescriptor>,
    pub(crate) refuses: Option<Reason>,
    pub(crate) silent: bool,
    pub(crate) puts: usize,
    /// The calls of the sessions, as they came.
    pub(crate) order: Vec<u128>,
}

impl FakeServer {
    pub(crate) fn take(&mut self, id: MediaServerId, request: Request) -> Option<Reply> {
        match request {
            Request::Put(descriptor) => {
                self.puts += 1;
                let (session, revision) = (descriptor.session, descriptor.revision);
                if self.silent {
                    return None;
                }
                if let Some(reason) = self.refuses.clone() {
                    return Some(Reply::Refused {
                        session,
                        revision: Some(revision),
                        reason,
                    });
                }
                let terminations = descriptor
                    .terminations
                    .iter()
                    .map(|termination| local(id, termination.id));
                let terminations = terminations.collect();
                if self.sessions.insert(session, descriptor).is_none() {
                    self.order.push(session.call);
                }
                Some(Reply::Established {
                    session,
                    revision,
                    terminations,
                })
            }
            Request::Release { session, epoch: _ } => {
                let held = self.sessions.remove(&session);
                let terminations = held.map(|held| held.terminations).unwrap_or_default();
                let quality = terminations.iter().map(|termination| DirectionQuality {
                    termination: termination.id,
                    packets: 50,
                    ..DirectionQuality::default()
                });
                let quality = quality.collect();
                (!self.silent).then_some(Reply::Released { session, quality })
            }
            Request::Inventory { .. } | Request::Drain | Request::Resume | Request::Ping => None,
        }
    }
}

fn local(server: MediaServerId, termination: u8) -> Local {
    let port = 10_000 + 2 * u16::from(termination);
    let address = |port| format!("10.2.0.{server}:{port}").parse().unwrap();
    Local {
        id: termination,
        rtp: address(port),
        rtcp: address(port + 1),
    }
}
