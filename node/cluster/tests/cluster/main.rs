//! Clusters of real nodes in one process, over QUIC on loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disk;
mod forming;
mod joining;
mod membership;
mod memory_store;
mod messages;
mod nodes;
mod quorum;
mod snapshots;
mod states;
mod writes;
