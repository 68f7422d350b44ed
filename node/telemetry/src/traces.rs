//! One trace a call, on every node that touches it.

use std::collections::HashMap;

use anyhow::Context as _;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanExporter, Tracer};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::TraceConfig;

const TRACEPARENT: &str = "traceparent";

/// The span that everything about a call belongs in: it puts the call id on each
/// log line, and its trace id is the call id, so that the nodes which handle one
/// call, one after the other or together, write one trace without having to meet.
pub fn call_span(call: u128, shown: &dyn std::fmt::Display) -> Span {
    let span = tracing::info_span!("call", call = %shown);
    let trace = TraceId::from(call);
    let root = SpanId::from((call as u64).max(1));
    let parent = SpanContext::new(
        trace,
        root,
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    adopt(&span, Context::new().with_remote_span_context(parent));
    span
}

/// W3C `traceparent` of a span, to be carried to another node; `None` while traces are off.
pub fn trace_context(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes `span` a child of the span that another node sent as text.
pub fn continue_from(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    adopt(span, TraceContextPropagator::new().extract(&carrier));
}

fn adopt(span: &Span, parent: Context) {
    // Fails only where nobody collects traces, or the span is filtered out.
    let _ = span.set_parent(parent);
}

/// Spans to a collector, in batches, from a thread of their own.
pub(crate) fn otlp(config: &TraceConfig, node: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&config.endpoint)
        .build()
        .with_context(|| format!("set up trace export to {}", config.endpoint))?;
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
