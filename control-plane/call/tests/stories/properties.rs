//! Whatever the phones, the media server and the clock do: nothing panics, every call ends, with one record, and no
//! phone is left ringing or talking.

use carillon_call::{MediaEvent, Policy};
use carillon_sip::transaction::Failure;
use carillon_sip::{Message, Method, Name};
use proptest::prelude::*;

use crate::stage::{ALICE, MediaServer, Stage, sdp};

const PHONES: usize = 3;
const FOUR_HOURS_MS: u64 = 4 * 3_600_000;

#[derive(Clone, Debug)]
enum Act {
    Wait(u64),
    Respond {
        phone: usize,
        method: usize,
        code: u16,
        body: bool,
    },
    Ask {
        phone: usize,
        method: usize,
        direction: usize,
    },
    AskBadly {
        phone: usize,
        method: usize,
    },
    Ack {
        phone: usize,
        cseq: u32,
        body: bool,
    },
    Cancel,
    Prack {
        rseq: u32,
    },
    Fail {
        phone: usize,
        method: usize,
        transport: bool,
    },
    MediaServer(usize),
    Silence(u8),
    HangUp,
    Heir,
}

#[derive(Clone, Debug)]
struct Story {
    offer: bool,
    reliable: usize,
    instance: bool,
    /// The acts begin when both talk.
    talks: bool,
    rtp_timeout_ends_call: bool,
    acts: Vec<Act>,
}

const METHODS: [Method; 8] = [
    Method::Invite,
    Method::Bye,
    Method::Update,
    Method::Info,
    Method::Prack,
    Method::Cancel,
    Method::Options,
    Method::Refer,
];
const DIRECTIONS: [&str; 4] = ["sendrecv", "sendonly", "recvonly", "inactive"];

fn act() -> impl Strategy<Value = Act> {
    let code = prop_oneof![
        4 => Just(200u16),
        4 => prop_oneof![Just(100u16), Just(180), Just(183)],
        2 => prop_oneof![Just(486u16), Just(491), Just(481), Just(422), Just(408), Just(500), Just(603), Just(302)],
        1 => 100u16..700,
    ];
    let phone = 0..=PHONES;
    let method = 0..METHODS.len();
    prop_oneof![
        3 => prop_oneof![0u64..3_000, 0u64..40_000, 0u64..2_000_000].prop_map(Act::Wait),
        8 => (phone.clone(), method.clone(), code, any::<bool>())
            .prop_map(|(phone, method, code, body)| Act::Respond { phone, method, code, body }),
        4 => (phone.clone(), method.clone(), 0..5usize)
            .prop_map(|(phone, method, direction)| Act::Ask { phone, method, direction }),
        1 => (phone.clone(), method.clone()).prop_map(|(phone, method)| Act::AskBadly { phone, method }),
        3 => (phone.clone(), 0u32..5, any::<bool>()).prop_map(|(phone, cseq, body)| Act::Ack { phone, cseq, body }),
        1 => Just(Act::Cancel),
        1 => (0u32..3).prop_map(|rseq| Act::Prack { rseq }),
        1 => (phone, method, any::<bool>())
            .prop_map(|(phone, method, transport)| Act::Fail { phone, method, transport }),
        1 => (0..4usize).prop_map(Act::MediaServer),
        1 => (0u8..3).prop_map(Act::Silence),
        1 => Just(Act::HangUp),
        1 => Just(Act::Heir),
    ]
}

fn story() -> impl Strategy<Value = Story> {
    let acts = prop::collection::vec(act(), 0..40);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, 0..3usize, acts).prop_map(
        |((offer, instance, talks, rtp_timeout_ends_call), reliable, acts)| Story {
            offer,
            reliable,
            instance,
            talks,
            rtp_timeout_ends_call,
            acts,
        },
    )
}

fn play(story: &Story, copies: bool) -> Stage {
    let policy = Policy {
        rtp_timeout_ends_call: story.rtp_timeout_ends_call,
        ..Policy::default()
    };
    let mut stage = Stage::new(policy, copies);
    stage.bob_has_phones(PHONES);
    if story.instance {
        for target in stage.targets().iter_mut().take(2) {
            target.instance = Some("<urn:uuid:1>".into());
        }
    }
    let offer = story.offer.then(|| stage.phones[ALICE].sdp("sendrecv"));
    let mut invite = stage.phones[ALICE].invite(offer);
    match story.reliable {
        0 => {}
        1 => invite.headers.push(Name::Supported, "100rel"),
        _ => invite.headers.push(Name::Require, "100rel"),
    }
    stage.send(ALICE, invite);
    if story.talks {
        stage.picks_up(1);
        acknowledge(&mut stage, ALICE, 1, !story.offer);
    }
    for act in &story.acts {
        perform(&mut stage, act);
    }
    stage.wait(FOUR_HOURS_MS);
    stage
}

fn perform(stage: &mut Stage, act: &Act) {
    if stage.ended {
        return;
    }
    match act {
        Act::Wait(ms) => stage.wait(*ms),
        Act::Respond {
            phone,
            method,
            code,
            body,
        } => respond(stage, *phone, &METHODS[*method], *code, *body),
        Act::Ask {
            phone,
            method,
            direction,
        } => ask(stage, *phone, &METHODS[*method], DIRECTIONS.get(*direction)),
        Act::AskBadly { phone, method } => {
            if stage.phones[*phone].dialog.is_some() && METHODS[*method] != Method::Cancel {
                stage.requests_with(*phone, METHODS[*method].clone(), |request| {
                    request.headers.remove(Name::Contact);
                    request.set_body("application/sdp", "v=0");
                });
            }
        }
        Act::Ack { phone, cseq, body } => acknowledge(stage, *phone, *cseq, *body),
        Act::Cancel => {
            let cancel = stage.phones[ALICE].cancel();
            stage.send(ALICE, cancel);
        }
        Act::Prack { rseq } => {
            let last = stage.phones[ALICE]
                .responses
                .iter()
                .filter_map(Message::rseq)
                .next_back()
                .unwrap_or(1);
            if stage.phones[ALICE].dialog.is_some() {
                let rack = format!("{} 1 INVITE", last + rseq);
                stage.requests_with(ALICE, Method::Prack, |prack| {
                    prack.headers.push(Name::RAck, rack)
                });
            }
        }
        Act::Fail {
            phone,
            method,
            transport,
        } => {
            if stage.phones[*phone]
                .requests
                .iter()
                .any(|(_, _, m)| m.method() == Some(&METHODS[*method]))
            {
                let why = if *transport {
                    Failure::Transport
                } else {
                    Failure::Timeout
                };
                stage.fail(*phone, &METHODS[*method], why);
            }
        }
        Act::MediaServer(mode) => {
            let modes = [
                MediaServer::Works,
                MediaServer::Silent,
                MediaServer::Full,
                MediaServer::Gone,
            ];
            stage.media_server = modes[*mode];
        }
        Act::Silence(termination) => stage.media_event(MediaEvent::RtpTimeout {
            termination: *termination,
        }),
        Act::HangUp => stage.hang_up(),
        Act::Heir if stage.committed.is_some() && stage.records.is_empty() => stage.heir(),
        Act::Heir => {}
    }
}

fn respond(stage: &mut Stage, phone: usize, method: &Method, code: u16, body: bool) {
    // An INVITE without any response has timed out by then, and what comes later is no one's.
    let silent_ms = stage.now_ms - stage.phones[phone].invited_at_ms;
    if *method == Method::Invite && silent_ms >= 32_000 {
        return;
    }
    let description = stage.phones[phone].sdp("sendrecv");
    let Some((leg, key, mut response)) = stage.phones[phone].response(method, code) else {
        return;
    };
    if code == 422 {
        response.headers.push(Name::MinSe, "2000");
    }
    if code == 183 && body {
        response.headers.push(Name::Require, "100rel");
        response.headers.push(Name::RSeq, "1");
    }
    if body {
        response.set_body("application/sdp", description);
    }
    stage.answer(phone, leg, key, response);
}

fn ask(stage: &mut Stage, phone: usize, method: &Method, direction: Option<&&str>) {
    if stage.phones[phone].dialog.is_none() || *method == Method::Cancel {
        return;
    }
    match direction {
        Some(direction) if matches!(method, Method::Invite | Method::Update) => {
            stage.changes(phone, method.clone(), direction);
        }
        Some(_) | None => stage.requests(phone, method.clone()),
    }
}

fn acknowledge(stage: &mut Stage, phone: usize, cseq: u32, body: bool) {
    if stage.phones[phone].dialog.is_none() {
        return;
    }
    let mut ack = stage.phones[phone].ack(cseq);
    if body {
        ack.set_body(
            "application/sdp",
            sdp("10.77.3.1:4000".parse().unwrap(), 3, "sendrecv"),
        );
    }
    stage.send(phone, ack);
}

/// Every phone that was called has been told that it is over, or has said so itself.
fn nobody_is_left(stage: &Stage, invited: &[bool]) -> Result<(), String> {
    for (at, phone) in stage.phones.iter().enumerate() {
        let name = &phone.name;
        let was = |what: &str| stage.ladder.contains(&format!(" {name} {what}"));
        let told = was("<- BYE") || was("<- CANCEL") || was("-> BYE");
        let refused = (300..700).any(|code| {
            let direction = if at == ALICE { "<-" } else { "->" };
            was(&format!("{direction} {code} 1 INVITE"))
                || was(&format!("{direction} {code} 2 INVITE"))
        });
        // It knows of no such call.
        let forgotten = was("-> 481") || was("-> 488");
        let unreached = was("is not reached by INVITE");
        let silent = !(100..200).any(|code| was(&format!("-> {code} ")));
        let answered = was("-> 200 1 INVITE") || was("-> 200 2 INVITE");
        let over = told || refused || forgotten || unreached || (silent && !answered);
        if invited[at] && !over {
            return Err(format!("{name} is left alone\n{}", stage.ladder));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_with_one_record_and_nobody_left(story in story()) {
        let stage = play(&story, false);
        prop_assert!(stage.ended, "not ended\n{}", stage.ladder);
        prop_assert_eq!(stage.call.poll_timeout(), None);
        prop_assert_eq!(stage.records.len(), 1);
        let invited: Vec<bool> = stage
            .phones
            .iter()
            .map(|phone| phone.name == "alice" || stage.ladder.contains(&format!(" {} <- INVITE 1", phone.name)))
            .collect();
        prop_assert_eq!(nobody_is_left(&stage, &invited), Ok(()));
    }

    #[test]
    fn a_decoded_copy_goes_on_like_the_call_itself(story in story()) {
        prop_assert_eq!(play(&story, false).ladder, play(&story, true).ladder);
    }

    #[test]
    fn octets_of_anything_are_no_call_and_no_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut versioned = octets;
        versioned.insert(0, carillon_call::VERSION);
        prop_assert!(carillon_call::Call::decode(&versioned).is_err());
    }
}
