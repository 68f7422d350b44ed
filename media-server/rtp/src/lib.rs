//! RTP as octets and as numbers: packets (RFC 3550), RTCP, telephone events (RFC 4733), what shares a port
//! (RFC 5761, RFC 7983), and how well a stream arrives (RFC 3550 appendix A, ITU-T G.107).
//!
//! It does not know sockets, sessions or SDP. Whatever comes from the network is read or refused, never a panic.

#![forbid(unsafe_code)]

pub mod demux;
pub mod event;
pub mod extension;
pub mod jitter;
pub mod packet;
pub mod payload;
pub mod quality;
pub mod rtcp;
pub mod sequence;

pub use demux::Kind;
pub use event::TelephoneEvent;
pub use jitter::Jitter;
pub use packet::{Packet, PacketError};
pub use sequence::{Arrival, Sequence};
