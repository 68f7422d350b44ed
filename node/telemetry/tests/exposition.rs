//! What Prometheus scrapes, as `promtool` and a reader see it.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where its world is not as set up"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carillon_telemetry::metrics::{CallResult, Direction};
use carillon_telemetry::{Exposition, Metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn ask(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_scraper_and_an_orchestrator_ask_a_node() {
    let metrics = Metrics::new();
    let in_duty = Arc::new(AtomicBool::new(false));
    let duty = Arc::clone(&in_duty);
    let ready = Arc::new(move || {
        if duty.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err("no leader".to_owned())
        }
    });
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let exposition = Exposition::bind(any_port, metrics.clone(), ready)
        .await
        .unwrap();
    let address = exposition.local_addr().unwrap();
    let serving = tokio::spawn(exposition.run());

    assert_eq!(ask(address, "/live").await.0, "HTTP/1.1 200 OK");
    let (status, reason) = ask(address, "/ready").await;
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("HTTP/1.1 503 Service Unavailable", "no leader\n")
    );
    in_duty.store(true, Ordering::Relaxed);
    assert_eq!(ask(address, "/ready").await.0, "HTTP/1.1 200 OK");

    metrics
        .call
        .ended(Direction::Internal, CallResult::Answered);
    let (_, text) = ask(address, "/metrics").await;
    assert!(
        text.contains("carillon_calls_total{direction=\"internal\",result=\"answered\"} 1"),
        "{text}"
    );
    assert_eq!(ask(address, "/secrets").await.0, "HTTP/1.1 404 Not Found");
    serving.abort();
}

/// The rules that `promtool check metrics` applies, so that a slip shows without it.
#[test]
fn names_follow_the_practice() {
    let metrics = Metrics::new();
    metrics.sip.answered("INVITE", 200);
    metrics.http.answered("/1.1/users", "GET", 200, 0.01);
    let text = String::from_utf8(metrics.render()).unwrap();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(
            text.contains(&format!("# HELP {name} ")),
            "{name} has no help"
        );
        assert!(
            name.starts_with("carillon_") || name.starts_with("process_"),
            "{name}"
        );
        assert_eq!(
            name.ends_with("_total"),
            kind == "counter",
            "{name} is a {kind}"
        );
        for unit in ["_ms", "_milliseconds", "_kilobytes", "_percent", "_octets"] {
            assert!(!name.contains(unit), "{name} has no base unit");
        }
    }
}

#[test]
fn odd_methods_do_not_make_new_series() {
    let metrics = Metrics::new();
    metrics.sip.answered("FLOOD1", 405);
    metrics.sip.answered("FLOOD2", 405);
    let text = String::from_utf8(metrics.render()).unwrap();
    assert!(
        text.contains("carillon_sip_requests_total{code_class=\"4xx\",method=\"OTHER\"} 2"),
        "{text}"
    );
}
