use super::Cluster;
use crate::{
    Binding, BindingChange, BindingOutcome, Command, EndpointId, Event, Flow, MAX_BINDINGS, NodeId,
    Outcome, Resource, ResourceKey, Transport,
};

fn flow(port: u16) -> Flow {
    Flow {
        node: NodeId(1),
        transport: Transport::Udp,
        local: "127.0.1.1:5060".parse().unwrap(),
        peer: ([127, 0, 0, 1], port).into(),
        connection: 0,
    }
}

fn binding(contact: &str, cseq: u32, expires_at_ms: u64) -> Binding {
    Binding {
        contact: contact.to_owned(),
        instance: None,
        reg_id: None,
        q: 1000,
        path: Vec::new(),
        call_id: "reg-1".to_owned(),
        cseq,
        flow: flow(40_000),
        expires_at_ms,
        user_agent: None,
        updated_at_ms: 0,
    }
}

impl Cluster {
    fn register(&mut self, changes: Vec<BindingChange>) -> (Vec<BindingOutcome>, Vec<Event>) {
        let applied = self.apply(Command::Bindings(changes));
        match applied.outcome {
            Outcome::Bindings(outcomes) => (outcomes, applied.events),
            other => panic!("{other:?}"),
        }
    }

    fn put(&mut self, endpoint: EndpointId, binding: Binding) -> BindingOutcome {
        self.register(vec![BindingChange::Put { endpoint, binding }])
            .0[0]
    }
}

#[test]
fn a_refresh_replaces_the_binding_and_an_older_one_does_not() {
    let mut cluster = Cluster::new();
    let (_, _, alice) = cluster.phone("alice", "101");
    let later = cluster.at.now_ms + 60_000;
    assert_eq!(
        cluster.put(alice, binding("sip:a@192.0.2.1", 2, later)),
        BindingOutcome::Accepted
    );
    assert_eq!(
        cluster.put(alice, binding("sip:a@192.0.2.1", 3, later + 1)),
        BindingOutcome::Accepted
    );
    assert_eq!(cluster.state.bindings(alice).len(), 1);
    assert_eq!(
        cluster.put(alice, binding("sip:a@192.0.2.1", 1, later + 2)),
        BindingOutcome::OutOfOrder
    );
    assert_eq!(cluster.state.bindings(alice)[0].expires_at_ms, later + 1);
    // The same REGISTER again, by the same way: it was answered on a node that died.
    assert_eq!(
        cluster.put(alice, binding("sip:a@192.0.2.1", 3, later + 9)),
        BindingOutcome::Accepted
    );
    assert_eq!(cluster.state.bindings(alice)[0].expires_at_ms, later + 1);
    // After a restart the phone has another Call-ID and may count from 1.
    let restarted = Binding {
        call_id: "reg-2".to_owned(),
        ..binding("sip:a@192.0.2.1", 1, later + 3)
    };
    assert_eq!(cluster.put(alice, restarted), BindingOutcome::Accepted);
    assert_eq!(cluster.state.bindings(alice)[0].expires_at_ms, later + 3);
}

#[test]
fn an_instance_is_the_same_contact_under_another_address() {
    let mut cluster = Cluster::new();
    let (_, _, alice) = cluster.phone("alice", "101");
    let later = cluster.at.now_ms + 60_000;
    let outbound = |contact: &str, cseq, reg_id| Binding {
        instance: Some("<urn:uuid:1>".to_owned()),
        reg_id: Some(reg_id),
        ..binding(contact, cseq, later)
    };
    cluster.put(alice, outbound("sip:a@192.0.2.1:1111", 1, 1));
    cluster.put(alice, outbound("sip:a@192.0.2.1:2222", 2, 1));
    cluster.put(alice, outbound("sip:a@192.0.2.1:2222", 3, 2));
    let contacts: Vec<_> = cluster
        .state
        .bindings(alice)
        .iter()
        .map(|b| (b.contact.as_str(), b.reg_id))
        .collect();
    assert_eq!(
        contacts,
        [
            ("sip:a@192.0.2.1:2222", Some(1)),
            ("sip:a@192.0.2.1:2222", Some(2))
        ]
    );
}

#[test]
fn an_endpoint_has_so_many_contacts_and_no_more() {
    let mut cluster = Cluster::new();
    let (_, _, alice) = cluster.phone("alice", "101");
    let later = cluster.at.now_ms + 60_000;
    for phone in 0..MAX_BINDINGS {
        let contact = format!("sip:a@192.0.2.{phone}");
        assert_eq!(
            cluster.put(alice, binding(&contact, 1, later)),
            BindingOutcome::Accepted
        );
    }
    assert_eq!(
        cluster.put(alice, binding("sip:a@192.0.2.99", 1, later)),
        BindingOutcome::TooMany
    );
    assert_eq!(
        cluster.put(alice, binding("sip:a@192.0.2.1", 2, later)),
        BindingOutcome::Accepted
    );
    // When all have expired there is room, even before they are swept.
    cluster.at.now_ms = later;
    assert_eq!(
        cluster.put(alice, binding("sip:a@192.0.2.99", 1, later + 1)),
        BindingOutcome::Accepted
    );
    assert_eq!(cluster.state.bindings(alice).len(), 1);
}

#[test]
fn one_batch_gives_each_change_its_own_outcome() {
    let mut cluster = Cluster::new();
    let (_, _, alice) = cluster.phone("alice", "101");
    let (_, _, bob) = cluster.phone("bob", "102");
    let later = cluster.at.now_ms + 60_000;
    let put = |endpoint, contact: &str| BindingChange::Put {
        endpoint,
        binding: binding(contact, 5, later),
    };
    let (outcomes, events) = cluster.register(vec![
        put(alice, "sip:a@192.0.2.1"),
        put(EndpointId(77), "sip:x@192.0.2.7"),
        put(bob, "sip:b@192.0.2.2"),
        BindingChange::Remove {
            endpoint: alice,
            contact: "sip:a@192.0.2.1".to_owned(),
            call_id: "reg-1".to_owned(),
            cseq: 4,
        },
        BindingChange::RemoveAll {
            endpoint: bob,
            call_id: "reg-1".to_owned(),
            cseq: 6,
        },
    ]);
    use BindingOutcome::{Accepted, OutOfOrder, UnknownEndpoint};
    assert_eq!(
        outcomes,
        [Accepted, UnknownEndpoint, Accepted, OutOfOrder, Accepted]
    );
    assert_eq!(
        events,
        [
            Event::BindingsChanged(alice),
            Event::BindingsChanged(bob),
            Event::BindingsChanged(bob)
        ]
    );
    assert_eq!(cluster.state.bindings(alice).len(), 1);
    assert!(cluster.state.bindings(bob).is_empty());
}

#[test]
fn a_closed_connection_takes_its_contacts_along() {
    let mut cluster = Cluster::new();
    let (_, _, alice) = cluster.phone("alice", "101");
    let later = cluster.at.now_ms + 60_000;
    cluster.put(alice, binding("sip:a@192.0.2.1", 1, later));
    cluster.put(
        alice,
        Binding {
            flow: flow(50_000),
            ..binding("sip:a@192.0.2.2", 1, later)
        },
    );
    cluster.register(vec![BindingChange::RemoveFlow {
        endpoint: alice,
        flow: flow(40_000),
    }]);
    assert_eq!(cluster.state.bindings(alice).len(), 1);
    assert_eq!(cluster.state.bindings(alice)[0].contact, "sip:a@192.0.2.2");
}

#[test]
fn expired_bindings_do_not_count_and_are_swept() {
    let mut cluster = Cluster::new();
    let (_, _, alice) = cluster.phone("alice", "101");
    let start = cluster.at.now_ms;
    cluster.put(alice, binding("sip:a@192.0.2.1", 1, start + 1_000));
    cluster.put(alice, binding("sip:a@192.0.2.2", 1, start + 2_000));
    assert!(!cluster.state.has_expired(start + 999) && cluster.state.has_expired(start + 1_000));
    cluster.at.now_ms = start + 1_500;
    assert_eq!(
        cluster
            .state
            .live_bindings(alice, cluster.at.now_ms)
            .count(),
        1
    );
    let swept = cluster.apply(Command::Sweep);
    assert_eq!(
        swept.outcome,
        Outcome::Swept {
            bindings: 1,
            tokens: 0
        }
    );
    assert_eq!(swept.events, [Event::BindingsChanged(alice)]);
    assert!(!cluster.state.has_expired(start + 1_999));
    cluster.at.now_ms = start + 2_000;
    cluster.apply(Command::Sweep);
    assert!(cluster.state.registrations().is_empty());
}

#[test]
fn registrations_go_with_the_endpoint_and_with_its_old_name() {
    let mut cluster = Cluster::new();
    let alice = cluster.endpoint("alice");
    let bob = cluster.endpoint("bob");
    let later = cluster.at.now_ms + 60_000;
    cluster.put(alice, binding("sip:a@192.0.2.1", 1, later));
    cluster.put(bob, binding("sip:b@192.0.2.2", 1, later));
    cluster.delete(ResourceKey::Endpoint(alice)).unwrap();
    assert!(cluster.state.bindings(alice).is_empty());
    let mut renamed = (**cluster.state.endpoints().get(&bob).unwrap()).clone();
    renamed.username = "robert".to_owned();
    cluster.update(Resource::Endpoint(renamed)).unwrap();
    assert!(cluster.state.bindings(bob).is_empty());
}
