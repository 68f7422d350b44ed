//! One node registers a trunk, and another one when it has gone.

use carillon_model::{
    Command, ConfigCommand, NodeId, Register, RegisterId, Resource, ResourceKey, Trunk, TrunkId,
    TrunkState,
};
use carillon_switch::{Input, ServerWay};

use super::carrier::{Carrier, PASSWORD, Registered};
use super::office::Office;

/// From the kill to the carrier's 200: the worst that may be.
const TAKEN_OVER_MS: u64 = 3_000;
const PLANNED_MOVE_MS: u64 = 250;

fn account() -> Register {
    Register {
        sip_username: "0390000000".to_owned(),
        auth_username: Some("account".to_owned()),
        auth_password: PASSWORD.into(),
        remote_host: "10.9.0.1".to_owned(),
        expiration_s: 60,
        ..Register::default()
    }
}

impl Office {
    fn with_trunk(nodes: u64) -> Self {
        let mut office = Self::new(nodes);
        office.carrier = Some(Carrier::new());
        office.subscribe_to_carrier(account());
        office.run(1_500);
        office
    }

    fn subscribe_to_carrier(&mut self, register: Register) {
        let ResourceKey::Register(register) = self.create(Resource::Register(register)) else {
            panic!("a register");
        };
        let trunk = Trunk {
            name: "carrier".to_owned(),
            register_sip: Some(register),
            ..Trunk::default()
        };
        self.commit(&Command::Configure(Box::new(ConfigCommand::Create(
            Resource::Trunk(trunk),
        ))));
    }

    fn change_account(&mut self, change: impl FnOnce(&mut Register)) {
        let mut register = (**self.state.registers().get(&RegisterId(1)).unwrap()).clone();
        change(&mut register);
        self.commit(&Command::Configure(Box::new(ConfigCommand::Update(
            Resource::Register(register),
        ))));
    }

    fn carrier(&mut self) -> &mut Carrier {
        self.carrier.as_mut().unwrap()
    }

    fn last(&self) -> Registered {
        *self
            .carrier
            .as_ref()
            .unwrap()
            .account
            .last()
            .expect("registered")
    }

    fn owner(&self) -> u64 {
        self.last().node.0
    }

    fn told(&self) -> TrunkState {
        self.state.trunk_report(TrunkId(1)).unwrap().state
    }
}

#[test]
fn a_trunk_is_registered_by_one_node_and_refreshed_by_it() {
    let mut office = Office::with_trunk(3);
    let first = office.last();
    assert_eq!(first.epoch, 1);
    assert_eq!(office.told(), TrunkState::Registered);
    office.run(200_000);
    let account = office.carrier().account.clone();
    assert!(account.len() >= 4, "{account:?}");
    assert!(account.iter().all(|entry| entry.node == first.node));
    assert_eq!(office.carrier().contacts.len(), 1);
    // Every refresh came before the carrier had forgotten the contact.
    assert!(
        account
            .windows(2)
            .all(|pair| pair[1].at_ms - pair[0].at_ms < 60_000)
    );
}

#[test]
fn a_survivor_registers_when_the_owner_dies_and_its_contact_goes() {
    let mut office = Office::with_trunk(3);
    let first = office.last();
    let killed_ms = office.now_ms;
    office.kill(first.node.0);
    office.run(TAKEN_OVER_MS);
    let second = office.last();
    assert_ne!(second.node, first.node);
    assert_eq!(second.epoch, 2);
    assert!(second.at_ms - killed_ms < TAKEN_OVER_MS, "{second:?}");
    let contacts = &office.carrier().contacts;
    let here = format!("sip:0390000000@10.1.0.{}:5060", second.node);
    assert_eq!(contacts.keys().collect::<Vec<_>>(), [&here]);
    office.run(120_000);
    office.carrier().assert_one_owner();
}

#[test]
fn a_node_that_is_drained_hands_its_trunk_over_at_once() {
    let mut office = Office::with_trunk(3);
    let first = office.last();
    let drained_ms = office.now_ms;
    office.input(first.node, Input::Drain);
    office.run(PLANNED_MOVE_MS);
    let second = office.last();
    assert_ne!(second.node, first.node);
    assert!(second.at_ms - drained_ms < PLANNED_MOVE_MS);
    assert_eq!(office.carrier().contacts.len(), 1);
    office.run(120_000);
    office.carrier().assert_one_owner();
}

#[test]
fn an_owner_that_was_stopped_says_nothing_to_the_carrier_when_it_wakes() {
    let mut office = Office::with_trunk(3);
    let first = office.owner();
    office.stop(first);
    office.run(100_000);
    assert_ne!(office.owner(), first);
    let before = office.carrier().account.len();
    office.go_on(first);
    office.run(5_000);
    let after = office.carrier().account.clone();
    assert!(after[before..].iter().all(|entry| entry.node.0 != first));
    office.run(120_000);
    office.carrier().assert_one_owner();
}

#[test]
fn an_owner_that_hears_nothing_any_more_falls_silent_before_another_registers() {
    let mut office = Office::with_trunk(3);
    let first = office.owner();
    office.deaf = Some(NodeId(first));
    office.run(100_000);
    assert_ne!(office.owner(), first);
    office.carrier().assert_one_owner();
}

#[test]
fn without_a_quorum_no_trunk_is_registered_anew() {
    let mut office = Office::with_trunk(3);
    office.failing = Some(carillon_switch::ProposalFailure::NoQuorum);
    let heard = office.carrier().heard;
    office.run(200_000);
    assert_eq!(office.carrier().heard, heard);
    office.failing = None;
    office.run(5_000);
    assert!(office.carrier().heard > heard);
    office.carrier().assert_one_owner();
}

#[test]
fn a_node_that_is_alone_registers_without_a_lease_of_its_own() {
    let mut office = Office::with_trunk(1);
    assert_eq!(office.last().node, NodeId(1));
    office.run(100_000);
    office.carrier().assert_one_owner();
}

#[test]
fn a_changed_account_works_at_once_and_the_old_contact_goes() {
    let mut office = Office::with_trunk(3);
    office.change_account(|register| register.callback_extension = Some("0399".to_owned()));
    office.run(500);
    let contacts: Vec<String> = office.carrier().contacts.keys().cloned().collect();
    assert_eq!(contacts.len(), 1);
    assert!(contacts[0].starts_with("sip:0399@"), "{contacts:?}");
    assert_eq!(office.told(), TrunkState::Registered);
}

#[test]
fn a_registration_that_is_switched_off_is_taken_back() {
    let mut office = Office::with_trunk(3);
    office.change_account(|register| register.enabled = false);
    office.run(500);
    assert!(office.carrier().contacts.is_empty());
    office.change_account(|register| register.enabled = true);
    office.run(2_000);
    assert_eq!(office.carrier().contacts.len(), 1);
    office.carrier().assert_one_owner();
}

#[test]
fn a_carrier_that_says_nothing_is_asked_every_twenty_seconds() {
    let mut office = Office::new(3);
    office.carrier = Some(Carrier::new());
    office.carrier().silent = true;
    office.subscribe_to_carrier(account());
    office.run(8_000);
    assert_eq!(office.told(), TrunkState::Refused);
    office.carrier().silent = false;
    office.run(25_000);
    assert_eq!(office.told(), TrunkState::Registered);
}

#[test]
fn a_wrong_password_is_told_and_the_right_one_works_at_once() {
    let mut office = Office::new(3);
    office.carrier = Some(Carrier::new());
    let wrong = Register {
        auth_password: "wrong".into(),
        ..account()
    };
    office.subscribe_to_carrier(wrong);
    office.run(2_000);
    assert_eq!(office.told(), TrunkState::Refused);
    assert_eq!(
        office.state.trunk_report(TrunkId(1)).unwrap().code,
        Some(401)
    );
    office.change_account(|register| register.auth_password = PASSWORD.into());
    office.run(500);
    assert_eq!(office.told(), TrunkState::Registered);
}

#[test]
fn a_carrier_that_has_a_name_is_looked_up_first() {
    let mut office = Office::new(1);
    office.carrier = Some(Carrier::new());
    office.subscribe_to_carrier(Register {
        remote_host: "carrier.example".to_owned(),
        ..account()
    });
    office.run(1_000);
    assert_eq!(office.carrier().heard, 0);
    let server = office.resolved.pop().expect("looked up");
    assert_eq!(server.host, "carrier.example");
    let ways = vec![ServerWay {
        transport: carillon_model::Transport::Udp,
        address: office.carrier().address,
    }];
    office.input(NodeId(1), Input::Resolved { server, ways });
    office.run(1_000);
    assert_eq!(office.told(), TrunkState::Registered);
}
