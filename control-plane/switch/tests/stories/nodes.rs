//! Messages that arrive at a node that does not have the call.

use carillon_model::NodeId;
use carillon_sip::{Method, Name};
use carillon_switch::Input;
use expect_test::expect;

use super::office::{Office, sip_address};

/// alice at node 1 talks with bob at node 2; node 3 has nothing to do with it.
fn talking() -> Office {
    let mut office = Office::new(3);
    office.settle_in(2);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.run(100);
    office.ladder();
    office
}

#[test]
fn a_bye_at_the_wrong_node_reaches_the_owner() {
    let mut office = talking();
    let bye = office.phone("alice").inside(Method::Bye);
    office.say_to("alice", NodeId(3), bye);
    office.run(100);
    expect![[r#"
        alice -> n3: BYE
        n3 => n1: BYE
        n1 by n3 -> alice: 200 BYE
        n1 by n2 -> bob: BYE bob
        bob -> n2: 200 BYE
        n2 => n1: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
    expect!["101 -> 102: Answered 200/16, 150 ms"].assert_eq(&office.record());
    office.assert_quiet();
}

#[test]
fn a_call_that_the_replica_does_not_know_yet_is_found_by_its_tag() {
    let mut office = talking();
    let bye = office.phone("alice").inside(Method::Bye);
    // Node 3 sleeps through everything since it was started.
    office.nodes.insert(NodeId(3), fresh_node(&office));
    office.say_to("alice", NodeId(3), bye);
    office.run(100);
    expect![[r#"
        alice -> n3: BYE
        n3 => n1: BYE
        n1 by n3 -> alice: 200 BYE
        n1 by n2 -> bob: BYE bob
        bob -> n2: 200 BYE
        n2 => n1: 200 BYE
    "#]]
    .assert_eq(&office.ladder());
}

fn fresh_node(office: &Office) -> carillon_switch::Switch {
    let listeners = office.state.nodes().get(&NodeId(3)).unwrap().sip.clone();
    let mut node =
        carillon_switch::Switch::new(carillon_switch::Config::new(NodeId(3), listeners), [9; 32]);
    // It knows the nodes, but no calls.
    let nodes_only = Office::new(3).state;
    let input = Input::State {
        state: std::sync::Arc::new(nodes_only),
        events: Vec::new(),
    };
    node.handle_input(office.now_ms, input);
    node
}

#[test]
fn a_dialog_that_never_was_is_answered_481() {
    let mut office = talking();
    let mut bye = office.phone("alice").inside(Method::Bye);
    bye.headers
        .set(Name::To, "<sip:102@pbx.example>;tag=whatever");
    office.say_to("alice", NodeId(3), bye);
    office.run(100);
    expect![[r#"
        alice -> n3: BYE
        n3 -> alice: 481 BYE
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_dialog_of_ours_that_is_over_is_answered_481_only_with_a_quorum() {
    let mut office = talking();
    office.hang_up("alice");
    let dialog = office
        .phone("bob")
        .received
        .iter()
        .rev()
        .find(|m| m.method() == Some(&Method::Bye))
        .cloned();
    office.run(70_000);
    office.ladder();
    let bye = dialog.unwrap();
    // bob's own BYE, late: our tag is in the From of the one that he got.
    let mut late = office
        .phone("bob")
        .request(Method::Bye, "sip:10.1.0.2:5060", "x");
    late.headers
        .set(Name::From, bye.headers.get(Name::To).unwrap().clone());
    late.headers
        .set(Name::To, bye.headers.get(Name::From).unwrap().clone());
    late.headers
        .set(Name::CallId, bye.headers.get(Name::CallId).unwrap().clone());
    office.input(NodeId(1), Input::Quorum(false));
    office.say_to("bob", NodeId(1), late.clone());
    office.run(50);
    expect![[r#"
        bob -> n1: BYE
    "#]]
    .assert_eq(&office.ladder());
    office.input(NodeId(1), Input::Quorum(true));
    office.say_to("bob", NodeId(1), late);
    office.run(50);
    expect![[r#"
        bob -> n1: BYE
        n1 -> bob: 481 BYE
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn while_the_owner_is_gone_nobody_says_481() {
    let mut office = talking();
    office.nodes.remove(&NodeId(1));
    office.silent_quorum = true;
    let bye = office.phone("bob").inside(Method::Bye);
    let bytes = bye.to_bytes();
    office.say("bob", bye);
    office.run(50);
    expect![[r#"
        bob -> n2: BYE
        n2 => n1: BYE
    "#]]
    .assert_eq(&office.ladder());
    let flow = office.phones["bob"].flow();
    office.input(
        NodeId(2),
        Input::ForwardFailed {
            flow,
            bytes: bytes.clone(),
        },
    );
    assert_eq!(
        office.ladder(),
        "",
        "over UDP the phone asks again by itself"
    );
    let stream = carillon_model::Flow {
        transport: carillon_model::Transport::Tcp,
        connection: 4,
        ..flow
    };
    office.input(
        NodeId(2),
        Input::ForwardFailed {
            flow: stream,
            bytes,
        },
    );
    office.run(carillon_switch::HEIR_LIMIT_MS + 100);
    expect![[r#"
        n2 -> bob: 503 BYE
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_node_that_starts_again_goes_on_with_its_calls() {
    let mut office = talking();
    let listeners = office.state.nodes().get(&NodeId(1)).unwrap().sip.clone();
    let again =
        carillon_switch::Switch::new(carillon_switch::Config::new(NodeId(1), listeners), [77; 32]);
    office.nodes.insert(NodeId(1), again);
    let input = Input::State {
        state: std::sync::Arc::new(office.state.clone()),
        events: Vec::new(),
    };
    office.input(NodeId(1), input);
    office.input(
        NodeId(1),
        Input::MediaServerUp(carillon_model::MediaServerId(1)),
    );
    office.run(200);
    expect![[r#"
        n1 -> alice: INVITE alice
        n1 by n2 -> bob: INVITE bob
        alice -> n1: 200 INVITE
        bob -> n2: 200 INVITE
        n1 -> alice: ACK alice
        n2 => n1: 200 INVITE
        n1 by n2 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
    assert_eq!(office.node(1).load().calls, 1);
    office.hang_up("bob");
    assert_eq!(office.records.len(), 1);
    office.assert_quiet();
}

#[test]
fn a_call_that_another_node_has_claimed_is_let_go() {
    let mut office = talking();
    let call = office.state.calls().values().next().unwrap().clone();
    // Node 1 gives its lease back, so that nobody is kept from taking its calls.
    office.commit(&carillon_model::Command::Lease(
        carillon_model::LeaseCommand::Release {
            resource: carillon_model::node_resource(NodeId(1)),
            holder: NodeId(1),
            epoch: carillon_model::Epoch(1),
        },
    ));
    office.commit(&carillon_model::Command::Call(
        carillon_model::CallCommand::Claim {
            id: call.id,
            epoch: call.epoch,
            by: NodeId(2),
        },
    ));
    assert_eq!(office.node(1).load().calls, 0);
    assert_eq!(office.node(1).counters().fenced, 1);
    office.run(1000);
    expect![[r#"
        n2 by n1 -> alice: INVITE alice
        n2 -> bob: INVITE bob
        alice -> n1: 200 INVITE
        bob -> n2: 200 INVITE
        n1 => n2: 200 INVITE
        n2 -> bob: ACK bob
        n2 by n1 -> alice: ACK alice
    "#]]
    .assert_eq(&office.ladder());
}

/// The quorum has heard of a call that rings, and its owner of an answer: another node ends it, and knows no better.
#[test]
fn what_a_node_knows_of_a_call_that_it_loses_gets_into_the_record() {
    let mut office = Office::new(3);
    office.settle_in(1);
    office.call("alice", "102");
    office.answer("bob", 180);
    office.run(1_000);
    let ringing = office.state.calls().values().next().unwrap().clone();
    office.failing = Some(carillon_switch::ProposalFailure::NoQuorum);
    office.answer("bob", 200);
    office.run(300);
    assert!(
        office.phone("alice").dialog.is_some(),
        "they talk, unprotected"
    );
    office.failing = None;
    // The other node, beyond a cut.
    office.apply(&carillon_model::Command::Lease(
        carillon_model::LeaseCommand::Release {
            resource: carillon_model::node_resource(NodeId(1)),
            holder: NodeId(1),
            epoch: carillon_model::Epoch(1),
        },
    ));
    let commands = [
        carillon_model::CallCommand::Claim {
            id: ringing.id,
            epoch: ringing.epoch,
            by: NodeId(2),
        },
        carillon_model::CallCommand::End {
            id: ringing.id,
            epoch: ringing.epoch.next(),
            record: Box::default(),
        },
    ];
    for command in commands {
        office.commit(&carillon_model::Command::Call(command));
    }
    office.run(2_000);
    assert_eq!(office.state.records().len(), 1);
    let record = office.state.records().values().next().unwrap().clone();
    assert!(record.answered_at_ms.is_some() && record.caller.number == "101");
}

#[test]
fn a_phone_whose_node_is_gone_is_called_by_the_node_that_has_the_call() {
    let mut office = Office::new(3);
    office.settle_in(2);
    office.nodes.remove(&NodeId(2));
    office.input(NodeId(1), Input::NodeDown(NodeId(2)));
    office.call("alice", "102");
    expect![[r#"
        alice -> n1: INVITE 102
        n1 -> alice: 401 INVITE
        alice -> n1: ACK 102
        alice -> n1: INVITE 102
        n1 -> alice: 100 INVITE
        n1 -> bob: INVITE bob
    "#]]
    .assert_eq(&office.ladder());
    let invite = office.phone("bob").ringing.clone().unwrap();
    assert_eq!(
        invite.via().unwrap().host().socket(5060),
        Some(sip_address(1))
    );
}

#[test]
fn responses_at_the_wrong_node_reach_the_owner() {
    let mut office = Office::new(3);
    office.settle_in(2);
    office.call("alice", "102");
    let ringing = office.phone("bob").ringing.clone().unwrap();
    let response = office.phone("bob").response(&ringing, 180);
    office.ladder();
    office.say_to("bob", NodeId(3), response);
    office.run(50);
    expect![[r#"
        bob -> n3: 180 INVITE
        n3 => n1: 180 INVITE
        n1 -> alice: 180 INVITE
    "#]]
    .assert_eq(&office.ladder());
}

#[test]
fn a_late_repeated_200_is_acknowledged_even_without_its_transaction() {
    let mut office = talking();
    let ok = {
        let bob = office.phone("bob");
        let invite = bob
            .received
            .iter()
            .find(|m| m.method() == Some(&Method::Invite))
            .unwrap()
            .clone();
        bob.response(&invite, 200)
    };
    office.run(40_000);
    office.ladder();
    office.say("bob", ok);
    office.run(50);
    expect![[r#"
        bob -> n2: 200 INVITE
        n2 => n1: 200 INVITE
        n1 by n2 -> bob: ACK bob
    "#]]
    .assert_eq(&office.ladder());
}
