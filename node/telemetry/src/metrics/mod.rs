//! Every metric of the product: name, help, labels, buckets.
//!
//! Labels are bounded: no call id, number, extension or address is ever one.

mod address;
mod call;
mod http;
mod instrument;
mod media;
mod process;
mod raft;
mod sip;
mod trunk;

pub use address::AddressMetrics;
pub use call::{CallMetrics, CallResult, Direction};
pub use http::HttpMetrics;
pub use instrument::{Counter, Gauge, Histogram};
pub use media::{Drop, MediaMetrics, Moved, Way};
pub use raft::RaftMetrics;
pub use sip::{AuthFailure, Refusal, Shed, SipMetrics, Wire};
pub use trunk::{TrunkFigures, TrunkMetrics};

use prometheus::{Encoder, Registry, TextEncoder};

/// All instruments of one process. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    pub call: CallMetrics,
    pub sip: SipMetrics,
    pub media: MediaMetrics,
    pub raft: RaftMetrics,
    pub http: HttpMetrics,
    pub trunk: TrunkMetrics,
    pub address: AddressMetrics,
    registry: Registry,
}

impl Metrics {
    pub fn new() -> Self {
        let registry = Registry::new();
        instrument::info(
            &registry,
            "carillon_build_info",
            "Version and commit of the running program; always 1.",
            &[
                ("version", env!("CARGO_PKG_VERSION")),
                (
                    "commit",
                    option_env!("CARILLON_COMMIT").unwrap_or("unknown"),
                ),
            ],
        );
        process::register(&registry);
        Self {
            call: CallMetrics::new(&registry),
            sip: SipMetrics::new(&registry),
            trunk: TrunkMetrics::new(&registry),
            address: AddressMetrics::new(&registry),
            media: MediaMetrics::new(&registry),
            raft: RaftMetrics::new(&registry),
            http: HttpMetrics::new(&registry),
            registry,
        }
    }

    /// The text exposition format, version 0.0.4.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics could not be rendered");
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
