//! Media servers: which one carries a call, and what it is told.

use std::collections::VecDeque;

use carillon_call::{Call, Input, MediaEvent, MediaReply};
use carillon_model::{CallId, MediaServer, MediaServerId, MediaState};
use carillon_protocol::{Event, Reason, Reply, Request, SessionDescriptor, SessionId};

use crate::calls::Slot;
use crate::moves::Leaving;
use crate::{Notice, Output, Switch};

/// A media server that says nothing for this long is given up for a call that it does not carry yet. As long a call
/// waits for one to be connected: the first moments of a node must not cost its first calls.
pub(crate) const REPLY_LIMIT_MS: u64 = 900;

/// A session that no other server takes is offered again after this.
const RETRY_MS: u64 = 1_000;

/// Sessions of ended calls whose release is remembered; past that the media servers reap the oldest themselves.
const UNRELEASED_MAX: usize = 1_024;

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
    /// Servers that carried it before and may still do: released when the phones have left them.
    left: Vec<MediaServerId>,
    /// The phones are not all told yet where it has moved to.
    moving: Option<Moving>,
    /// A phone is known to refuse that.
    one_way: bool,
}

/// A session on its way to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moving {
    pub(crate) why: Leaving,
    pub(crate) since_ms: u64,
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

    /// The server that the phones' media goes through, once there is one.
    pub(crate) fn carrier(&self) -> Option<MediaServerId> {
        self.server
            .filter(|_| self.established && !self.releasing && !self.unwanted)
    }
}

impl Switch {
    pub(crate) fn put_media(&mut self, slot: &mut Slot, descriptor: SessionDescriptor) {
        let latest = slot.media.descriptor.as_ref();
        if latest.is_some_and(|latest| latest.revision > descriptor.revision) {
            // The session has moved while this one waited for a commit.
            return;
        }
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
        // One that cannot be reached is told everything when it can.
        if self.media_up.contains(&server) {
            self.put(Output::Media {
                server,
                request: Request::Put(descriptor),
            });
        }
    }

    /// Asks the media server for its figures and forgets the session.
    pub(crate) fn release_media(&mut self, slot: &mut Slot) {
        self.release_left(slot);
        self.release_left_later(slot);
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
        self.release_left(slot);
        self.release_left_later(slot);
        if let (Some(request), Some(server)) = (release_of(slot), slot.media.server.take()) {
            self.put(Output::Media { server, request });
        }
        slot.media.until_ms = None;
        slot.media.releasing = false;
    }

    /// The call is another node's, which does not know of servers that it was moved to here. The one that it was on before
    /// may carry it still, and is the new owner's to release; where that one uses another of them, the epoch guards it.
    pub(crate) fn forsake_media(&mut self, slot: &mut Slot) {
        let Some(request) = request_of_release(slot) else {
            return;
        };
        let stored = self.state.calls().get(&slot.call.id());
        let kept = stored.and_then(|stored| stored.summary.media_server);
        let known = std::mem::take(&mut slot.media.left)
            .into_iter()
            .chain(slot.media.server.take());
        for server in known.skip(1) {
            if Some(server) != kept && self.media_up.contains(&server) {
                self.put(Output::Media {
                    server,
                    request: request.clone(),
                });
            }
        }
    }

    pub(crate) fn media_said(&mut self, server: MediaServerId, reply: Reply) {
        if let Reply::Event(Event::Draining { .. }) = reply {
            return self.server_drains(server);
        }
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
            } else if !slot.media.left.contains(&server) {
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
                if self.why_leave(server).is_some() {
                    self.moves.look_at(self.now_ms);
                }
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
        if slot.media.server.is_some() {
            self.describe_media(slot);
        }
        slot.media.server.is_some() || self.stay(slot)
    }

    /// No other server takes a session that has a server already: it stays there, whether that lives or not.
    fn stay(&mut self, slot: &mut Slot) -> bool {
        let Some(former) = slot.media.left.pop() else {
            return false;
        };
        slot.media.server = Some(former);
        slot.media.established = true;
        slot.media.until_ms = None;
        slot.media.moving = None;
        if self.media_up.contains(&former)
            && let Some(descriptor) = slot.call.move_media()
        {
            self.put_media(slot, descriptor);
        }
        self.moves.look_at(self.now_ms + RETRY_MS);
        true
    }

    /// Begins to move a session to another server; says whether there is one.
    pub(crate) fn move_media(&mut self, slot: &mut Slot) -> bool {
        let Some(former) = slot.media.carrier() else {
            return false;
        };
        let Some(why) = self.why_leave(former) else {
            return false;
        };
        slot.media.tried.clear();
        let Some(next) = self.choose_server(slot) else {
            return false;
        };
        let Some(descriptor) = slot.call.move_media() else {
            return false;
        };
        slot.media.left.retain(|left| *left != next);
        slot.media.left.push(former);
        let since_ms = self.moves.lost_since_ms(former).unwrap_or(self.now_ms);
        slot.media.moving.get_or_insert(Moving { why, since_ms });
        slot.media.server = Some(next);
        slot.media.established = false;
        slot.media.descriptor = Some(descriptor);
        self.describe_media(slot);
        true
    }

    /// Looks whether the phones have followed their media: only then the former server may forget it.
    pub(crate) fn follow_move(&mut self, slot: &mut Slot) {
        let one_way = slot.call.is_one_way();
        if std::mem::replace(&mut slot.media.one_way, one_way) != one_way && one_way {
            self.tell(Notice::CallOneWay {
                call: slot.call.id(),
            });
        }
        if !slot.media.established || !slot.call.is_media_settled() {
            return;
        }
        if let Some(Moving { why, since_ms }) = slot.media.moving.take() {
            self.tell(Notice::MediaMoved {
                call: slot.call.id(),
                from: slot.media.left.last().copied(),
                why,
                after_ms: self.now_ms.saturating_sub(since_ms),
            });
            self.release_left(slot);
        }
    }

    /// Tells servers that carried the session before to forget it; those that do not hear it are told when they do.
    fn release_left(&mut self, slot: &mut Slot) {
        let Some(request) = request_of_release(slot) else {
            return;
        };
        let left = std::mem::take(&mut slot.media.left);
        for server in left {
            if self.media_up.contains(&server) {
                self.put(Output::Media {
                    server,
                    request: request.clone(),
                });
            } else {
                slot.media.left.push(server);
            }
        }
    }

    /// The call ends, and servers that carried it before have not been reached: they are told when they are.
    fn release_left_later(&mut self, slot: &mut Slot) {
        let Some(request) = request_of_release(slot) else {
            return;
        };
        for server in std::mem::take(&mut slot.media.left) {
            if self.unreleased.len() >= UNRELEASED_MAX {
                self.unreleased.pop_front();
            }
            self.unreleased.push_back((server, request.clone()));
        }
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
        self.server_found(server);
        let (due, kept) = std::mem::take(&mut self.unreleased)
            .into_iter()
            .partition::<VecDeque<_>, _>(|(of, _)| *of == server);
        self.unreleased = kept;
        for (server, request) in due {
            self.put(Output::Media { server, request });
        }
        for id in self.calls_that_left(server) {
            self.with_call(id, |switch, slot| {
                if slot.media.moving.is_none() {
                    switch.release_left(slot);
                }
            });
        }
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

    /// Calls that it does not carry yet ask another one at once; those that it carries are moved in their order.
    pub(crate) fn media_server_down(&mut self, server: MediaServerId) {
        self.media_up.remove(&server);
        self.server_lost(server);
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

    fn calls_that_left(&self, server: MediaServerId) -> Vec<CallId> {
        let slots = self.calls.values();
        let were_there = slots.filter(|slot| slot.media.left.contains(&server));
        were_there.map(|slot| slot.call.id()).collect()
    }

    fn calls_on(&self, server: MediaServerId) -> Vec<CallId> {
        let on_it = self
            .calls
            .values()
            .filter(|slot| slot.media.server == Some(server));
        on_it.map(|slot| slot.call.id()).collect()
    }

    /// One of the caller's site if there is any, by weight; never the one that it has.
    fn choose_server(&mut self, slot: &Slot) -> Option<MediaServerId> {
        let state = self.state.clone();
        let usable = |server: &&MediaServer| {
            server.state == MediaState::Active
                && server.weight > 0
                && self.media_up.contains(&server.id)
                && self.why_leave(server.id).is_none()
                && slot.media.server != Some(server.id)
                && !slot.media.tried.contains(&server.id)
        };
        let current = slot
            .media
            .server
            .and_then(|id| state.media_servers().get(&id));
        let site = slot.site.or(current.map(|server| server.site));
        let all: Vec<&MediaServer> = state
            .media_servers()
            .values()
            .map(AsRef::as_ref)
            .filter(usable)
            .collect();
        let near: Vec<&MediaServer> = all
            .iter()
            .copied()
            .filter(|server| Some(server.site) == site)
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
    request_of_release(slot)
}

fn request_of_release(slot: &Slot) -> Option<Request> {
    let descriptor = slot.media.descriptor.as_ref()?;
    Some(Request::Release {
        session: descriptor.session,
        epoch: descriptor.epoch,
    })
}
