use std::io;

use anyhow::Context;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Config, LogConfig, LogFormat};
use crate::traces;

/// Libraries that tell their inner life at the info level; openraft warns many times a second of a node that does not answer, which
/// our own lines say once.
const QUIET_LIBRARIES: &str =
    "openraft=error,quinn=warn,rustls=warn,h2=warn,hyper=warn,tonic=warn,hickory_resolver=warn";
/// The steps of each call between its first line and its last. Traces have them; the log only where this target is asked for, since they are
/// half of its lines.
pub const PROGRESS: &str = "carillon::progress";
/// Overrides the level of the configuration.
const LEVEL_VARIABLE: &str = "CARILLON_LOG";

/// Keeps the trace exporter; dropping it loses spans that [`Telemetry::shutdown`] would send.
#[must_use]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Installs logs (to standard error) and traces for the whole process.
/// Needs a tokio runtime when traces are on.
pub fn start(config: &Config, node: &str) -> anyhow::Result<Telemetry> {
    let provider = match &config.traces {
        Some(traces) => Some(traces::otlp(traces, node)?),
        None => None,
    };
    let mut log = config.log.clone();
    if let Ok(level) = std::env::var(LEVEL_VARIABLE) {
        log.level = level;
    }
    subscriber(&log, provider.as_ref(), io::stderr)?
        .try_init()
        .context("install the log subscriber")?;
    Ok(Telemetry { provider })
}

impl Telemetry {
    /// Sends what is still held back. Blocks for as long as the collector takes, 5 s at most.
    pub fn shutdown(self) {
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last spans were not delivered");
        }
    }
}

pub(crate) fn subscriber<W>(
    log: &LogConfig,
    provider: Option<&SdkTracerProvider>,
    writer: W,
) -> anyhow::Result<impl Subscriber + Send + Sync + use<W>>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // What is said here about a library goes before what is said of all; the configuration goes before both.
    let level = format!("{QUIET_LIBRARIES},{PROGRESS}=warn,{}", log.level);
    let filter = EnvFilter::try_new(level).context("read the log level")?;
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(writer)
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .with_writer(writer)
            .with_filter(filter)
            .boxed(),
    };
    // The exporter's own libraries must not be traced: they would feed themselves.
    let ours = Targets::new().with_target("carillon", LevelFilter::INFO);
    let spans = provider.map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(traces::tracer(provider))
            .with_filter(ours)
    });
    Ok(tracing_subscriber::registry().with(lines).with(spans))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SpanData, SpanExporter};

    use super::*;
    use crate::{call_span, pass_span};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[derive(Clone, Debug, Default)]
    struct Collector(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Collector {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    fn logged(format: LogFormat, what: impl FnOnce()) -> String {
        let page = Page::default();
        let log = LogConfig {
            format,
            ..LogConfig::default()
        };
        let writer = page.clone();
        let subscriber = subscriber(&log, None, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, what);
        page.text()
    }

    fn a_call() {
        call_span(7, &"aaaaaaaaaaaaaaaaaaaaaaaaa7").in_scope(|| {
            tracing::info!("answered");
            tracing::info_span!("commit").in_scope(|| tracing::info!("stored"));
            tracing::debug!(number = "1001", "dialled");
        });
    }

    #[test]
    fn every_text_line_of_a_call_has_its_id() {
        let text = logged(LogFormat::Text, a_call);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.lines()
                .all(|line| line.contains("aaaaaaaaaaaaaaaaaaaaaaaaa7")),
            "{text}"
        );
        assert!(!text.contains("1001"), "{text}");
    }

    #[test]
    fn the_steps_of_a_call_are_in_the_log_where_they_are_asked_for() {
        let logged_at = |level: &str| {
            let page = Page::default();
            let log = LogConfig {
                level: level.to_owned(),
                ..LogConfig::default()
            };
            let writer = page.clone();
            let subscriber = subscriber(&log, None, move || writer.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(target: PROGRESS, code = 180, "call progressed");
            });
            page.text()
        };
        assert_eq!(logged_at("info"), "");
        assert!(logged_at("info,carillon::progress=info").contains("code=180"));
    }

    #[test]
    fn every_json_line_of_a_call_has_its_id() {
        let text = logged(LogFormat::Json, a_call);
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                line["spans"][0]["call"], "aaaaaaaaaaaaaaaaaaaaaaaaa7",
                "{line}"
            );
            assert!(line["message"].is_string(), "{line}");
        }
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn two_nodes_write_one_trace_of_a_call() {
        let collector = Collector::default();
        let provider = traces::direct(collector.clone(), "n1");
        let subscriber = subscriber(&LogConfig::default(), Some(&provider), io::sink).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let owner = call_span(0x1234, &"owner");
            let heir = call_span(0x1234, &"heir");
            let between = pass_span(0x1234, &"between", "INVITE");
            drop((owner, heir, between));
        });
        let spans = collector.0.lock().unwrap();
        assert_eq!(spans.len(), 3);
        assert!(
            spans
                .iter()
                .all(|span| span.span_context.trace_id() == 0x1234_u128.into()),
            "{spans:?}"
        );
    }
}
