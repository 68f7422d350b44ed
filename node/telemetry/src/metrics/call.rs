use prometheus::Registry;

use super::instrument::{
    self, Counter, Counters, DELAY_BUCKETS, Gauge, Histogram, MOS_BUCKETS, RINGING_BUCKETS,
};

/// Between whom a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Internal,
    Inbound,
    Outbound,
}

impl Direction {
    const ALL: [Self; 3] = [Self::Internal, Self::Inbound, Self::Outbound];

    fn label(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    Answered,
    Busy,
    NoAnswer,
    Cancelled,
    Failed,
}

impl CallResult {
    const ALL: [Self; 5] = [
        Self::Answered,
        Self::Busy,
        Self::NoAnswer,
        Self::Cancelled,
        Self::Failed,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// Calls as their owner sees them: each is counted on one node.
#[derive(Clone, Debug)]
pub struct CallMetrics {
    /// Calls that this node owns.
    pub active: Gauge,
    /// INVITE to 200 at the caller.
    pub setup_seconds: Histogram,
    /// INVITE to the first sign of life of the callee.
    pub post_dial_delay_seconds: Histogram,
    /// Calls that went ahead without a quorum.
    pub unprotected: Counter,
    /// A phone does not accept the address that its media has moved to.
    pub one_way: Counter,
    /// Calls taken over from a node that died.
    pub taken_over: Counter,
    /// Calls of a lost node that another one took first.
    pub claims_lost: Counter,
    /// Calls that this node had to let go, since another one owns them.
    pub fenced: Counter,
    /// Times that this process was stopped for longer than its lease lasts.
    pub stopped: Counter,
    pub mos: Histogram,
    ended: Counters,
}

impl CallMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let ended = instrument::counters(
            registry,
            "carillon_calls_total",
            "Calls that ended, by direction and result.",
            &["direction", "result"],
        );
        for direction in Direction::ALL {
            for result in CallResult::ALL {
                ended.at(&[direction.label(), result.label()]);
            }
        }
        Self {
            active: instrument::gauge(
                registry,
                "carillon_calls_active",
                "Calls owned by this node.",
            ),
            setup_seconds: instrument::histogram(
                registry,
                "carillon_call_setup_seconds",
                "Time from the caller's INVITE to the answer sent to it.",
                RINGING_BUCKETS,
            ),
            post_dial_delay_seconds: instrument::histogram(
                registry,
                "carillon_call_post_dial_delay_seconds",
                "Time from the caller's INVITE to the first ringing or answer.",
                DELAY_BUCKETS,
            ),
            unprotected: instrument::counter(
                registry,
                "carillon_calls_unprotected_total",
                "Calls that went ahead before a quorum had them.",
            ),
            one_way: instrument::counter(
                registry,
                "carillon_calls_one_way_total",
                "Calls in which a phone refused the address that its media had moved to.",
            ),
            taken_over: instrument::counter(
                registry,
                "carillon_calls_taken_over_total",
                "Calls that this node took over from a lost one.",
            ),
            claims_lost: instrument::counter(
                registry,
                "carillon_call_claims_lost_total",
                "Calls of a lost node that another node took first.",
            ),
            fenced: instrument::counter(
                registry,
                "carillon_calls_fenced_total",
                "Calls that this node let go because another one owns them.",
            ),
            stopped: instrument::counter(
                registry,
                "carillon_lease_pauses_total",
                "Times that the process stood still for longer than its lease lasts.",
            ),
            mos: instrument::histogram(
                registry,
                "carillon_call_mos",
                "Estimated mean opinion score of each direction of ended calls.",
                MOS_BUCKETS,
            ),
            ended,
        }
    }

    pub fn ended(&self, direction: Direction, result: CallResult) {
        self.ended
            .at(&[direction.label(), result.label()])
            .increment();
    }
}
