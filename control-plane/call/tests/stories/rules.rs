//! What a carrier is held to: its codecs, its digits, its session timers, how long it may be silent.

use bytes::Bytes;
use carillon_call::{Carrier, MediaEvent, Policy};
use carillon_model::{Billing, CodecRules, DtmfMode, TimerMode, TimerRules, TimerSide};
use carillon_sip::sdp::SessionDescription;
use carillon_sip::{Message, Method, Name};

use crate::stage::{ALICE, BOB, BOB2, Stage};

const HOUR_MS: u64 = 3_600_000;

fn with_codecs(allowed: &[&str], dtmf: DtmfMode) -> Carrier {
    Carrier {
        codecs: CodecRules {
            allowed: allowed.iter().map(|name| (*name).to_owned()).collect(),
            refused: Vec::new(),
            dtmf,
        },
        ..Carrier::default()
    }
}

fn with_timers(timers: TimerRules) -> Carrier {
    Carrier {
        timers,
        ..Carrier::default()
    }
}

/// Bob is behind the carrier.
fn to(carrier: Carrier) -> Stage {
    let mut stage = Stage::new(Policy::default(), true);
    stage.targets()[0].carrier = Some(Box::new(carrier));
    stage
}

/// Alice is behind the carrier.
fn from(carrier: Carrier) -> Stage {
    Stage::of(Policy::default(), true, Some(Box::new(carrier)))
}

fn sdp_of(address: &str, formats: &str) -> Bytes {
    let maps: String = formats
        .split(' ')
        .map(|number| match number {
            "0" => "a=rtpmap:0 PCMU/8000\r\n",
            "8" => "a=rtpmap:8 PCMA/8000\r\n",
            "9" => "a=rtpmap:9 G722/8000\r\n",
            "18" => "a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n",
            "101" => "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n",
            other => panic!("{other}"),
        })
        .collect();
    Bytes::from(format!(
        "v=0\r\no=phone 42 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\n{maps}"
    ))
}

/// The formats that a message offers or answers, and that everything said of formats is of these.
fn formats(message: &Message) -> String {
    let description = SessionDescription::parse(&message.body).unwrap();
    let media = &description.media[0];
    let formats: Vec<&str> = media.formats.iter().map(|format| &**format).collect();
    for line in &media.lines {
        if let Some(("rtpmap" | "fmtp", value)) = line.as_attribute() {
            let payload = value.split(' ').next().unwrap();
            assert!(formats.contains(&payload), "{value}");
        }
    }
    formats.join(" ")
}

fn alice_offers(stage: &mut Stage, codecs: &str) {
    let offer = sdp_of("10.77.3.1", codecs);
    let invite = stage.phones[ALICE].invite(Some(offer));
    stage.send(ALICE, invite);
}

fn bob_answers(stage: &mut Stage, codecs: &str) {
    let answer = sdp_of("10.77.3.11", codecs);
    stage.says_with(BOB, &Method::Invite, 200, |response| {
        response.set_body("application/sdp", answer)
    });
    stage.acks(ALICE);
}

fn header(message: &Message, name: Name) -> Option<String> {
    let value = message.headers.get(name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

#[test]
fn a_carrier_is_offered_its_codecs_only_and_digits_as_it_wants_them() {
    for (allowed, dtmf, offered) in [
        (&["PCMA", "G722"][..], DtmfMode::Events, "8 9 101"),
        (&["PCMA", "G722"], DtmfMode::Info, "8 9"),
        (&["G729"], DtmfMode::Inband, "18"),
        (&[], DtmfMode::Inband, "0 8 9 18"),
        (&[], DtmfMode::Events, "0 8 9 18 101"),
    ] {
        let mut stage = to(with_codecs(allowed, dtmf));
        alice_offers(&mut stage, "0 8 9 18 101");
        let invite = stage.last_request(BOB, &Method::Invite);
        assert_eq!(formats(invite), offered, "{allowed:?}");
    }
}

#[test]
fn a_call_from_a_carrier_offers_its_codecs_only_and_is_answered_with_one_of_them() {
    let mut stage = from(with_codecs(&["PCMA"], DtmfMode::Info));
    alice_offers(&mut stage, "0 8 9 101");
    assert_eq!(formats(stage.last_request(BOB, &Method::Invite)), "8");
    // A phone that answers with more than it was offered.
    bob_answers(&mut stage, "8 0");
    assert_eq!(formats(stage.last_response(ALICE)), "8");
}

#[test]
fn a_change_of_either_side_keeps_to_the_codecs_of_the_carrier() {
    let mut stage = to(with_codecs(&["PCMA"], DtmfMode::Events));
    alice_offers(&mut stage, "0 8 101");
    bob_answers(&mut stage, "8 101");
    let more = sdp_of("10.77.3.1", "9 0 8 101");
    stage.requests_with(ALICE, Method::Invite, |invite| {
        invite.set_body("application/sdp", more)
    });
    let asked = stage.last_request(BOB, &Method::Invite).clone();
    assert!(asked.to().unwrap().tag().is_some(), "inside of the dialog");
    assert_eq!(formats(&asked), "8 101");
    let agreed = sdp_of("10.77.3.11", "8 101");
    stage.says_with(BOB, &Method::Invite, 200, |response| {
        response.set_body("application/sdp", agreed)
    });
    stage.acks(ALICE);
    let wish = sdp_of("10.77.3.11", "0 8");
    stage.requests_with(BOB, Method::Invite, |invite| {
        invite.set_body("application/sdp", wish)
    });
    assert_eq!(formats(stage.last_request(ALICE, &Method::Invite)), "8");
}

#[test]
fn who_has_no_codec_of_a_carrier_is_told_so_and_the_next_carrier_may_have_one() {
    let mut stage = to(with_codecs(&["G729"], DtmfMode::Events));
    alice_offers(&mut stage, "0 8 101");
    assert_eq!(stage.last_response(ALICE).status(), Some(488));

    let mut stage = Stage::new(Policy::default(), true);
    stage.bob_has_phones(2);
    for (at, codec) in ["G729", "PCMA"].into_iter().enumerate() {
        let target = &mut stage.targets()[at];
        target.carrier = Some(Box::new(with_codecs(&[codec], DtmfMode::Events)));
        target.instance = Some("carriers".to_owned());
    }
    alice_offers(&mut stage, "0 8 101");
    assert_eq!(formats(stage.last_request(BOB2, &Method::Invite)), "8 101");

    let mut stage = from(with_codecs(&["G729"], DtmfMode::Events));
    alice_offers(&mut stage, "0 8 101");
    assert_eq!(stage.last_response(ALICE).status(), Some(488));
}

#[test]
fn a_carrier_has_session_timers_of_its_own() {
    let rules = TimerRules {
        interval_s: Some(600),
        min_interval_s: Some(120),
        refresher: Some(TimerSide::Uas),
        ..TimerRules::default()
    };
    let mut stage = to(with_timers(rules));
    stage.alice_calls();
    let invite = stage.last_request(BOB, &Method::Invite);
    let expires = header(invite, Name::SessionExpires);
    assert_eq!(expires.as_deref(), Some("600;refresher=uas"));
    assert_eq!(header(invite, Name::MinSe).as_deref(), Some("120"));

    let mut stage = from(with_timers(rules));
    let offer = stage.phones[ALICE].sdp("sendrecv");
    let mut invite = stage.phones[ALICE].invite(Some(offer));
    invite.headers.set(Name::Supported, "timer");
    invite.headers.set(Name::SessionExpires, "100");
    stage.send(ALICE, invite);
    assert_eq!(stage.last_response(ALICE).status(), Some(422));
    let told = header(stage.last_response(ALICE), Name::MinSe);
    assert_eq!(told.as_deref(), Some("120"));
}

#[test]
fn a_carrier_without_session_timers_hears_nothing_of_them_and_keeps_its_call() {
    let rules = TimerRules {
        mode: TimerMode::Refuse,
        ..TimerRules::default()
    };
    let mut stage = to(with_timers(rules));
    stage.talk();
    let invite = stage.last_request(BOB, &Method::Invite).clone();
    assert!(header(&invite, Name::SessionExpires).is_none());
    assert!(!invite.supports("timer"));
    let timed = stage.phones[BOB].sdp("sendonly");
    stage.requests_with(BOB, Method::Invite, |invite| {
        invite.headers.push(Name::Supported, "timer");
        invite
            .headers
            .push(Name::SessionExpires, "90;refresher=uas");
        invite.set_body("application/sdp", timed);
    });
    stage.agrees(ALICE, &Method::Invite, "recvonly");
    let answer = stage.last_response(BOB);
    assert_eq!(answer.status(), Some(200));
    assert!(header(answer, Name::SessionExpires).is_none());
    stage.acks(BOB);
    stage.ladder.clear();
    // Alice's own timer is refreshed by her; nothing asks the carrier for anything.
    for _ in 0..4 {
        stage.requests_with(ALICE, Method::Update, |update| {
            update.headers.push(Name::Supported, "timer");
            update
                .headers
                .push(Name::SessionExpires, "1800;refresher=uac");
        });
        stage.wait(HOUR_MS / 4);
    }
    assert!(!stage.ladder.contains("bob"), "{}", stage.ladder);
    assert!(!stage.call.is_ended());
    let demand = stage.phones[BOB].sdp("sendrecv");
    stage.requests_with(BOB, Method::Invite, |invite| {
        invite.headers.push(Name::Require, "timer");
        invite.set_body("application/sdp", demand);
    });
    assert_eq!(stage.last_response(BOB).status(), Some(420));
}

#[test]
fn session_timers_may_run_only_where_the_carrier_wants_them() {
    let rules = TimerRules {
        mode: TimerMode::Accept,
        ..TimerRules::default()
    };
    for wanted in [None, Some("600;refresher=uac")] {
        let mut stage = to(with_timers(rules));
        stage.alice_calls();
        let invite = stage.last_request(BOB, &Method::Invite);
        assert!(header(invite, Name::SessionExpires).is_none());
        assert!(invite.supports("timer"));
        let body = stage.phones[BOB].sdp("sendrecv");
        stage.says_with(BOB, &Method::Invite, 200, |response| {
            if let Some(wanted) = wanted {
                response.headers.push(Name::SessionExpires, wanted);
            }
            response.set_body("application/sdp", body);
        });
        stage.acks(ALICE);
        stage.ladder.clear();
        stage.wait(310_000);
        let refreshed = stage.ladder.contains("bob <- UPDATE");
        assert_eq!(refreshed, wanted.is_some(), "{}", stage.ladder);
    }
}

#[test]
fn a_carrier_that_is_silent_for_its_own_time_ends_the_call() {
    let silent = |limit_ms| Carrier {
        rtp_timeout_ms: Some(limit_ms),
        ..Carrier::default()
    };
    let mut stage = to(silent(10_000));
    stage.talk();
    let watched = stage.descriptors.last().unwrap().rtp_timeout_ms;
    assert_eq!(watched, Some(10_000));
    // Alice's silence is her own affair.
    stage.media_event(MediaEvent::RtpTimeout { termination: 0 });
    assert!(stage.records.is_empty());
    stage.media_event(MediaEvent::RtpTimeout { termination: 1 });
    stage.says(BOB, &Method::Bye, 200);
    stage.says(ALICE, &Method::Bye, 200);
    assert!(stage.call.is_ended());

    let mut stage = to(silent(0));
    stage.talk();
    assert_eq!(stage.descriptors.last().unwrap().rtp_timeout_ms, None);
}

#[test]
fn a_carrier_that_never_hears_ringing_in_band_hears_of_it() {
    let mut stage = from(Carrier {
        never_rings_in_band: true,
        ..Carrier::default()
    });
    stage.alice_calls();
    let early = stage.phones[BOB].sdp("sendrecv");
    stage.says_with(BOB, &Method::Invite, 183, |response| {
        response.set_body("application/sdp", early)
    });
    let heard = stage.last_response(ALICE);
    assert_eq!(heard.status(), Some(180));
    assert!(heard.body.is_empty());
    stage.picks_up(BOB);
    assert!(!stage.last_response(ALICE).body.is_empty());
}

#[test]
fn the_record_says_who_pays() {
    let mut stage = to(Carrier {
        billing: Billing {
            account_code: Some("head-office".to_owned()),
            ama_flags: Some("billing".to_owned()),
        },
        ..Carrier::default()
    });
    stage.talk();
    stage.requests(ALICE, Method::Bye);
    stage.says(BOB, &Method::Bye, 200);
    let billing = &stage.records[0].billing;
    assert_eq!(billing.account_code.as_deref(), Some("head-office"));
    assert_eq!(billing.ama_flags.as_deref(), Some("billing"));
}
