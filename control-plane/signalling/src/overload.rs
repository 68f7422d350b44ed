//! What a node says when it cannot take more work, without remembering anything.

use bytes::Bytes;
use carillon_model::Flow;
use carillon_sip::{Framing, Message, Method, Name};

use crate::limits::RETRY_AFTER_S;

/// 503 with Retry-After for a request that begins something; `None` for all else, which its
/// sender repeats or does without.
pub(crate) fn refuse(datagram: &Bytes, flow: &Flow) -> Option<Bytes> {
    let begins = datagram.starts_with(b"INVITE ") || datagram.starts_with(b"REGISTER ");
    if !begins {
        return None;
    }
    let request = Message::parse(datagram, Framing::Datagram).ok()?;
    if !matches!(request.method(), Some(Method::Invite | Method::Register)) {
        return None;
    }
    let mut answer = Message::response_to(&request, 503, "");
    if let Ok(mut via) = answer.via() {
        via.note_source(flow.peer);
        answer.replace_top_via(&via);
    }
    answer.add_to_tag("overload");
    answer
        .headers
        .set(Name::RetryAfter, wait_s(datagram).to_string());
    Some(answer.to_bytes())
}

/// Differs from request to request, so that phones do not come back together.
fn wait_s(datagram: &[u8]) -> u32 {
    let spread = RETRY_AFTER_S.end() - RETRY_AFTER_S.start() + 1;
    let sum = datagram
        .iter()
        .fold(0_u32, |sum, octet| sum.wrapping_mul(31) ^ u32::from(*octet));
    RETRY_AFTER_S.start() + sum % spread
}
