//! The media that the call declares, and what comes back of it.

use bytes::Bytes;
use carillon_model::MediaServerId;
use carillon_protocol::{
    Direction, DirectionQuality, Family, Link, Local, SessionDescriptor, SessionId, Termination,
};
use carillon_sip::{Name, Text};
use serde::{Deserialize, Serialize};

use crate::accept::Declined;
use crate::bye::Why;
use crate::call::Call;
use crate::offer::Stream;
use crate::phase::{Phase, RecordState};
use crate::refresh::Renew;
use crate::turn::Turn;
use crate::{LegId, MediaEvent, MediaReply, Output};

/// The caller's termination.
pub(crate) const CALLER: u8 = 0;
/// The callee's: one for each address family that its contacts have, until one of them answers.
pub(crate) const CALLEE_V4: u8 = 1;
pub(crate) const CALLEE_V6: u8 = 2;
/// Descriptors that are put between two stored values at most, with a margin.
const REVISION_BLOCK: u64 = 64;
/// When a caller may try again that found no media server.
const RETRY_AFTER_S: u32 = 5;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) server: Option<MediaServerId>,
    /// The last one that was put.
    revision: u64,
    /// The server's ports.
    locals: Vec<Local>,
    /// The fork whose media the caller hears before anybody has answered.
    pub(crate) early: Option<EarlyMedia>,
    /// What the server measured.
    pub(crate) quality: Vec<DirectionQuality>,
    released: bool,
    /// The session has other ports than before, and not every phone has accepted them.
    #[serde(default)]
    pub(crate) unsettled: bool,
    /// Another server is being looked for: what phones are to be told waits a moment for its ports.
    #[serde(skip)]
    pub(crate) awaited: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EarlyMedia {
    pub(crate) leg: LegId,
    pub(crate) remote_tag: Text,
    pub(crate) sdp: Bytes,
}

impl Media {
    pub(crate) fn local(&self, termination: u8) -> Option<Local> {
        self.locals
            .iter()
            .find(|local| local.id == termination)
            .copied()
    }

    /// A termination that was there before has other ports.
    fn moved(&self, locals: &[Local]) -> bool {
        locals
            .iter()
            .any(|local| self.local(local.id).is_some_and(|before| before != *local))
    }

    /// There is something to release.
    pub(crate) fn is_held(&self) -> bool {
        self.revision > 0 && !self.released
    }

    /// Leaves room for revisions that a former owner may have put after the value was stored.
    pub(crate) fn skip_revisions(&mut self) {
        self.revision += REVISION_BLOCK;
    }
}

impl Call {
    /// Declares the media of the call as it is now.
    pub(crate) fn put_media(&mut self) {
        if self.media.released {
            return;
        }
        self.media.revision += 1;
        let descriptor = self.descriptor();
        self.put(Output::Media(descriptor));
    }

    /// The server is lost to the call, or is to be left: what another one has to do. `None`: there is no session.
    pub fn move_media(&mut self) -> Option<SessionDescriptor> {
        if !self.media.is_held() {
            return None;
        }
        self.media.revision += 1;
        Some(self.descriptor())
    }

    /// For a call that is about to be [resumed](Call::resume): the server that carried it has gone.
    pub fn expect_media(&mut self) {
        self.media.awaited = true;
    }

    /// Whether every phone has been told of the ports that the session has now.
    #[must_use]
    pub fn is_media_settled(&self) -> bool {
        !self.media.unsettled
    }

    /// A phone does not accept the address that its media has moved to.
    #[must_use]
    pub fn is_one_way(&self) -> bool {
        self.callee_leg().is_some() && self.legs.values().any(|leg| leg.refuses_media)
    }

    pub(crate) fn release_media(&mut self) {
        if self.media.is_held() {
            self.media.released = true;
            self.put(Output::MediaRelease);
        }
    }

    /// The whole of what a media server has to do for the call.
    #[must_use]
    pub fn descriptor(&self) -> SessionDescriptor {
        let caller = self.caller_termination();
        let mut terminations = vec![caller];
        let mut links = Vec::new();
        let active = self.active_callee();
        for id in self.callee_terminations() {
            let mut termination = Termination::new(id, family_of(id));
            if let Some(stream) = active
                .as_ref()
                .filter(|(active, _)| *active == id)
                .map(|(_, stream)| stream)
            {
                describe(&mut termination, stream.clone());
                links = vec![
                    Link {
                        from: CALLER,
                        to: id,
                    },
                    Link {
                        from: id,
                        to: CALLER,
                    },
                ];
            }
            terminations.push(termination);
        }
        let both = terminations
            .iter()
            .all(|termination| termination.direction == Direction::SendRecv);
        let watched = both && self.callee_leg().is_some();
        SessionDescriptor {
            session: SessionId {
                call: self.id.0,
                part: 0,
            },
            epoch: self.epoch.0,
            revision: self.media.revision,
            terminations,
            links,
            rtp_timeout_ms: self.rtp_timeout_ms().filter(|_| watched),
        }
    }

    /// Silence that is told of. A carrier's own limit is that of the call: one limit is watched for both sides.
    fn rtp_timeout_ms(&self) -> Option<u64> {
        let limits = self.legs.values().filter_map(|leg| leg.rtp_timeout_ms());
        match limits.min() {
            None => self.policy.rtp_timeout_ms,
            Some(limit_ms) => Some(limit_ms).filter(|limit_ms| *limit_ms > 0),
        }
    }

    /// The silence of this party ends the call.
    fn ends_by_silence(&self, termination: u8) -> bool {
        let side = self.legs.get(&self.leg_at(termination));
        self.policy.rtp_timeout_ends_call
            || side
                .and_then(|leg| leg.rtp_timeout_ms())
                .is_some_and(|limit_ms| limit_ms > 0)
    }

    fn leg_at(&self, termination: u8) -> LegId {
        match self.callee_leg() {
            Some(callee) if termination != CALLER => callee,
            Some(_) | None => LegId::CALLER,
        }
    }

    fn caller_termination(&self) -> Termination {
        let leg = self.legs.get(&LegId::CALLER);
        let stream = leg.and_then(|leg| Stream::of_answer(leg.sdp.remote.as_ref()?).ok());
        let said = stream.as_ref().and_then(|stream| stream.remote);
        let reached = said
            .or(leg.map(|leg| leg.flow.peer))
            .unwrap_or(self.advertised);
        // The family must not change while the ports are kept.
        let family = self
            .media
            .local(CALLER)
            .map_or(Family::of(&reached), |local| Family::of(&local.rtp));
        let mut termination = Termination::new(CALLER, family);
        if let Some(stream) = stream {
            describe(&mut termination, stream);
        }
        termination
    }

    /// Whose media comes from the callee's side, and at which termination.
    fn active_callee(&self) -> Option<(u8, Stream)> {
        let (leg, sdp) = match self.callee_leg() {
            Some(callee) => (callee, self.legs.get(&callee)?.sdp.remote.as_ref()?),
            None => self
                .media
                .early
                .as_ref()
                .map(|early| (early.leg, &early.sdp))?,
        };
        let index = self.forks.iter().position(|fork| fork.leg == leg)?;
        Some((
            self.termination_of_fork(index),
            Stream::of_answer(sdp).ok()?,
        ))
    }

    fn callee_terminations(&self) -> Vec<u8> {
        let chosen = self.callee_leg();
        let mut ids: Vec<u8> = (0..self.forks.len())
            .filter(|index| chosen.is_none_or(|callee| self.forks[*index].leg == callee))
            .map(|index| self.termination_of_fork(index))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    pub(crate) fn termination_of_fork(&self, index: usize) -> u8 {
        match Family::of(&self.forks[index].target.flow.peer) {
            Family::V4 => CALLEE_V4,
            Family::V6 => CALLEE_V6,
        }
    }

    /// The ports of the media server for a leg.
    pub(crate) fn local_of(&self, leg: LegId) -> Option<Local> {
        if leg == LegId::CALLER {
            return self.media.local(CALLER);
        }
        let index = self.forks.iter().position(|fork| fork.leg == leg)?;
        self.media.local(self.termination_of_fork(index))
    }

    /// One side keeps the other from being heard.
    pub(crate) fn is_held(&self) -> bool {
        self.legs.values().any(|leg| {
            let stream = leg
                .sdp
                .remote
                .as_ref()
                .and_then(|sdp| Stream::of_answer(sdp).ok());
            stream.is_some_and(|stream| stream.holds)
        })
    }

    pub(crate) fn media_replied(&mut self, turn: &mut Turn<'_>, reply: MediaReply) {
        match reply {
            MediaReply::Established {
                server,
                revision,
                terminations,
            } => {
                if revision > self.media.revision || self.media.released {
                    return;
                }
                self.media.server = Some(server);
                let moved = self.media.moved(&terminations);
                self.media.locals = terminations;
                if let Phase::Placing { ring_ms, .. } = self.phase {
                    self.placed(turn, ring_ms);
                } else if moved || self.media.awaited {
                    self.ports_found(turn, moved);
                }
            }
            MediaReply::Refused { revision, .. } => {
                if revision.is_none() {
                    self.quality_known(Vec::new());
                } else {
                    self.no_media(turn);
                }
            }
            MediaReply::Unavailable => {
                self.no_media(turn);
                self.quality_known(Vec::new());
            }
            MediaReply::Released { quality } => self.quality_known(quality),
        }
    }

    /// Nobody relays the call: one in set-up is refused, one that talks keeps its dialogs.
    pub(crate) fn no_media(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.phase, Phase::Placing { .. }) {
            let declined = Declined::new(503).with(Name::RetryAfter, RETRY_AFTER_S.to_string());
            self.refuse_caller(turn, &declined);
        }
    }

    /// Its phone has not been heard of since the call has another owner. One that cannot be told of other ports until it comes by
    /// itself is silent there whatever it does.
    fn is_doubtful(&self, termination: u8) -> bool {
        let leg = self.leg_at(termination);
        let doubtful = self.legs.get(&leg).is_some_and(|side| {
            let unaware = side.lost && self.is_elsewhere(leg);
            side.renew == Renew::Owner && !unaware
        });
        self.callee_leg().is_some() && doubtful
    }

    fn quality_known(&mut self, quality: Vec<DirectionQuality>) {
        if !quality.is_empty() {
            self.media.quality = quality;
        }
        if let Phase::Ending {
            ending,
            record: RecordState::WaitsForQuality { .. },
        } = self.phase
        {
            self.phase = Phase::Ending {
                ending,
                record: RecordState::Due,
            };
        }
    }

    pub(crate) fn media_happened(&mut self, turn: &mut Turn<'_>, event: MediaEvent) {
        match event {
            MediaEvent::RtpTimeout { termination }
                if self.callee_leg().is_some() && self.ends_by_silence(termination) =>
            {
                self.finish(turn, Why::answered(41, "RTP time-out"));
            }
            MediaEvent::RtpTimeout { termination } if self.is_doubtful(termination) => {
                self.finish(turn, Why::answered(102, "The phone has gone"));
            }
            MediaEvent::RtpTimeout { .. } | MediaEvent::RtpResumed { .. } => {}
        }
    }
}

fn family_of(termination: u8) -> Family {
    if termination == CALLEE_V6 {
        Family::V6
    } else {
        Family::V4
    }
}

fn describe(termination: &mut Termination, stream: Stream) {
    let stream = stream.within(termination.family);
    termination.remote = stream.remote;
    termination.remote_rtcp = stream.remote_rtcp;
    termination.direction = stream.direction;
    termination.payloads = stream.payloads;
}
