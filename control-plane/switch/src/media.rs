//! Media servers: which one carries a call, and what it is told.

use carillon_call::{Call, Input, MediaEvent, MediaReply};
use carillon_model::{CallId, MediaServer, MediaServerId, MediaState};
use carillon_protocol::{Event, Reason, Reply, Request, SessionDescriptor, SessionId};

use crate::calls::Slot;
use crate::{Notice, Output, Switch};

/// A media server that says nothing for this long is given up for a call that it does not carry yet. As long a call
/// waits for one to be connected: the first moments of a node must not cost its first calls.
pub(crate) const REPLY_LIMIT_MS: u64 = 900;

/// The media session of a call.
#[derive(Default)]
pub(crate) struct MediaLink {
    /// Who carries it, or has been asked to.
    server: Option<MediaServerId>,
    /// Who has been asked before and did not.
    tried: Vec<MediaServerId>,
    /// What it was told last.
    descriptor: Option<SessionDescriptor>,
    /// It has answered once.
    established: bool,
    /// How long an answer is waited for.
    until_ms: Option<u64>,
    releasing: bool,
    /// The call wants it no more, and no server has said that it is gone.
    unwanted: bool,
}

impl MediaLink {
    /// Of a call that was read from the replica.
    pub(crate) fn resumed(call: &Call) -> Self {
        let server = call.media_server();
        Self {
            server,
            descriptor: server.map(|_| call.descriptor()),
            established: server.is_some(),
            ..Self::default()
        }
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.until_ms
    }

    pub(crate) fn is_releasing(&self) -> bool {
        self.releasing
    }
}

impl Switch {
    pub(crate) fn put_media(&mut self, slot: &mut Slot, descriptor: SessionDescriptor) {
        slot.media.descriptor = Some(descriptor);
        if slot.media.server.is_none() {
            slot.media.server = self.choose_server(slot);
        }
        self.describe_media(slot);
    }

    fn describe_media(&mut self, slot: &mut Slot) {
        slot.media.until_ms = Some(self.now_ms + REPLY_LIMIT_MS);
        let (Some(server), Some(descriptor)) = (slot.media.server, slot.media.descriptor.clone())
        else {
            return;
        };
        self.put(Output::Media {
            server,
            request: Request::Put(descriptor),
        });
    }

    /// Asks the media server for its figures and forgets the session.
    pub(crate) fn release_media(&mut self, slot: &mut Slot) {
        let Some(request) = release_of(slot) else {
            return slot.inputs.push_back(Input::Media(MediaReply::Released {
                quality: Vec::new(),
            }));
        };
        let Some(server) = slot.media.server else {
            return;
        };
        slot.media.releasing = true;
        slot.media.unwanted = true;
        slot.media.until_ms = Some(self.now_ms + REPLY_LIMIT_MS);
        self.put(Output::Media { server, request });
    }

    /// Forgets the session without waiting for anything.
    pub(crate) fn abandon_media(&mut self, slot: &mut Slot) {
        if let (Some(request), Some(server)) = (release_of(slot), slot.media.server.take()) {
            self.put(Output::Media { server, request });
        }
        slot.media.until_ms = None;
        slot.media.releasing = false;
    }

    pub(crate) fn media_said(&mut self, server: MediaServerId, reply: Reply) {
        let Some(SessionId { call, part: _ }) = reply.session() else {
            return;
        };
        let id = CallId(call);
        if self.calls.get(id).is_none() {
            return self.release_unknown(server, &reply);
        }
        self.with_call(id, |switch, slot| {
            if slot.media.server == Some(server) {
                switch.server_of_call_said(slot, server, reply);
            } else {
                switch.release_unknown(server, &reply);
            }
        });
    }

    fn server_of_call_said(&mut self, slot: &mut Slot, server: MediaServerId, reply: Reply) {
        match reply {
            Reply::Established {
                session: _,
                revision,
                terminations,
            } => {
                let latest = slot
                    .media
                    .descriptor
                    .as_ref()
                    .map(|descriptor| descriptor.revision);
                if latest == Some(revision) && !slot.media.releasing {
                    slot.media.until_ms = None;
                }
                slot.media.established = true;
                let reply = MediaReply::Established {
                    server,
                    revision,
                    terminations,
                };
                slot.inputs.push_back(Input::Media(reply));
            }
            Reply::Refused {
                reason: Reason::Fenced { .. },
                ..
            } => self.lose(slot),
            Reply::Refused {
                session: _,
                revision,
                reason,
            } => {
                self.tell(Notice::MediaRefused {
                    call: slot.call.id(),
                    server,
                });
                let elsewhere = match &reason {
                    Reason::NoPorts | Reason::Full | Reason::Draining | Reason::NoAddress => true,
                    Reason::Fenced { .. }
                    | Reason::Stale { .. }
                    | Reason::Conflict
                    | Reason::Bad(_) => false,
                };
                if elsewhere
                    && !slot.media.established
                    && !slot.media.releasing
                    && self.next_server(slot)
                {
                    return;
                }
                slot.media.until_ms = None;
                slot.media.releasing = false;
                slot.inputs.push_back(Input::Media(MediaReply::Refused {
                    server,
                    revision,
                    reason,
                }));
            }
            Reply::Released {
                session: _,
                quality,
            }
            | Reply::Event(Event::Reaped {
                session: _,
                quality,
            }) => {
                slot.media.until_ms = None;
                slot.media.releasing = false;
                slot.media.server = None;
                slot.media.descriptor = None;
                slot.inputs
                    .push_back(Input::Media(MediaReply::Released { quality }));
            }
            Reply::Event(Event::RtpTimeout {
                session: _,
                termination,
                silent_ms: _,
            }) => {
                slot.inputs
                    .push_back(Input::MediaEvent(MediaEvent::RtpTimeout { termination }));
            }
            Reply::Event(Event::RtpResumed {
                session: _,
                termination,
            }) => {
                slot.inputs
                    .push_back(Input::MediaEvent(MediaEvent::RtpResumed { termination }));
            }
            Reply::Event(Event::Draining { .. } | Event::Drained)
            | Reply::Inventory { .. }
            | Reply::Pong(_) => {}
        }
    }

    /// A server holds a session that no call of ours has there: it was given up meanwhile. Sessions of other nodes'
    /// calls are fenced by their epoch.
    fn release_unknown(&mut self, server: MediaServerId, reply: &Reply) {
        let Reply::Established { session, .. } = reply else {
            return;
        };
        let stored = self.state.calls().get(&CallId(session.call));
        if stored.is_none_or(|call| call.owner == self.config.node) {
            let epoch = stored.map_or(1, |call| call.epoch.0);
            self.put(Output::Media {
                server,
                request: Request::Release {
                    session: *session,
                    epoch,
                },
            });
        }
    }

    /// Asks another server; says whether there is one.
    fn next_server(&mut self, slot: &mut Slot) -> bool {
        if let (Some(request), Some(server)) = (release_of(slot), slot.media.server) {
            slot.media.tried.push(server);
            self.put(Output::Media { server, request });
        }
        slot.media.server = self.choose_server(slot);
        let found = slot.media.server.is_some();
        if found {
            self.describe_media(slot);
        }
        found
    }

    /// A media server has been silent for too long.
    pub(crate) fn media_due(&mut self, slot: &mut Slot) {
        if slot
            .media
            .until_ms
            .is_none_or(|until_ms| until_ms > self.now_ms)
        {
            return;
        }
        slot.media.until_ms = None;
        if slot.media.releasing {
            slot.media.releasing = false;
            slot.inputs.push_back(Input::Media(MediaReply::Released {
                quality: Vec::new(),
            }));
        } else if !slot.media.established {
            if let Some(server) = slot.media.server {
                self.tell(Notice::MediaRefused {
                    call: slot.call.id(),
                    server,
                });
            }
            if !self.next_server(slot) {
                slot.inputs.push_back(Input::Media(MediaReply::Unavailable));
            }
        }
    }

    /// A server can be talked to: what it is to do is said again, whole.
    pub(crate) fn media_server_up(&mut self, server: MediaServerId) {
        self.media_up.insert(server);
        for id in self.calls_on(server) {
            self.with_call(id, |switch, slot| {
                let request = match (&slot.media.descriptor, slot.media.unwanted) {
                    (Some(descriptor), false) => Some(Request::Put(descriptor.clone())),
                    (_, true) => release_of(slot),
                    (None, false) => None,
                };
                if let Some(request) = request {
                    switch.put(Output::Media { server, request });
                }
            });
        }
        self.serve_waiting();
    }

    /// Calls that it does not carry yet ask another one; the others go on, since their media does.
    pub(crate) fn media_server_down(&mut self, server: MediaServerId) {
        self.media_up.remove(&server);
        for id in self.calls_on(server) {
            self.with_call(id, |switch, slot| {
                let waits = slot.media.until_ms.is_some();
                if waits
                    && !slot.media.established
                    && !slot.media.releasing
                    && !switch.next_server(slot)
                {
                    slot.media.until_ms = None;
                    slot.inputs.push_back(Input::Media(MediaReply::Unavailable));
                }
            });
        }
    }

    /// Calls that found no server ask again.
    fn serve_waiting(&mut self) {
        let waiting: Vec<CallId> = self
            .calls
            .values()
            .filter(|slot| slot.media.server.is_none() && slot.media.until_ms.is_some())
            .map(|slot| slot.call.id())
            .collect();
        for id in waiting {
            self.with_call(id, |switch, slot| {
                slot.media.server = switch.choose_server(slot);
                if slot.media.server.is_some() {
                    switch.describe_media(slot);
                }
            });
        }
    }

    fn calls_on(&self, server: MediaServerId) -> Vec<CallId> {
        let on_it = self
            .calls
            .values()
            .filter(|slot| slot.media.server == Some(server));
        on_it.map(|slot| slot.call.id()).collect()
    }

    /// One of the caller's site if there is any, by weight.
    fn choose_server(&mut self, slot: &Slot) -> Option<MediaServerId> {
        let state = self.state.clone();
        let usable = |server: &&MediaServer| {
            server.state == MediaState::Active
                && server.weight > 0
                && self.media_up.contains(&server.id)
                && !slot.media.tried.contains(&server.id)
        };
        let all: Vec<&MediaServer> = state
            .media_servers()
            .values()
            .map(AsRef::as_ref)
            .filter(usable)
            .collect();
        let near: Vec<&MediaServer> = all
            .iter()
            .copied()
            .filter(|server| Some(server.site) == slot.site)
            .collect();
        let candidates = if near.is_empty() { all } else { near };
        let total: u64 = candidates
            .iter()
            .map(|server| u64::from(server.weight))
            .sum();
        let mut ticket = self.draw().checked_rem(total)?;
        for server in candidates {
            let weight = u64::from(server.weight);
            if ticket < weight {
                return Some(server.id);
            }
            ticket -= weight;
        }
        None
    }
}

fn release_of(slot: &Slot) -> Option<Request> {
    slot.media.server?;
    let descriptor = slot.media.descriptor.as_ref()?;
    Some(Request::Release {
        session: descriptor.session,
        epoch: descriptor.epoch,
    })
}
