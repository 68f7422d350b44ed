//! Prints every metric once: `cargo run -p carillon-telemetry --example metrics | promtool check metrics`.

use std::io::Write;

use carillon_telemetry::{Metrics, TrunkFigures};

fn main() -> std::io::Result<()> {
    let metrics = Metrics::new();
    metrics.sip.answered("INVITE", 200);
    metrics.http.answered("/1.1/users", "GET", 200, 0.01);
    metrics.trunk.show("carrier", TrunkFigures::default());
    metrics.address.show("control1", true);
    std::io::stdout().write_all(&metrics.render())
}
