//! Who calls whom, and from where, is nobody's business above the debug level.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use crate::support::phone::Phone;
use crate::support::{Node, PASSWORD};
use carillon_model::Transport;
use tracing_subscriber::util::SubscriberInitExt;

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
    // The node's tasks run on this test's thread, so its log is not mixed with that of other tests.
    let _log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        // The digits of a moment may be those of a number.
        .without_time()
        .with_writer(move || writer.clone())
        .set_default();
    let node = Node::found().await;
    let _sessions = crate::support::media::start(&node, "media1").await;
    let mut alice = Phone::connect("alice", &node, Transport::Udp).await;
    assert_eq!(alice.register().await.status(), Some(200));
    let mut bob = Phone::connect("bob", &node, Transport::Tcp).await;
    assert_eq!(bob.register().await.status(), Some(200));
    alice
        .send(b"REGISTER sip:1001 SIP/2.0\r\nVia: nonsense\r\n\r\n")
        .await;
    crate::support::connected_to_media(&node).await;
    crate::support::talk(&mut bob, alice, "1001").await;
    node.cluster
        .until(|state| !state.records().is_empty())
        .await;

    let log = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    for told in ["call started", "call progressed", "call over"] {
        let line = log.lines().find(|line| line.contains(told));
        let line = line.unwrap_or_else(|| panic!("{told:?} is not in the log:\n{log}"));
        assert!(line.contains("call{call="), "{line} has no call id");
    }
    let ports = [bob.local.port().to_string()];
    for secret in ["alice", "bob", "1001", "1002", PASSWORD]
        .into_iter()
        .chain(ports.iter().map(String::as_str))
    {
        assert!(!log.contains(secret), "{secret} stands in the log:\n{log}");
    }
}
