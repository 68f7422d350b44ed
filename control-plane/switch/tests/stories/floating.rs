//! Each node has an address that others hold while it is away.

use std::net::IpAddr;

use carillon_model::{Command, NodeCommand, NodeId, NodeState, Transport};
use carillon_sip::{Method, Name};
use carillon_switch::{Input, Notice, ProposalFailure};

use super::office::Office;

/// From the loss of a node until somebody else has its address.
const TAKEN_OVER_MS: u64 = 1_500;
/// From the return of a node until it has its address again.
const RETURNED_MS: u64 = 500;
/// By its own clock a node gives up what it holds before anybody else may take it.
const LEASE_MS: u64 = 900;

/// Then it asks its neighbours four times.
const ALONE_MS: u64 = 6_000;

fn address(node: u64) -> IpAddr {
    format!("10.1.0.{}", 100 + node).parse().unwrap()
}

impl Office {
    fn floating(nodes: u64) -> Self {
        let mut office = Self::with(nodes, |config| {
            let floating = format!("{}/24", address(config.node.0));
            config.floating = Some(floating.parse().unwrap());
        });
        office.run(1_000);
        office
    }

    /// A phone that knows nothing but the floating address of a node.
    fn place_floating(&mut self, username: &str, node: u64) {
        self.place(username, node);
        self.phone(username).registrar = (address(node), 5060).into();
        self.register(username);
    }

    fn floating_talk() -> Self {
        let mut office = Self::floating(3);
        office.place_floating("alice", 1);
        office.place_floating("bob", 1);
        office.call("alice", "102");
        office.answer("bob", 180);
        office.answer("bob", 200);
        office.run(2_000);
        office.ladder();
        office
    }

    /// Who runs and has an address.
    fn holders(&self, home: u64) -> Vec<u64> {
        let nodes = self.nodes.iter();
        let holders = nodes.filter(|(_, switch)| switch.has_address(address(home)));
        holders.map(|(node, _)| node.0).collect()
    }

    /// A process of a node that was killed starts on its state.
    fn restart(&mut self, node: u64, mut switch: carillon_switch::Switch) {
        switch.handle_timeout(self.now_ms);
        self.nodes.insert(NodeId(node), switch);
        let id = NodeId(node);
        let state = NodeState::Active;
        self.commit(&Command::Node(NodeCommand::SetState { id, state }));
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            if other != id {
                self.input(other, Input::NodeUp(id));
            }
        }
        self.tell_everybody(Vec::new());
    }

    fn new_switch(node: u64) -> carillon_switch::Switch {
        let listeners = super::office::listeners(node);
        let mut config = carillon_switch::Config::new(NodeId(node), listeners);
        config.floating = Some(format!("{}/24", address(node)).parse().unwrap());
        carillon_switch::Switch::new(config, [node as u8 + 100; 32])
    }
}

#[test]
fn each_node_holds_its_own_address_and_listens_there_as_at_its_own() {
    let office = Office::floating(3);
    for node in 1..=3 {
        assert_eq!(office.holders(node), [node]);
        let listeners = &office.machines.listeners[&address(node)];
        assert_eq!(listeners.len(), 2);
        assert!(
            listeners
                .iter()
                .all(|at| at.address == (address(node), 5060).into())
        );
        assert_eq!(listeners[0].transport, Transport::Udp);
    }
}

#[test]
fn a_node_that_is_alone_has_its_address_too() {
    let mut office = Office::floating(1);
    office.run(100_000);
    assert_eq!(office.holders(1), [1]);
    assert_eq!(office.machines.history.len(), 1);
}

#[test]
fn without_a_floating_address_nothing_is_held() {
    let mut office = Office::new(3);
    office.run(10_000);
    assert!(office.machines.history.is_empty());
}

#[test]
fn a_survivor_takes_the_address_of_a_node_that_died_and_gives_it_back_in_peace() {
    let mut office = Office::floating(3);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    let taken = office.holders(1);
    assert!(matches!(taken[..], [2] | [3]), "{taken:?}");
    let heir = office.node(taken[0]);
    assert_eq!(heir.counters().addresses_taken_over, 1);
    assert_eq!(office.holders(taken[0]), taken, "its own it keeps");
    // As long as it takes.
    office.run(100_000);
    assert_eq!(office.holders(1), taken);

    office.restart(1, Office::new_switch(1));
    office.run(RETURNED_MS);
    assert_eq!(office.holders(1), [1]);
    let given_back = Notice::AddressGivenBack { home: NodeId(1) };
    assert!(office.notices.contains(&given_back));
}

#[test]
fn an_heir_that_dies_as_well_has_an_heir() {
    let mut office = Office::floating(3);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    let first = office.holders(1)[0];
    office.kill(first);
    office.run(2 * TAKEN_OVER_MS);
    let last = 5 - first;
    assert_eq!(office.holders(1), [last]);
    assert_eq!(office.holders(first), [last]);
}

#[test]
fn a_partitioned_holder_drops_the_address_before_its_lease_can_be_another_s() {
    let mut office = Office::floating(3);
    office.deaf = Some(NodeId(1));
    let deaf_ms = office.now_ms;
    // The office asserts that the address is never held twice.
    while office.machines.has(1, address(1)) {
        office.run(10);
        assert!(office.now_ms < deaf_ms + LEASE_MS, "it is late");
    }
    assert_eq!(office.holders(1), [0_u64; 0]);
    office.run(10_000);
    assert!(!office.machines.has(1, address(1)));
    let taken = office.holders(1);
    assert!(matches!(taken[..], [2] | [3]), "{taken:?}");
}

#[test]
fn a_process_that_was_stopped_lets_go_before_it_says_a_word() {
    let mut office = Office::floating(3);
    office.stop(1);
    office.run(30_000);
    let taken = office.holders(1);
    assert_eq!(taken.len(), 1);
    assert!(
        office.machines.has(1, address(1)),
        "nobody took it away there"
    );
    office.go_on(1);
    assert!(!office.machines.has(1, address(1)));
    office.run(3_000);
    assert_eq!(office.holders(1), [1]);
}

#[test]
fn without_a_quorum_a_node_takes_its_own_address_up_again_where_nobody_else_has_it() {
    let mut office = Office::floating(3);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    let heir = office.holders(1)[0];
    office.failing = Some(ProposalFailure::NoQuorum);
    office.run(LEASE_MS);
    for node in 1..=3 {
        assert_eq!(office.holders(node), [0_u64; 0], "the leases have lapsed");
    }
    office.run(ALONE_MS);
    assert_eq!(office.holders(2), [2]);
    assert_eq!(office.holders(3), [3]);
    assert_eq!(
        office.holders(1),
        [0_u64; 0],
        "what is another's stays down"
    );
    let before = office.machines.history.len();
    office.failing = None;
    office.run(3_000);
    assert_eq!(office.holders(2), [2]);
    assert_eq!(office.holders(3), [3]);
    assert!(matches!(office.holders(1)[..], [2] | [3]), "{heir}");
    // Its own never left the machine when the leases came back.
    let again = &office.machines.history[before..];
    assert!(
        again.iter().all(|(_, taken, _)| *taken == address(1)),
        "{again:?}"
    );
}

#[test]
fn who_is_cut_off_alone_leaves_its_address_to_the_majority_for_as_long_as_that_has_it() {
    let mut office = Office::floating(3);
    office.deaf = Some(NodeId(1));
    office.run(30_000);
    assert_eq!(office.holders(1).len(), 1);
    assert!(
        !office.machines.has(1, address(1)),
        "the neighbours said that it is taken"
    );
}

#[test]
fn a_node_that_is_drained_hands_its_address_over_while_it_lives() {
    let mut office = Office::floating(3);
    let (id, state) = (NodeId(1), NodeState::Draining);
    office.commit(&Command::Node(NodeCommand::SetState { id, state }));
    office.input(id, Input::Drain);
    office.run(1_000);
    let taken = office.holders(1);
    assert!(matches!(taken[..], [2] | [3]), "{taken:?}");
    office.run(10_000);
    assert_eq!(office.holders(1), taken);
}

#[test]
fn a_machine_that_cannot_have_addresses_leaves_them_to_others() {
    let mut office = Office::floating(3);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    let first = office.holders(1)[0];
    office.restart(1, Office::new_switch(1));
    office.run(RETURNED_MS);
    office.machines.broken.insert(NodeId(first));
    office.kill(1);
    office.run(2 * TAKEN_OVER_MS);
    assert_eq!(office.holders(1), [5 - first]);
    assert!(office.node(first).counters().addresses_failed >= 1);
}

#[test]
fn an_address_left_by_an_earlier_process_goes_before_it_is_claimed() {
    let mut office = Office::floating(3);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    assert!(
        office.machines.has(1, address(1)),
        "the dead cannot take it away"
    );
    let mut switch = Office::new_switch(1);
    let state = std::sync::Arc::new(office.state.clone());
    let events = Vec::new();
    switch.handle_input(office.now_ms, Input::State { state, events });
    let mut dropped = Vec::new();
    while let Some(output) = switch.poll_output() {
        match output {
            carillon_switch::Output::DropAddress { address } => dropped.push(address),
            carillon_switch::Output::HoldAddress { .. } => panic!("it has no lease"),
            _ => {}
        }
    }
    assert_eq!(dropped, [1, 2, 3].map(address));
}

#[test]
fn phones_are_told_the_floating_address_of_the_node_that_acts() {
    let mut office = Office::floating_talk();
    let target = |office: &mut Office, name: &str| {
        let dialog = office.phone(name).dialog.as_ref().unwrap();
        dialog.target.clone()
    };
    for phone in ["alice", "bob"] {
        assert!(target(&mut office, phone).contains("10.1.0.101"));
    }
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    let heir = office.holders(1)[0];
    for phone in ["alice", "bob"] {
        let target = target(&mut office, phone);
        let told: IpAddr = target[4..]
            .split([':', '@'])
            .find_map(|part| part.parse().ok())
            .unwrap();
        assert!((2..=3).any(|node| told == address(node)), "{target}");
    }
    assert!((2..=3).contains(&heir));
    office.hang_up("alice");
    office.assert_quiet();
}

#[test]
fn a_bye_to_the_address_of_the_dead_is_answered_by_who_has_it_then() {
    let mut office = Office::floating_talk();
    let bye = office.phone("alice").inside(Method::Bye);
    office.phone("alice").dialog = None;
    office.kill(1);
    // As a phone repeats it (RFC 3261 §17.1.2.2).
    for pause_ms in [500, 1_000, 2_000] {
        office.run(pause_ms);
        office.say("alice", bye.clone());
    }
    office.run(1_000);
    let answered = office.phone("alice").received.iter().any(|message| {
        message.status() == Some(200)
            && message.headers.get(Name::CSeq) == bye.headers.get(Name::CSeq)
    });
    assert!(answered, "{}", office.ladder());
    office.assert_quiet();
}

#[test]
fn a_phone_that_knows_only_the_address_calls_and_is_called_at_the_survivor() {
    let mut office = Office::floating(3);
    office.place_floating("alice", 1);
    office.place_floating("bob", 1);
    office.kill(1);
    office.run(TAKEN_OVER_MS);
    office.register("alice");
    office.call("alice", "102");
    office.answer("bob", 200);
    office.run(500);
    assert!(office.phone("bob").dialog.is_some());
    office.hang_up("bob");
    office.assert_quiet();
}
