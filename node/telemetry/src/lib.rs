//! Metrics, logs and traces of a node.
//!
//! [`Metrics`] is the only place in the product that names a metric; the library
//! below it does not show. [`start`] installs the log and trace subscriber,
//! [`Exposition`] serves `/metrics`, `/live` and `/ready`.
//!
//! It does not know what a call, a registration or a log entry is: the crates
//! above it say what happened, in their own words.

mod config;
mod exposition;
mod logs;
pub mod metrics;
mod traces;

pub use config::{Config, LogConfig, LogFormat, TraceConfig};
pub use exposition::{Exposition, Readiness};
pub use logs::{PROGRESS, Telemetry, start};
pub use metrics::{
    AddressMetrics, CallMetrics, HttpMetrics, MediaMetrics, Metrics, RaftMetrics, SipMetrics,
    TrunkFigures, TrunkMetrics,
};
pub use traces::{call_span, pass_span, traces_are_collected};
