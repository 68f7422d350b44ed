//! What the brain does, as metrics, logs and traces tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon_model::{
    CallCommand, CallDirection, CallId, CallRecord, CallStatus, Command, MediaServerId, State,
};
use carillon_switch::{Distrust, Leaving, Notice, Switch};
use carillon_telemetry::metrics::{AuthFailure, CallResult, Direction, Moved};
use carillon_telemetry::{Metrics, PROGRESS, call_span, traces_are_collected};
use tokio::sync::watch;
use tracing::Span;

use crate::brain::{Live, addresses, trunks};
use crate::sockets::Sockets;

/// Calls whose span is kept open; more are told without one.
const SPANS_MAX: usize = 50_000;

pub(crate) struct Observer {
    metrics: Metrics,
    spans: BTreeMap<CallId, Span>,
    live: watch::Sender<Live>,
    /// Names of the trunks that have gauges.
    trunks: BTreeSet<String>,
    /// Names of the nodes whose floating addresses have gauges.
    homes: BTreeSet<String>,
    /// How long media servers had not been heard when their loss was noticed.
    silences: BTreeMap<MediaServerId, Duration>,
}

impl Observer {
    pub(crate) fn new(metrics: Metrics, live: watch::Sender<Live>) -> Self {
        Self {
            metrics,
            spans: BTreeMap::new(),
            live,
            trunks: BTreeSet::new(),
            homes: BTreeSet::new(),
            silences: BTreeMap::new(),
        }
    }

    /// Counts what the switch noticed, and tells it. Addresses and numbers appear at the debug level only.
    pub(crate) fn notice(&mut self, notice: &Notice, sockets: &Sockets) {
        match notice {
            Notice::Answered { method, code } => {
                self.metrics.sip.answered(method.as_str(), *code);
            }
            Notice::CallStarted { call } => {
                self.begin(*call);
                self.of_call(*call, || tracing::info!("call started"));
            }
            Notice::CallProgressed {
                call,
                code,
                since_start_ms,
            } => {
                self.progressed(*code, *since_start_ms);
                self.of_call(*call, || {
                    tracing::info!(target: PROGRESS, code, since_start_ms, "call progressed");
                });
            }
            Notice::CallRecorded { record } => self.recorded(record),
            Notice::CallUnprotected { call, refused } => {
                self.metrics.call.unprotected.increment();
                self.of_call(*call, || tracing::warn!(refused, "no quorum for the call"));
            }
            Notice::RegistrationUnprotected { endpoint } => {
                self.metrics.sip.unprotected_registrations.increment();
                tracing::debug!(%endpoint, "no quorum for the registration");
            }
            Notice::CallFenced { call } => {
                self.metrics.call.fenced.increment();
                self.of_call(*call, || tracing::warn!("another node owns the call"));
                self.spans.remove(call);
            }
            Notice::CallResumed { call } => {
                self.begin(*call);
                self.of_call(*call, || {
                    tracing::info!("call goes on after a start of the node")
                });
            }
            Notice::CallTakenOver { call } => {
                self.begin(*call);
                self.metrics.call.taken_over.increment();
                self.of_call(*call, || tracing::info!("call taken over from a lost node"));
            }
            Notice::ClaimLost { call } => {
                self.metrics.call.claims_lost.increment();
                self.of_call(*call, || tracing::debug!("another heir was faster"));
            }
            Notice::Stopped { for_ms } => {
                self.metrics.call.stopped.increment();
                tracing::warn!(
                    for_ms,
                    "the process was stopped; its calls may be another's"
                );
            }
            Notice::CallUnreadable { call } => {
                self.of_call(*call, || tracing::error!("the stored call cannot be read"));
            }
            Notice::Malformed { flow, why } => {
                sockets.offended(flow.transport, flow.peer.ip());
                tracing::debug!(peer = %flow.peer, why, "malformed message");
            }
            Notice::Distrusted { flow, why } => {
                self.metrics.sip.auth_failed(failure(*why));
                tracing::debug!(peer = %flow.peer, ?why, "credentials did not hold");
            }
            Notice::SourceBlocked { flow, for_ms } => {
                tracing::info!(for_ms, "a source failed to authenticate too often");
                tracing::debug!(peer = %flow.peer, "the source");
            }
            Notice::Reachable {
                endpoint,
                reachable,
            } => {
                tracing::info!(%endpoint, reachable, "a contact's reachability changed");
            }
            Notice::AddressHeld { home, epoch, own } => {
                if !own {
                    self.metrics.address.taken_over.increment();
                }
                self.metrics.address.unavailable.set(0);
                tracing::info!(%home, %epoch, own, "this node has the floating address");
            }
            // Its cause was told where it is known.
            Notice::AddressFailed { home } => {
                self.metrics.address.failures.increment();
                self.metrics.address.unavailable.set(1);
                tracing::debug!(%home, "a floating address is not held here");
            }
            Notice::AddressGivenBack { home } => {
                tracing::info!(%home, "this node has given the floating address back");
            }
            Notice::TrunkOwned { trunk, epoch } => {
                tracing::info!(%trunk, %epoch, "this node registers the trunk");
            }
            Notice::TrunkReachable { trunk, reachable } => {
                tracing::info!(%trunk, reachable, "a carrier's reachability changed");
            }
            Notice::TrunkAnswered {
                trunk,
                registered: true,
                code: _,
            } => tracing::info!(%trunk, "the carrier has registered the trunk"),
            Notice::TrunkAnswered { trunk, code, .. } => {
                tracing::warn!(%trunk, ?code, "the carrier has not registered the trunk");
            }
            Notice::MediaMoved {
                call,
                from,
                why,
                after_ms,
            } => {
                self.media_moved(*from, *why, *after_ms);
                self.of_call(*call, || {
                    tracing::info!(?why, after_ms, "the media goes another way")
                });
            }
            Notice::CallOneWay { call } => {
                self.metrics.call.one_way.increment();
                self.of_call(*call, || {
                    tracing::warn!("a phone refuses the new way of its media")
                });
            }
            Notice::MediaRefused { call, server } => {
                self.of_call(
                    *call,
                    || tracing::warn!(%server, "a media server refused the session"),
                );
            }
        }
    }

    pub(crate) fn server_lost(&mut self, server: MediaServerId, silent: Duration) {
        self.silences.insert(server, silent);
    }

    fn media_moved(&mut self, from: Option<MediaServerId>, why: Leaving, after_ms: u64) {
        let media = &self.metrics.media;
        match why {
            Leaving::Lost => {
                media.moved(Moved::Lost).increment();
                let unheard = from.and_then(|server| self.silences.get(&server));
                let gap = Duration::from_millis(after_ms) + unheard.copied().unwrap_or_default();
                media.gap_seconds.observe(gap.as_secs_f64());
            }
            Leaving::Drained => media.moved(Moved::Drained).increment(),
        }
    }

    fn begin(&mut self, call: CallId) {
        if self.spans.len() < SPANS_MAX {
            self.spans.insert(call, call_span(call.0, &call));
        }
    }

    /// The span of a call, or a passing one for a call of another node.
    fn span(&self, call: CallId) -> Span {
        let kept = self.spans.get(&call).cloned();
        kept.unwrap_or_else(|| call_span(call.0, &call))
    }

    fn of_call(&self, call: CallId, tell: impl FnOnce()) {
        self.span(call).in_scope(tell);
    }

    /// Commands go to the quorum: a span in the trace of each call among them, to be kept until they are committed.
    pub(crate) fn proposing(&self, command: &Command) -> Vec<Span> {
        // No line is written in it: only a trace shows it.
        if !traces_are_collected() {
            return Vec::new();
        }
        let commands = match command {
            Command::Batch(commands) => commands.as_slice(),
            alone => std::slice::from_ref(alone),
        };
        let calls = commands.iter().filter_map(call_of);
        calls
            .map(|call| tracing::info_span!(parent: &self.span(call), "commit"))
            .collect()
    }

    fn progressed(&self, code: u16, since_start_ms: u64) {
        let seconds = since_start_ms as f64 / 1000.0;
        match code {
            100..=199 => self.metrics.call.post_dial_delay_seconds.observe(seconds),
            200..=299 => self.metrics.call.setup_seconds.observe(seconds),
            _ => {}
        }
    }

    fn recorded(&mut self, record: &CallRecord) {
        let direction = match record.direction {
            CallDirection::Internal => Direction::Internal,
            CallDirection::Inbound => Direction::Inbound,
            CallDirection::Outbound => Direction::Outbound,
        };
        let result = match record.status {
            CallStatus::Answered => CallResult::Answered,
            CallStatus::Busy => CallResult::Busy,
            CallStatus::NoAnswer => CallResult::NoAnswer,
            CallStatus::Cancelled => CallResult::Cancelled,
            CallStatus::Failed => CallResult::Failed,
        };
        self.metrics.call.ended(direction, result);
        let directions = [&record.caller_quality, &record.callee_quality];
        let heard = directions
            .into_iter()
            .flatten()
            .filter(|quality| quality.packets > 0);
        for quality in heard {
            self.metrics
                .call
                .mos
                .observe(f64::from(quality.mos_hundredths) / 100.0);
        }
        let since_start_ms = |at_ms: u64| at_ms.saturating_sub(record.started_at_ms);
        let (setup_ms, code) = (record.answered_at_ms.map(since_start_ms), record.cause.sip);
        let lasted_ms = since_start_ms(record.ended_at_ms);
        self.of_call(record.call, || {
            tracing::info!(?result, code, setup_ms, lasted_ms, "call over");
        });
        self.spans.remove(&record.call);
    }

    /// Reads the gauges.
    pub(crate) fn look(&mut self, switch: &Switch, state: &State, sockets: &Sockets) {
        let load = switch.load();
        self.metrics.call.active.set(load.calls as u64);
        self.metrics
            .sip
            .transactions_active
            .set(load.transactions as u64);
        self.metrics
            .sip
            .registrations_active
            .set(state.registrations().len() as u64);
        self.metrics.sip.queue_length.set(sockets.queued() as u64);
        trunks::show(&self.metrics.trunk, &mut self.trunks, state, sockets.node);
        addresses::show(&self.metrics.address, &mut self.homes, state, switch);
        let live = Live {
            calls: load.calls,
            records: load.records,
        };
        self.live
            .send_if_modified(|old| std::mem::replace(old, live) != live);
    }
}

fn failure(why: Distrust) -> AuthFailure {
    match why {
        Distrust::UnknownUser => AuthFailure::UnknownUser,
        Distrust::WrongPassword => AuthFailure::WrongPassword,
        Distrust::Blocked => AuthFailure::Blocked,
        Distrust::WrongTarget | Distrust::Unreadable => AuthFailure::BadRequest,
    }
}

/// The call that a command is about.
fn call_of(command: &Command) -> Option<CallId> {
    match command {
        Command::Call(CallCommand::Put(entry)) => Some(entry.id),
        Command::Call(
            CallCommand::End { id, .. }
            | CallCommand::Claim { id, .. }
            | CallCommand::RequestHangup { id },
        ) => Some(*id),
        Command::Initialise(_)
        | Command::Configure(_)
        | Command::Bindings(_)
        | Command::Lease(_)
        | Command::Node(_)
        | Command::Media(_)
        | Command::Account(_)
        | Command::Secret(_)
        | Command::Batch(_)
        | Command::Trunk(_)
        | Command::Sweep => None,
    }
}
