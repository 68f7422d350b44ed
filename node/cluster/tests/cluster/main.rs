//! Clusters of real nodes in one process, over QUIC on loopback.

mod disk;
mod joining;
mod membership;
mod memory_store;
mod messages;
mod nodes;
mod quorum;
mod snapshots;
mod states;
mod writes;
