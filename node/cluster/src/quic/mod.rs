//! Messages over QUIC: one connection each way between two nodes, a stream for each conversation.

mod peers;
mod serve;
mod snapshot;
mod tell;

pub(crate) use peers::QuicTransport;
pub(crate) use serve::serve;
pub use tell::TellError;
pub(crate) use tell::Teller;
