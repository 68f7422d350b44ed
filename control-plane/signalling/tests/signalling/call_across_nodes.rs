//! A flow is a thing of the whole cluster: whoever has the call reaches the phone.

use crate::support::Node;
use crate::support::phone::Phone;
use carillon_model::Transport;
use carillon_protocol::Request;

#[tokio::test]
async fn bob_on_one_node_calls_alice_who_is_connected_to_the_other() {
    let first = Node::found().await;
    let second = first.join().await;
    let mut sessions = crate::support::media::start(&first, "media1").await;
    let mut alice = Phone::connect("alice", &first, Transport::Tcp).await;
    assert_eq!(alice.register().await.status(), Some(200));
    let mut bob = Phone::connect("bob", &second, Transport::Udp).await;
    assert_eq!(bob.register().await.status(), Some(200));
    crate::support::connected_to_media(&second).await;

    crate::support::talk(&mut bob, alice, "1001").await;
    assert!(matches!(sessions.recv().await, Some(Request::Put(_))));
    let over = first
        .cluster
        .until(|state| state.calls().is_empty() && !state.records().is_empty())
        .await;
    assert_eq!(over.records().len(), 1);
}
