//! What a control node and a media server say to each other.
//!
//! A control node *declares* media: it sends the whole [`SessionDescriptor`] every time, and the media server makes
//! it so. A descriptor is ordered by `(epoch, revision)`: the same one again gets the same answer, an older one is
//! refused, so a control node may repeat everything after a reconnect and an owner that lost its call cannot undo
//! what its heir said.
//!
//! This crate knows the messages, their octets and their limits. It does not know how they travel (any ordered,
//! framed stream), nor what a call is.

#![forbid(unsafe_code)]

mod codec;
mod descriptor;
mod message;
mod quality;
mod session_id;

pub use codec::{Decode, DecodeError, EncodeError, decode, encode};
pub use descriptor::{
    DescriptorError, Direction, Family, Link, Payload, SessionDescriptor, Termination,
};
pub use message::{
    ClientHello, Event, Held, Load, Local, NodeName, Reason, Reply, Request, ServerHello, ToClient,
    ToServer, agree,
};
pub use quality::DirectionQuality;
pub use session_id::SessionId;

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;
/// The oldest version that this crate still understands.
pub const OLDEST_VERSION: u16 = 1;

/// Octets of one encoded message at most; the frame limit of the stream below must not be smaller.
pub const MAX_MESSAGE_OCTETS: usize = 256 * 1024;
/// Terminations of one session at most.
pub const MAX_TERMINATIONS: usize = 64;
/// Links of one session at most: everybody hears everybody in the largest session.
pub const MAX_LINKS: usize = MAX_TERMINATIONS * MAX_TERMINATIONS;
/// Payload types of one termination at most.
pub const MAX_PAYLOADS: usize = 32;
/// Octets of a payload's encoding name at most.
pub const MAX_PAYLOAD_NAME_OCTETS: usize = 32;
/// Sessions in one page of an inventory.
pub const INVENTORY_PAGE: usize = 1000;
