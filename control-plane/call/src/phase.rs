use carillon_model::{CallCause, CallStatus};
use serde::{Deserialize, Serialize};

use crate::LegId;

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// The INVITE has not been handled yet.
    New,
    /// The switch looks for the callee.
    Routing { until_ms: u64 },
    /// A media server opens ports.
    Placing { ring_ms: u64, until_ms: u64 },
    /// The callee's contacts ring, or are about to.
    Ringing { until_ms: u64 },
    /// A contact has answered.
    Talking { callee: LegId },
    /// Over; what remains is telling everybody.
    Ending { ending: Ending, record: RecordState },
    /// `Output::Ended` is out.
    Ended,
}

/// Why the call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) status: CallStatus,
    pub(crate) cause: CallCause,
    pub(crate) at_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RecordState {
    /// The media server is asked what it heard.
    WaitsForQuality {
        until_ms: u64,
    },
    Due,
    Written,
}
