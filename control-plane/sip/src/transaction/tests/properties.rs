use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Receive(&'static str, u8),
    Respond(&'static str, u8, u16),
    Request(&'static str, u8),
    Answer(&'static str, u8, u16),
    SendFailed,
    Wait(u64),
}

const METHODS: [&str; 6] = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER"];
const CODES: [u16; 6] = [100, 180, 200, 302, 486, 603];

fn act() -> impl Strategy<Value = Act> {
    let method = || prop::sample::select(&METHODS[..]);
    let code = || prop::sample::select(&CODES[..]);
    prop_oneof![
        (method(), 0..4u8).prop_map(|(method, number)| Act::Receive(method, number)),
        (method(), 0..4u8, code()).prop_map(|(m, number, code)| Act::Respond(m, number, code)),
        (method(), 0..40u8).prop_map(|(method, number)| Act::Request(method, number)),
        (method(), 0..40u8, code()).prop_map(|(m, number, code)| Act::Answer(m, number, code)),
        Just(Act::SendFailed),
        (0..20_000u64).prop_map(Act::Wait),
    ]
}

fn numbered(text: String, number: u8) -> String {
    text.replace("z9hG4bKphone", &format!("z9hG4bKphone{number}"))
}

fn perform(desk: &mut Desk, act: &Act, used: &mut std::collections::BTreeSet<u64>) {
    match act {
        Act::Receive(method, number) => drop(desk.receive(&numbered(phone(method), *number))),
        Act::Respond(method, number, code) => {
            drop(desk.respond(&numbered(phone(method), *number), *code));
        }
        Act::Request("ACK", _) => {}
        Act::Request(method, number) => {
            // Keys are chosen once; a CANCEL is numbered behind its INVITE.
            let key = 2 * u64::from(*number) + if *method == "CANCEL" { 3 } else { 2 };
            if used.insert(key) {
                drop(desk.request(key, method));
            }
        }
        Act::Answer(method, number, code) => {
            let key = 2 * u64::from(*number) + if *method == "CANCEL" { 3 } else { 2 };
            drop(desk.receive(&answer(key, method, *code)));
        }
        Act::SendFailed => {
            let flow = desk.flow();
            drop(desk.input(Input::SendFailed { flow }));
        }
        Act::Wait(duration_ms) => drop(desk.wait(*duration_ms)),
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_every_transaction_ends(
        acts in prop::collection::vec(act(), 0..120),
        transport in prop::sample::select(&[Transport::Udp, Transport::Tcp][..]),
    ) {
        let mut desk = Desk::with(transport, Config { transactions: 24, ..Config::default() });
        let mut used = std::collections::BTreeSet::new();
        for act in &acts {
            perform(&mut desk, act, &mut used);
            let load = desk.layer.load();
            prop_assert!(load.servers + load.clients <= 24 + 3);
        }
        desk.wait(PROCEEDING_LIMIT_MS + Timers::default().transaction_ms());
        prop_assert_eq!(desk.layer.load(), Load::default());
        prop_assert_eq!(desk.layer.poll_timeout(), None);
        prop_assert!(desk.layer.branches.is_empty() && desk.layer.ways.is_empty());
    }

    #[test]
    fn answered_transactions_end_within_64_t1_and_t4(
        methods in prop::collection::vec(prop::sample::select(&["INVITE", "BYE", "OPTIONS"][..]), 1..20),
        code in prop::sample::select(&[200u16, 404, 603][..]),
    ) {
        let mut desk = Desk::new(Transport::Udp);
        for (number, method) in methods.iter().enumerate() {
            let key = number as u64 * 2;
            let request = numbered(phone(method), number as u8);
            desk.receive(&request);
            desk.respond(&request, code);
            desk.request(key, method);
            desk.receive(&answer(key, method, code));
        }
        desk.wait(Timers::default().transaction_ms());
        prop_assert_eq!(desk.layer.load(), Load::default());
    }
}
