use carillon_model::{MediaServerId, NodeId};
use carillon_sip::{Message, Method};
use carillon_switch::{Input, ProposalFailure};
use proptest::prelude::*;

use super::office::Office;

#[derive(Debug, Clone)]
enum Act {
    Call(u8, u8),
    Answer(u8, u16),
    Cancel(u8),
    HangUp(u8, u8),
    Hold(u8),
    Register(u8),
    Repeat(u8, u8),
    Wait(u64),
    Quorum(bool),
    MediaDown,
    MediaUp,
    SendFailed(u8),
}

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

fn act() -> impl Strategy<Value = Act> {
    let who = || 0..3u8;
    prop_oneof![
        4 => (who(), who()).prop_map(|(from, to)| Act::Call(from, to)),
        4 => (who(), prop::sample::select(&[180u16, 183, 200, 200, 486, 603, 302][..])).prop_map(|(w, c)| Act::Answer(w, c)),
        1 => who().prop_map(Act::Cancel),
        3 => (who(), 1..4u8).prop_map(|(who, node)| Act::HangUp(who, node)),
        1 => who().prop_map(Act::Hold),
        1 => who().prop_map(Act::Register),
        2 => (who(), any::<u8>()).prop_map(|(who, which)| Act::Repeat(who, which)),
        3 => (0..40_000u64).prop_map(Act::Wait),
        1 => any::<bool>().prop_map(Act::Quorum),
        1 => Just(Act::MediaDown),
        1 => Just(Act::MediaUp),
        1 => who().prop_map(Act::SendFailed),
    ]
}

fn perform(office: &mut Office, act: &Act) {
    match act {
        Act::Call(from, to) => office.call(NAMES[*from as usize], &format!("10{}", to + 1)),
        Act::Answer(who, code) => {
            let name = NAMES[*who as usize];
            if office.phone(name).ringing.is_some() {
                office.answer(name, *code);
            }
        }
        Act::Cancel(who) => {
            let name = NAMES[*who as usize];
            if office.phone(name).outgoing.is_some() {
                office.cancel(name);
            }
        }
        Act::HangUp(who, node) => {
            let name = NAMES[*who as usize];
            if office.phone(name).dialog.is_some() {
                let bye = office.phone(name).inside(Method::Bye);
                office.say_to(name, NodeId(u64::from(*node)), bye);
                office.run(50);
            }
        }
        Act::Hold(who) => {
            let name = NAMES[*who as usize];
            if office.phone(name).dialog.is_some() {
                let message = office.phone(name).reinvite("sendonly");
                office.say(name, message);
                office.run(50);
            }
        }
        Act::Register(who) => office.register(NAMES[*who as usize]),
        Act::Repeat(who, which) => repeat(office, NAMES[*who as usize], *which),
        Act::Wait(duration_ms) => office.run(*duration_ms),
        Act::Quorum(present) => office.failing = (!present).then_some(ProposalFailure::Timeout),
        Act::MediaDown => office.input(NodeId(1), Input::MediaServerDown(MediaServerId(1))),
        Act::MediaUp => office.input(NodeId(1), Input::MediaServerUp(MediaServerId(1))),
        Act::SendFailed(who) => {
            let flow = office.phones[NAMES[*who as usize]].flow();
            office.input(flow.node, Input::SendFailed { flow });
        }
    }
}

/// What a phone received comes back to its node, as it is.
fn repeat(office: &mut Office, name: &str, which: u8) {
    let phone = office.phone(name);
    let received: Vec<Message> = phone.received.iter().rev().take(16).cloned().collect();
    if let Some(message) = received.get(usize::from(which) % received.len().max(1)) {
        office.say(name, message.clone());
        office.run(50);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_everything_ends_and_every_call_has_one_record(acts in prop::collection::vec(act(), 0..40)) {
        let mut office = Office::new(3);
        for (number, name) in NAMES.iter().enumerate() {
            office.place(name, number as u64 + 1);
            office.register(name);
        }
        for act in &acts {
            perform(&mut office, act);
        }
        office.failing = None;
        for node in 1..=3 {
            office.input(NodeId(node), Input::MediaServerUp(MediaServerId(1)));
        }
        let stored: Vec<_> = office.state.calls().values().map(|call| call.id).collect();
        for id in stored {
            let hangup = carillon_model::CallCommand::RequestHangup { id };
            office.commit(&carillon_model::Command::Call(hangup));
        }
        // Longer than any ring time.
        office.run(10 * 60_000);
        office.assert_quiet();
        let begun: u64 = office.nodes.values().map(|node| node.counters().calls).sum();
        prop_assert_eq!(begun as usize, office.records.len());
    }

    #[test]
    fn octets_of_any_kind_are_answered_or_dropped(octets: Vec<u8>, node in 1..3u64) {
        let mut office = Office::new(2);
        office.throw(node, "10.9.0.1:5060", &octets);
    }
}
