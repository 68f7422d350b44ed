//! A flow is a thing of the whole cluster: whoever has the call reaches the phone.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where its world is not as set up"
)]

mod support;

use carillon_model::Transport;
use carillon_protocol::Request;
use carillon_sip::{Method, Name};
use support::Node;
use support::phone::Phone;

fn sdp(phone: &Phone) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n",
        phone.local.port() & !1
    )
}

#[tokio::test]
async fn bob_on_one_node_calls_alice_who_is_connected_to_the_other() {
    let first = Node::found().await;
    let second = first.join().await;
    let mut sessions = support::media::start(&first, "media1").await;
    let mut alice = Phone::connect("alice", &first, Transport::Tcp).await;
    assert_eq!(alice.register().await.status(), Some(200));
    let mut bob = Phone::connect("bob", &second, Transport::Udp).await;
    assert_eq!(bob.register().await.status(), Some(200));
    connected_to_media(&second).await;

    let answering = tokio::spawn(async move {
        let invite = alice.hear_request(Method::Invite).await;
        alice.answer(&invite, 180, "").await;
        let body = sdp(&alice);
        alice.answer(&invite, 200, &body).await;
        alice.hear_request(Method::Ack).await;
        let bye = alice.hear_request(Method::Bye).await;
        alice.answer(&bye, 200, "").await;
    });
    let uri = format!("sip:1001@{}", bob.server);
    let body = sdp(&bob);
    let answer = bob
        .ask("INVITE", &uri, &format!("To: <{uri}>\r\n"), &body)
        .await;
    assert_eq!(answer.status(), Some(200), "{answer:?}");
    assert!(matches!(sessions.recv().await, Some(Request::Put(_))));

    let to = format!("To: {}\r\n", answer.headers.text(Name::To).unwrap());
    let contact = answer.headers.text(Name::Contact).unwrap();
    let target = contact
        .trim_start_matches('<')
        .split('>')
        .next()
        .unwrap()
        .to_owned();
    let ack = bob.request("ACK", &target, &to, "");
    bob.send(ack.as_bytes()).await;
    let bye = bob.request("BYE", &target, &to, "");
    bob.send(bye.as_bytes()).await;
    assert_eq!(bob.hear_final().await.status(), Some(200));
    answering.await.unwrap();
    let over = first
        .cluster
        .until(|state| state.calls().is_empty() && !state.records().is_empty())
        .await;
    assert_eq!(over.records().len(), 1);
}

/// Media servers are found by the brain's next look around.
async fn connected_to_media(node: &Node) {
    let connected = async {
        while node.metrics.media.servers_connected.value() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), connected)
        .await
        .unwrap();
}
