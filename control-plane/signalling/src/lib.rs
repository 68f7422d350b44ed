//! The shell of the switch: sockets, connections, names, timers, media servers, the cluster.
//!
//! It waits for whatever happens, hands it to [`carillon_switch::Switch`], and does what that
//! says. It does not know what a call, a registration or a dialog is, and decides nothing but
//! what a socket has to: how many connections, how long a silence, how full a queue.

mod accept;
mod addresses;
mod bind;
mod brain;
mod clock;
mod config;
mod connections;
mod dial;
pub mod limits;
mod media;
mod offences;
mod overload;
mod peers;
mod pulse;
mod resolve;
#[cfg(test)]
mod resolve_tests;
mod sockets;
mod start;
mod stream;
#[cfg(test)]
mod stream_tests;
mod stun;
mod tls;
mod trail;
mod udp;

pub use addresses::{Floating, FloatingConfig};
pub use bind::{Bound, own_address};
pub use brain::Live;
pub use clock::Clock;
pub use config::{Config, Listen};
pub use resolve::{Resolver, Server, Target};
pub use start::{Signalling, Surroundings};
pub use tls::TlsIdentity;
