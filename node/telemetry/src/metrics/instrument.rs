//! The three kinds of instrument, over the metrics library in use.

use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Only ever rises.
#[derive(Clone, Debug)]
pub struct Counter(IntCounter);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.inc_by(n);
    }

    pub fn increment(&self) {
        self.0.inc();
    }

    pub fn value(&self) -> u64 {
        self.0.get()
    }
}

/// Rises and falls.
#[derive(Clone, Debug)]
pub struct Gauge(IntGauge);

impl Gauge {
    pub fn set(&self, value: u64) {
        self.0.set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub fn increment(&self) {
        self.0.inc();
    }

    pub fn decrement(&self) {
        self.0.dec();
    }

    pub fn value(&self) -> i64 {
        self.0.get()
    }
}

/// Gauge of a ratio or another fraction.
#[derive(Clone, Debug)]
pub(crate) struct FractionGauge(prometheus::Gauge);

impl FractionGauge {
    pub(crate) fn set(&self, value: f64) {
        self.0.set(value);
    }
}

/// Counts observations in buckets.
#[derive(Clone, Debug)]
pub struct Histogram(prometheus::Histogram);

impl Histogram {
    pub fn observe(&self, value: f64) {
        self.0.observe(value);
    }
}

/// Delays between 0.5 ms and 10 s: commits, answers, HTTP requests.
pub(crate) const DELAY_BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// How long phones ring before somebody answers.
pub(crate) const RINGING_BUCKETS: &[f64] = &[
    0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 45.0, 60.0, 120.0,
];
pub(crate) const JITTER_BUCKETS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];
pub(crate) const GAP_BUCKETS: &[f64] = &[
    0.02, 0.06, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 3.0, 10.0,
];
pub(crate) const MOS_BUCKETS: &[f64] =
    &[1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.2, 4.3, 4.4, 4.5];

/// Families with labels; a value outside the known ones must be folded before.
#[derive(Clone, Debug)]
pub(crate) struct Counters(IntCounterVec);

impl Counters {
    pub(crate) fn at(&self, labels: &[&str]) -> Counter {
        Counter(self.0.with_label_values(labels))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Gauges(IntGaugeVec);

impl Gauges {
    pub(crate) fn at(&self, labels: &[&str]) -> Gauge {
        Gauge(self.0.with_label_values(labels))
    }

    pub(crate) fn remove(&self, labels: &[&str]) {
        // It fails where there is no such gauge.
        let _ = self.0.remove_label_values(labels);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Histograms(HistogramVec);

impl Histograms {
    pub(crate) fn at(&self, labels: &[&str]) -> Histogram {
        Histogram(self.0.with_label_values(labels))
    }
}

pub(crate) fn counter(registry: &Registry, name: &str, help: &str) -> Counter {
    Counter(registered(registry, IntCounter::new(name, help)))
}

pub(crate) fn gauge(registry: &Registry, name: &str, help: &str) -> Gauge {
    Gauge(registered(registry, IntGauge::new(name, help)))
}

pub(crate) fn fraction(registry: &Registry, name: &str, help: &str) -> FractionGauge {
    FractionGauge(registered(registry, prometheus::Gauge::new(name, help)))
}

pub(crate) fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    Histogram(registered(
        registry,
        prometheus::Histogram::with_opts(options),
    ))
}

pub(crate) fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Counters {
    Counters(registered(
        registry,
        IntCounterVec::new(Opts::new(name, help), labels),
    ))
}

pub(crate) fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Gauges {
    Gauges(registered(
        registry,
        IntGaugeVec::new(Opts::new(name, help), labels),
    ))
}

pub(crate) fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> Histograms {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    Histograms(registered(registry, HistogramVec::new(options, labels)))
}

/// A gauge that is always 1 and tells by its labels.
pub(crate) fn info(registry: &Registry, name: &str, help: &str, labels: &[(&str, &str)]) {
    let options = labels
        .iter()
        .fold(Opts::new(name, help), |options, (label, value)| {
            options.const_label(*label, *value)
        });
    registered(registry, IntGauge::with_opts(options)).set(1);
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> C {
    let collector = made.expect("metric names are constants of this module");
    registry
        .register(Box::new(collector.clone()))
        .expect("each metric is registered once");
    collector
}
