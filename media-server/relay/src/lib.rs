//! The media server: moves packets between the parties of sessions, and does what control nodes declare.
//!
//! Packets are moved by plain threads with epoll, each the only owner of its sessions; control comes over QUIC on
//! tokio. The two meet in bounded queues. What becomes of a packet or a request is decided by `carillon-session`; this
//! crate has the sockets, the ports, the threads and the clock. It does not know calls or SIP, and keeps nothing on
//! disk: a session lives until it is released or forgotten by everybody, whatever happens to control nodes.

mod config;
mod conversation;
mod epoll;
mod gather;
mod packet_io;
mod port_pool;
mod publish;
mod server;
mod tick;
mod worker;

pub use config::{Config, ConfigProblem, MediaAddress};
pub use packet_io::{PacketIo, Received};
pub use server::{Addresses, MediaServer};
pub use tick::Tick;
