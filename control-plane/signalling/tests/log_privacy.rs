//! Who calls whom, and from where, is nobody's business above the debug level.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where its world is not as set up"
)]

mod support;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use carillon_model::Transport;
use support::phone::Phone;
use support::{Node, PASSWORD};

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

#[tokio::test]
async fn the_log_of_a_call_names_no_number_no_person_and_no_address() {
    let page = Page::default();
    let writer = page.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let node = Node::found().await;
    let _sessions = support::media::start(&node, "media1").await;
    let mut alice = Phone::connect("alice", &node, Transport::Udp).await;
    assert_eq!(alice.register().await.status(), Some(200));
    let mut bob = Phone::connect("bob", &node, Transport::Tcp).await;
    assert_eq!(bob.register().await.status(), Some(200));
    alice
        .send(b"REGISTER sip:1001 SIP/2.0\r\nVia: nonsense\r\n\r\n")
        .await;
    support::connected_to_media(&node).await;
    support::talk(&mut bob, alice, "1001").await;
    node.cluster
        .until(|state| !state.records().is_empty())
        .await;

    let log = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("call over"), "{log}");
    assert!(
        log.lines()
            .filter(|line| line.contains("call started"))
            .all(|line| line.contains("call{call="))
    );
    let ports = [bob.local.port().to_string()];
    for secret in ["alice", "bob", "1001", "1002", PASSWORD]
        .into_iter()
        .chain(ports.iter().map(String::as_str))
    {
        assert!(!log.contains(secret), "{secret} stands in the log:\n{log}");
    }
}
