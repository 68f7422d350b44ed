//! The durable store of a node: its log, vote, snapshot and history in one RocksDB, on disk before it says so.
//!
//! What it does not know: what the octets mean.

mod flusher;
mod layout;
mod store;

pub use flusher::Hooks;
pub use store::RocksStore;
