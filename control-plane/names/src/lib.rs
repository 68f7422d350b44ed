//! The control nodes' own name server: where a phone finds a live node of the cluster (RFC 3263).
//!
//! It answers for one domain, from what the replicated state says at that moment, and for nothing else. The answers
//! last five seconds: a node that is gone is asked for no longer than that.

mod config;
mod server;
mod zone;

pub use config::Config;
pub use server::Server;
pub use zone::{Host, Zone};
