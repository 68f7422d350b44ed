//! The shell of signalling over real sockets: phones, nodes of a real cluster, a media server's side of the control link.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where its world is not as set up"
)]

mod call_across_nodes;
mod log_privacy;
mod register;
mod support;
