//! A node ends in good order: nobody is refused, and nothing is lost on the way.

use carillon_model::{Command, NodeCommand, NodeId, NodeState};
use carillon_sip::Method;
use carillon_switch::Input;
use expect_test::expect;

use super::office::Office;

const FIRST: NodeId = NodeId(1);

impl Office {
    /// As the process of node 1 does it when it is asked to end.
    fn drain_first(&mut self) {
        self.set_state_of_first(NodeState::Draining);
        self.input(FIRST, Input::Drain);
        self.run(20);
    }

    fn first_leaves(&mut self) {
        self.set_state_of_first(NodeState::Left);
        for other in self
            .nodes
            .keys()
            .copied()
            .filter(|node| *node != FIRST)
            .collect::<Vec<_>>()
        {
            self.input(other, Input::NodeDown(FIRST));
        }
        self.input(FIRST, Input::Leave);
    }

    fn set_state_of_first(&mut self, state: NodeState) {
        self.commit(&Command::Node(NodeCommand::SetState { id: FIRST, state }));
    }

    fn owners(&self) -> Vec<NodeId> {
        self.state.calls().values().map(|call| call.owner).collect()
    }
}

/// alice at node 1 and bob at node 3, registered, and leases that protect.
fn office() -> Office {
    let mut office = Office::with_alice_and_bob(3);
    office.run(1_000);
    office.ladder();
    office
}

#[test]
fn a_call_that_comes_to_a_draining_node_is_begun_by_another() {
    let mut office = office();
    office.drain_first();
    office.call("alice", "102");
    office.answer("bob", 180);
    office.answer("bob", 200);
    office.run(100);
    expect![[r#"
        alice -> n1: INVITE 102
        n1 => n2: INVITE 102
        n2 by n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 => n2: ACK 102
        n1 => n2: INVITE 102
        n2 by n1 -> alice: 100 INVITE
        n2 by n3 -> bob: INVITE bob
        bob -> n3: 180 INVITE
        n3 => n2: 180 INVITE
        n2 by n1 -> alice: 180 INVITE
        bob -> n3: 200 INVITE
        n3 => n2: 200 INVITE
        n2 by n3 -> bob: ACK bob
        n2 by n1 -> alice: 200 INVITE
        alice -> n2: ACK
    "#]]
    .assert_eq(&office.ladder());
    assert_ne!(office.owners(), [FIRST]);
    assert_eq!(office.node(1).load().calls, 0);
    office.first_leaves();
    office.run(500);
    office.nodes.remove(&FIRST);
    office.run(1_000);
    office.ladder();
    office.hang_up("bob");
    expect![[r#"
        bob -> n3: BYE
        n3 => n2: BYE
        n2 by n3 -> bob: 200 BYE
        n2 -> alice: BYE alice
        alice -> n2: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    office.assert_quiet();
}

#[test]
fn a_caller_who_gives_up_at_a_draining_node_is_heard() {
    let mut office = office();
    office.drain_first();
    office.call("alice", "102");
    office.answer("bob", 180);
    office.ladder();
    office.cancel("alice");
    office.run(100);
    expect![[r#"
        alice -> n1: CANCEL 102
        n1 => n2: CANCEL 102
        n2 by n1 -> alice: 200 CANCEL
        n2 by n1 -> alice: 487 INVITE
        n2 by n3 -> bob: CANCEL bob
        alice -> n1: ACK 102
        bob -> n3: 200 CANCEL
        bob -> n3: 487 INVITE
        n1 => n2: ACK 102
        n3 => n2: 200 CANCEL
        n3 => n2: 487 INVITE
        n2 by n3 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    office.assert_quiet();
    expect!["101 -> 102: Cancelled 487/16, 0 ms"].assert_eq(&office.record());
}

#[test]
fn a_phone_registers_at_a_draining_node() {
    let mut office = office();
    office.drain_first();
    office.register("alice");
    office.run(100);
    expect![[r#"
        alice -> n1: REGISTER
        n1 => n2: REGISTER
        n2 by n1 -> alice: 401 REGISTER
        alice -> n1: REGISTER
        n1 => n2: REGISTER
        n2 by n1 -> alice: 200 REGISTER
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_node_that_leaves_gives_its_calls_away_and_hands_on_what_still_comes() {
    let mut office = office();
    office.call("alice", "102");
    office.answer("bob", 180);
    office.answer("bob", 200);
    office.run(1_000);
    office.ladder();
    assert_eq!(office.owners(), [FIRST]);
    office.drain_first();
    office.first_leaves();
    office.run(300);
    expect![[r#"
        n2 -> alice: INVITE alice
        n2 by n3 -> bob: INVITE bob
        alice -> n2: 200 INVITE
        bob -> n3: 200 INVITE
        n2 -> alice: ACK alice
        n3 => n2: 200 INVITE
        n2 by n3 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    assert_ne!(office.owners(), [FIRST]);
    assert_eq!(office.node(1).load().calls, 0);
    // alice's phone has sent this before it heard of the heir.
    let bye = office.phone("alice").inside(Method::Bye);
    office.say_to("alice", FIRST, bye);
    office.run(100);
    expect![[r#"
        alice -> n1: BYE
        n1 => n2: BYE
        n2 -> alice: 200 BYE
        n2 by n3 -> bob: BYE bob
        bob -> n3: 200 BYE
        n3 => n2: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    office.assert_quiet();
    assert_eq!(office.records.len(), 1);
}

#[test]
fn what_a_phone_says_before_anybody_has_its_call_is_answered_by_the_node_that_leaves() {
    let mut office = office();
    office.call("alice", "102");
    office.answer("bob", 200);
    office.run(1_000);
    office.ladder();
    office.drain_first();
    office.first_leaves();
    office.hang_up("alice");
    office.run(1_000);
    expect![[r#"
        alice -> n1: BYE
        n1 -> alice: 200 BYE
        n1 by n3 -> bob: BYE bob
        bob -> n3: 200 BYE
        n1 by n3 -> bob: BYE bob
        bob -> n3: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    office.assert_quiet();
    assert_eq!(office.records.len(), 1);
}

#[test]
fn a_node_that_is_alone_refuses_new_calls_when_it_is_to_end() {
    let mut office = Office::with_alice_and_bob(1);
    office.drain_first();
    office.call("alice", "102");
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 503 INVITE
        alice -> n1: ACK 102
    "#]]
    .assert_eq(&office.ladder());
}
