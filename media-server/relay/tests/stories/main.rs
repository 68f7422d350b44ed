//! A media server as control nodes and phones meet it: over QUIC and UDP, on loopback.

#![allow(clippy::unwrap_used)]

mod control;
mod media;
mod place;
