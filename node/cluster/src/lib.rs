//! The replicated truth of a cluster: a log agreed on by Raft, the state that it leads to, and messages between nodes.
//!
//! What it does not know: telephony. It is generic over the state ([`Replicated`]), over the store ([`LogStore`]), over
//! what carries messages ([`Transport`]) and over the runtime ([`Runtime`]), so that the simulation runs the same code.

mod admin;
mod changes;
mod cluster;
mod codec;
mod config;
mod error;
mod memory;
mod message;
mod quic;
mod raft;
mod replica;
mod replicated;
mod runtime;
mod sessions;
mod status;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;
mod transport;
mod verify;

pub use admin::{Administration, MemberRecord};
pub use carillon_link::NodeId;
pub use changes::{Change, Changes};
pub use cluster::Cluster;
pub use config::{Config, Entry, Retention, Timing};
pub use error::{ChangeError, ProposeError, ReadError};
pub use memory::MemoryStore;
pub use message::{Kind, Message};
pub use quic::TellError;
pub use raft::types::Member;
pub use replica::{ChannelHandler, Replica, Settings};
pub use replicated::{Applied, HistoryRow, Replicated, Stamp};
pub use runtime::Runtime;
pub use status::{PeerStatus, Role, Status};
pub use store::{FORMAT_VERSION, Flushed, HistoryQuery, LogStore, StoredEntry, StoredSnapshot};
pub use transport::{CallError, Destination, SnapshotOffer, Transport};
