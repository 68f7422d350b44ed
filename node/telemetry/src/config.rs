use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

/// What a node tells about itself, and where.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where `/metrics`, `/live` and `/ready` are served.
    pub metrics: SocketAddr,
    pub log: LogConfig,
    /// Traces are off without this section.
    pub traces: Option<TraceConfig>,
}

/// How much is logged, and how a line looks.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// A level, or filter directives such as `info,carillon_signalling=debug`.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// Where spans go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceConfig {
    /// OTLP over gRPC, for example `http://collector:4317`.
    pub endpoint: String,
    /// Share of calls that are traced, 0 to 1. Every node decides alike for one call.
    #[serde(default = "every_call")]
    pub sample_ratio: f64,
}

fn every_call() -> f64 {
    1.0
}

/// The port of metrics in the command-line contract.
const DEFAULT_METRICS_PORT: u16 = 9464;

impl Default for Config {
    fn default() -> Self {
        Self {
            metrics: SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_METRICS_PORT)),
            log: LogConfig::default(),
            traces: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

impl Config {
    /// Every problem of this section, with the field first.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.level) {
            problems.push(format!("telemetry.log.level: {error}"));
        }
        if let Some(traces) = &self.traces {
            if !(0.0..=1.0).contains(&traces.sample_ratio) {
                problems.push("telemetry.traces.sample_ratio: must be from 0 to 1".to_owned());
            }
            if !traces.endpoint.starts_with("http://") {
                problems.push("telemetry.traces.endpoint: must be an http:// URL".to_owned());
            }
        }
        problems
    }
}
