//! What this node does for a call that another node has, in the call's trace.

use bytes::Bytes;
use carillon_cluster::Cluster;
use carillon_model::{CallId, DialogKey, State};
use carillon_sip::{Framing, Message};
use carillon_telemetry::{pass_span, traces_are_collected};
use carillon_telephony::Telephony;

/// A message came here and goes on to the node that has its call.
pub(crate) const HANDED_ON: &str = "message handed on";
/// The node that has the call sends by a socket of this one.
pub(crate) const SENT_FOR_ANOTHER: &str = "message sent for another node";

/// Leaves a span in the trace of the call that a message belongs to. Looks at the message only where traces are collected.
pub(crate) fn leave(cluster: &Cluster<Telephony>, octets: &Bytes, what: &'static str) {
    if traces_are_collected()
        && let Some(call) = call_of(&cluster.state(), octets)
    {
        drop(pass_span(call.0, &call, what));
    }
}

/// The call of the dialog that a message is in, whichever of its tags is ours.
fn call_of(state: &State, octets: &Bytes) -> Option<CallId> {
    let message = Message::parse(octets, Framing::Datagram).ok()?;
    let call_id = message.call_id()?.to_owned();
    let (from, to) = (message.from().ok()?, message.to().ok()?);
    let tags = [from.tag(), to.tag()];
    tags.into_iter().flatten().find_map(|tag| {
        state.call_of_dialog(&DialogKey {
            call_id: call_id.clone(),
            local_tag: tag.to_owned(),
        })
    })
}
