use std::net::SocketAddr;

use carillon_model::Flow;

use crate::{Message, Via};

/// Notes in the top Via of a request where it came from (RFC 3261 §18.2.1, RFC 3581 §4), and says where responses go.
/// Nothing without a readable Via.
pub fn stamp_via(message: &mut Message, flow: &Flow) -> Option<Flow> {
    let mut via = message.via().ok()?;
    via.note_source(flow.peer);
    message.replace_top_via(&via);
    Some(response_flow(&via, flow))
}

/// Where the responses to a request go: over a stream by the same connection, else to the address that it came from,
/// at the port of sent-by unless `rport` asks for the one that was seen. `maddr` is not followed: it would let anybody
/// point our responses at anybody.
pub fn response_flow(via: &Via, flow: &Flow) -> Flow {
    if flow.transport.is_reliable() || via.rport().is_some() {
        return *flow;
    }
    Flow {
        peer: SocketAddr::new(flow.peer.ip(), via.port_or_default()),
        ..*flow
    }
}
