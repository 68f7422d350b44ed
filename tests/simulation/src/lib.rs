//! A whole cluster in one thread and in virtual time: control nodes, media servers and phones, with a network that loses
//! and a power supply that fails, all of it from one seed.
//!
//! The replica, the switch, the calls, the media sessions and the message layer are the product's own; the shells around
//! them (sockets, disks, connections) are simulated. [`play`] plays one [`Story`] of one seed: first things break, then
//! everything heals and must serve, then an oracle looks whether all that anybody was told is true.
//!
//! It does not know threads, QUIC, RocksDB or real phones: those are tried by `tests/integration`.

mod campaign;
mod carrier;
mod clock;
mod common;
mod company;
mod dice;
mod disk;
mod lane;
mod machines;
mod media;
mod network;
mod node;
mod oracle;
mod phone;
mod planted;
mod process;
mod stories;
mod trace;
mod transport;
mod world;

pub use campaign::{Found, Played, play, search};
pub(crate) use dice::Dice;
pub use planted::Planted;
pub use stories::Story;
pub use world::{Failure, Options, Verdict};
