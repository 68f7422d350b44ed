use carillon_model::{Billing, CallCause, CallRecord, CallStatus, DirectionQuality};
use carillon_protocol as protocol;

use crate::call::Call;
use crate::media::CALLER;
use crate::phase::Ending;

/// Q.850: normal call clearing.
const NORMAL_CLEARING: u8 = 16;

impl Call {
    /// What the carrier that took it wants to be said; else the one that it came by.
    fn billing(&self) -> Billing {
        let legs = self.legs.values().rev();
        let mut said = legs.filter_map(|leg| Some(&leg.carrier.as_ref()?.billing));
        said.find(|billing| !billing.is_empty())
            .cloned()
            .unwrap_or_default()
    }

    /// What an owner that loses the call to another knows of it: that two have talked until now. `None` where nobody has
    /// answered. The other may never learn it, if the quorum was not there to take it down.
    #[must_use]
    pub fn testimony(&self, now_ms: u64) -> Option<CallRecord> {
        let ending = Ending {
            status: CallStatus::Answered,
            cause: CallCause {
                sip: 200,
                q850: NORMAL_CLEARING,
            },
            at_ms: now_ms,
        };
        self.answered_at_ms.map(|_| self.record(ending))
    }

    /// What remains of the call.
    pub(crate) fn record(&self, ending: Ending) -> CallRecord {
        let talked_ms = self
            .answered_at_ms
            .map_or(0, |answered| ending.at_ms.saturating_sub(answered));
        let quality = |of_caller: bool| {
            let side = self
                .media
                .quality
                .iter()
                .filter(|quality| (quality.termination == CALLER) == of_caller);
            side.max_by_key(|quality| quality.packets).map(in_record)
        };
        CallRecord {
            call: self.id,
            caller: self.caller.clone(),
            callee: self.callee.clone(),
            started_at_ms: self.started_at_ms,
            answered_at_ms: self.answered_at_ms,
            ended_at_ms: ending.at_ms,
            duration_ms: talked_ms,
            status: ending.status,
            cause: ending.cause,
            direction: self.direction,
            caller_quality: quality(true),
            callee_quality: quality(false),
            userfield: None,
            billing: self.billing(),
            node: self.node,
            unprotected: self.unprotected,
        }
    }
}

fn in_record(quality: &protocol::DirectionQuality) -> DirectionQuality {
    DirectionQuality {
        packets: quality.packets,
        bytes: quality.bytes,
        lost: quality.lost,
        jitter_ms: quality.jitter_us.div_ceil(1000),
        mos_hundredths: quality.mos_hundredths.unwrap_or(0),
    }
}
