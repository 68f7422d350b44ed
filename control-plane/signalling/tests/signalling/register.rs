//! Phones register over every transport, on any node.

use crate::support::Node;
use crate::support::phone::{PATIENCE, Phone};
use carillon_model::Transport;
use tokio::time::timeout;

#[tokio::test]
async fn a_phone_registers_over_udp_tcp_and_tls() {
    let node = Node::found().await;
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let mut phone = Phone::connect("alice", &node, transport).await;
        let answer = phone.register().await;
        assert_eq!(answer.status(), Some(200), "{transport}: {answer:?}");
        let state = node.cluster.state();
        let endpoint = state.endpoint_by_username("alice").unwrap().id;
        let binding = state
            .bindings(endpoint)
            .iter()
            .find(|binding| binding.flow.peer == phone.local);
        assert_eq!(binding.unwrap().flow.transport, transport);
    }
}

#[tokio::test]
async fn a_registration_on_one_node_is_known_on_the_other() {
    let first = Node::found().await;
    let second = first.join().await;
    let mut phone = Phone::connect("bob", &second, Transport::Udp).await;
    assert_eq!(phone.register().await.status(), Some(200));
    let endpoint = |node: &Node| node.cluster.state().endpoint_by_username("bob").unwrap().id;
    let known = first
        .cluster
        .until(|state| !state.bindings(endpoint(&second)).is_empty())
        .await;
    let flow = known.bindings(endpoint(&first))[0].flow;
    assert_eq!(flow.node.0, second.cluster.node().0);
}

#[tokio::test]
async fn a_flow_whose_connection_breaks_is_forgotten_at_once() {
    let node = Node::found().await;
    let mut phone = Phone::connect("alice", &node, Transport::Tcp).await;
    assert_eq!(phone.register_flow().await.status(), Some(200));
    drop(phone);
    let endpoint = node
        .cluster
        .state()
        .endpoint_by_username("alice")
        .unwrap()
        .id;
    let forgotten = node
        .cluster
        .until(|state| state.bindings(endpoint).is_empty());
    // Long before the registration would expire by itself.
    timeout(PATIENCE, forgotten).await.expect("it is forgotten");
}
