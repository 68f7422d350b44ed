//! One trace a call, on every node that touches it.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanExporter, Tracer};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::TraceConfig;

/// Set once, at the start of the process.
static COLLECTED: AtomicBool = AtomicBool::new(false);

/// The span that everything about a call belongs in: it puts the call id on each
/// log line, and its trace id is the call id, so that the nodes which handle one
/// call, one after the other or together, write one trace without having to meet.
pub fn call_span(call: u128, shown: &dyn std::fmt::Display) -> Span {
    let span = tracing::info_span!("call", call = %shown);
    adopt(&span, call);
    span
}

/// In the trace of a call, what a node does for it that does not have it: `what` it passes on.
pub fn pass_span(call: u128, shown: &dyn std::fmt::Display, what: &'static str) -> Span {
    let span = tracing::info_span!("pass", call = %shown, what);
    adopt(&span, call);
    span
}

/// Whether somebody collects traces: what only a trace would show need not be found out otherwise.
pub fn traces_are_collected() -> bool {
    COLLECTED.load(Ordering::Relaxed)
}

/// Makes a span a child of the call's root, which no node writes: its ids follow from the call id.
fn adopt(span: &Span, call: u128) {
    let root = SpanContext::new(
        TraceId::from(call),
        SpanId::from((call as u64).max(1)),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    // Fails only where nobody collects traces, or the span is filtered out.
    let _ = span.set_parent(Context::new().with_remote_span_context(root));
}

/// Spans to a collector, in batches, from a thread of their own.
pub(crate) fn otlp(config: &TraceConfig, node: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&config.endpoint)
        .build()
        .with_context(|| format!("set up trace export to {}", config.endpoint))?;
    COLLECTED.store(true, Ordering::Relaxed);
    let builder = SdkTracerProvider::builder().with_batch_exporter(exporter);
    Ok(finish(builder, config.sample_ratio, node))
}

/// Spans to an exporter as they end; for tests.
#[cfg_attr(
    not(test),
    allow(dead_code, reason = "the twin of `otlp` that tests use")
)]
pub(crate) fn direct(exporter: impl SpanExporter + 'static, node: &str) -> SdkTracerProvider {
    finish(
        SdkTracerProvider::builder().with_simple_exporter(exporter),
        1.0,
        node,
    )
}

fn finish(
    builder: opentelemetry_sdk::trace::TracerProviderBuilder,
    sample_ratio: f64,
    node: &str,
) -> SdkTracerProvider {
    let resource = Resource::builder()
        .with_service_name("carillon")
        .with_attribute(KeyValue::new("service.instance.id", node.to_owned()))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    // Decides by the trace id alone: the nodes of one call agree.
    builder
        .with_sampler(Sampler::TraceIdRatioBased(sample_ratio))
        .with_resource(resource)
        .build()
}

pub(crate) fn tracer(provider: &SdkTracerProvider) -> Tracer {
    provider.tracer("carillon")
}
