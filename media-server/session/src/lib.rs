//! Media sessions as values: what a media server does with each packet and each request.
//!
//! [`Sessions`] holds the sessions of one owner (a thread of the relay, or a media server of the simulation). It reads
//! no clock and opens no socket: time is an argument, sockets are made by whoever implements [`Ports`], and a packet
//! is answered by saying where it goes. It does not know calls, SIP or how control nodes connect.

#![forbid(unsafe_code)]

mod latch;
mod party;
mod ports;
mod session;
mod sessions;
mod stream;
mod tombstone;

pub use ports::{Component, Opened, Place, Ports, Slot, SocketKey};
pub use session::{Decision, Discard, Target, Targets};
pub use sessions::{Audience, Input, Limits, Output, Peer, Sessions, Totals};
