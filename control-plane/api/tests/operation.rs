//! What happens on the cluster now, and what has happened: registrations, calls, records, machines.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use carillon_model::{
    Binding, BindingChange, CallCause, CallCommand, CallDirection, CallEntry, CallId, CallRecord,
    CallState, CallStatus, CallSummary, Command, ControlNode, DirectionQuality, EndpointId, Epoch,
    Event, Flow, LineId, MediaCommand, MediaServer, MediaServerId, MediaState, NodeCommand, NodeId,
    NodeState, Outcome, Party, SiteId, Transport, UserId,
};
use common::{World, now_ms};
use serde_json::json;

const CALL: CallId = CallId(0x1234);
const START_MS: u64 = 1_435_579_260_725;

fn company() -> World {
    let world = World::new().with_default_context();
    let table = "firstname,exten,context,sip_username,sip_secret\nAlice,1001,default,alice,s1\nBob,1002,default,bob,s2\n";
    world
        .send_csv("POST", "/1.1/users/import", table)
        .expect(201);
    let node = ControlNode {
        id: NodeId(1),
        name: "control-1".to_owned(),
        address: [127, 0, 1, 1].into(),
        sip: Vec::new(),
        floating: None,
        api: None,
        cluster: ([127, 0, 1, 1], 7400).into(),
        state: NodeState::Active,
        epoch: Epoch(0),
        version: "0.1.0".to_owned(),
    };
    world.plane.apply(&Command::Node(NodeCommand::Start(node)));
    let server = MediaServer {
        id: MediaServerId(1),
        name: "media-1".to_owned(),
        site: SiteId(0),
        control: ([127, 0, 2, 1], 7500).into(),
        address: [127, 0, 2, 1].into(),
        address_v6: None,
        weight: 1,
        ports: (10_000, 20_000),
        state: MediaState::Active,
    };
    world
        .plane
        .apply(&Command::Media(MediaCommand::Put(server)));
    world
}

fn party(number: &str, name: &str, id: u32) -> Party {
    let name = Some(name.to_owned());
    Party {
        number: number.to_owned(),
        name,
        user: Some(UserId(id)),
        line: Some(LineId(id)),
        trunk: None,
    }
}

fn call() -> CallEntry {
    CallEntry {
        id: CALL,
        owner: NodeId(1),
        epoch: Epoch(1),
        revision: 1,
        dialogs: Vec::new(),
        summary: CallSummary {
            state: CallState::Answered,
            caller: party("1001", "Alice", 1),
            callee: party("1002", "Bob", 2),
            started_at_ms: now_ms() - 5_000,
            answered_at_ms: Some(now_ms() - 2_000),
            media_server: Some(MediaServerId(1)),
            unprotected: false,
            one_way: false,
        },
        body: bytes::Bytes::from_static(b"call"),
    }
}

fn record(id: u128, started_at_ms: u64, status: CallStatus) -> Command {
    let record = CallRecord {
        call: CallId(id),
        caller: party("1001", "Alice", 1),
        callee: party("1002", "Bob", 2),
        started_at_ms,
        answered_at_ms: (status == CallStatus::Answered).then_some(started_at_ms + 2_000),
        ended_at_ms: started_at_ms + 12_500,
        duration_ms: if status == CallStatus::Answered {
            10_500
        } else {
            0
        },
        status,
        cause: CallCause { sip: 200, q850: 16 },
        direction: CallDirection::Internal,
        caller_quality: Some(DirectionQuality {
            packets: 525,
            lost: 3,
            mos_hundredths: 431,
            ..Default::default()
        }),
        userfield: Some("R&D, lab".to_owned()),
        node: NodeId(1),
        ..CallRecord::default()
    };
    Command::Call(CallCommand::End {
        id: CallId(id),
        epoch: Epoch(1),
        record: Box::new(record),
    })
}

#[test]
fn a_call_is_seen_and_asked_to_end() {
    let world = company();
    assert_eq!(world.get("/api/v1/calls").expect(200).json["total"], 0);
    world
        .plane
        .apply(&Command::Call(CallCommand::Put(Box::new(call()))));
    let page = world
        .get("/api/v1/calls?limit=1000&offset=0")
        .expect(200)
        .json;
    let shown = &page["items"][0];
    assert_eq!(shown["id"], CALL.to_string());
    assert_eq!(
        (
            shown["caller"]["number"].as_str(),
            shown["callee"]["number"].as_str()
        ),
        (Some("1001"), Some("1002"))
    );
    assert_eq!(
        (shown["state"].as_str(), shown["owner"].as_str()),
        (Some("answered"), Some("control-1"))
    );
    assert_eq!(shown["media_server"], "media-1");
    assert!(shown["talk_time"].as_f64().unwrap() >= 2.0);
    assert_eq!(
        world.get(&format!("/api/v1/calls/{CALL}")).expect(200).json["id"],
        CALL.to_string()
    );

    let asked = world
        .post(&format!("/api/v1/calls/{CALL}/hangup"), &json!({}))
        .expect(202);
    assert_eq!(asked.json["status"], "hangup_requested");
    world
        .plane
        .apply(&record(CALL.0, now_ms(), CallStatus::Answered));
    world
        .post(&format!("/api/v1/calls/{CALL}/hangup"), &json!({}))
        .expect(404);
    world
        .post("/api/v1/calls/nonsense/hangup", &json!({}))
        .expect(404);
    world.get(&format!("/api/v1/calls/{CALL}")).expect(404);
}

#[test]
fn asking_a_call_to_end_tells_its_owner() {
    let world = company();
    world
        .plane
        .apply(&Command::Call(CallCommand::Put(Box::new(call()))));
    let mut state = (*carillon_api::Plane::state(&*world.plane)).clone();
    let at = carillon_model::Stamp {
        index: state.applied() + 1,
        now_ms: now_ms(),
    };
    let applied = state.apply(at, &Command::Call(CallCommand::RequestHangup { id: CALL }));
    assert_eq!(applied.events, [Event::HangupRequested(CALL)]);
}

#[test]
fn phones_that_can_be_reached_are_listed() {
    let world = company();
    let binding = |contact: &str, expires_at_ms| Binding {
        contact: contact.to_owned(),
        instance: None,
        reg_id: None,
        q: 1000,
        path: Vec::new(),
        call_id: "reg".to_owned(),
        cseq: 1,
        flow: Flow {
            node: NodeId(1),
            transport: Transport::Tls,
            local: ([127, 0, 1, 1], 5061).into(),
            peer: ([127, 0, 3, 1], 40_000).into(),
            connection: 4,
        },
        expires_at_ms,
        user_agent: Some("baresip".to_owned()),
        updated_at_ms: 0,
    };
    let put = |endpoint, binding| BindingChange::Put {
        endpoint: EndpointId(endpoint),
        binding,
    };
    world.plane.apply(&Command::Bindings(vec![
        put(
            1,
            binding("sip:alice@127.0.3.1:40000;transport=tls", now_ms() + 60_000),
        ),
        put(2, binding("sip:bob@127.0.3.2", now_ms() - 1)),
    ]));
    let page = world.get("/api/v1/registrations").expect(200).json;
    assert_eq!(page["total"], 1);
    let shown = &page["items"][0];
    assert_eq!(
        (shown["username"].as_str(), shown["number"].as_str()),
        (Some("alice"), Some("1001"))
    );
    assert_eq!(
        (shown["transport"].as_str(), shown["node"].as_str()),
        (Some("tls"), Some("control-1"))
    );
    assert_eq!(shown["user_agent"], "baresip");
    let status = world.get("/api/v1/status").expect(200).json;
    assert_eq!(status["counts"]["registrations"], 1);
}

#[test]
fn call_logs_are_the_table_of_xivo_or_json() {
    let world = company();
    for (id, after_ms, status) in [(1, 0, CallStatus::Answered), (2, 60_000, CallStatus::Busy)] {
        let outcome = world.plane.apply(&record(id, START_MS + after_ms, status));
        assert!(matches!(outcome, Outcome::Call(_)));
    }
    let table = world.get("/1.1/call_logs").expect(200);
    assert_eq!(
        table.text,
        "Call Date,Caller,Called,Period,user Field\r\n\
         2015-06-29T12:01:00.725000,Alice (1001),1002,10,\"R&D, lab\"\r\n\
         2015-06-29T12:02:00.725000,Alice (1001),1002,0,\"R&D, lab\"\r\n"
    );
    let page = world
        .get_as("/1.1/call_logs", "application/json")
        .expect(200)
        .json;
    assert_eq!(
        (
            page["total"].as_u64(),
            page["items"][0]["call_status"].as_str()
        ),
        (Some(2), Some("busy"))
    );
    let answered = &page["items"][1];
    assert_eq!(
        (
            answered["duration"].as_f64(),
            answered["answered"].as_bool()
        ),
        (Some(10.5), Some(true))
    );
    assert_eq!(answered["source_quality"]["mos"], 4.31);
    assert!(answered["source_user_uuid"].is_string());

    let between = "/1.1/call_logs?start_date=2015-06-29T12:01:30&end_date=2015-06-29T12:03:00";
    let page = world.get_as(between, "application/json").expect(200).json;
    assert_eq!(
        (
            page["total"].as_u64(),
            page["items"][0]["call_status"].as_str()
        ),
        (Some(1), Some("busy"))
    );
    let page = world
        .get("/api/call-logd/1.0/cdr?call_status=answered&from=2015-06-29T00:00:00%2B02:00")
        .expect(200)
        .json;
    assert_eq!(page["total"], 1);
    let turned = world
        .get("/1.1/call_logs?start_date=2016-01-01&end_date=2015-01-01")
        .expect(400);
    assert!(turned.text.contains("'end_date'"));
}

#[test]
fn machines_are_listed_let_in_and_taken_out() {
    let world = company();
    let nodes = world.get("/api/v1/nodes").expect(200).json;
    assert_eq!(nodes["total"], 2);
    assert_eq!(
        (
            nodes["items"][0]["role"].as_str(),
            nodes["items"][0]["state"].as_str()
        ),
        (Some("leader"), Some("active"))
    );
    assert_eq!(
        (
            nodes["items"][1]["name"].as_str(),
            nodes["items"][1]["state"].as_str()
        ),
        (Some("control-2"), Some("joining"))
    );
    world.delete("/api/v1/nodes/2").expect(204);
    let servers = world.get("/api/v1/media-servers").expect(200).json;
    assert_eq!(
        (
            servers["items"][0]["name"].as_str(),
            servers["items"][0]["site"].as_str()
        ),
        (Some("media-1"), Some("default"))
    );
    let drain = json!({"state": "draining"});
    world.put("/api/v1/media-servers/1", &drain).expect(204);
    let servers = world.get("/api/v1/media-servers").expect(200).json;
    assert_eq!(servers["items"][0]["state"], "draining");
    world.put("/api/v1/media-servers/9", &drain).expect(404);
    world
        .put("/api/v1/media-servers/1", &json!({"state": "asleep"}))
        .expect(400);
    let token = world
        .post("/api/v1/join-tokens", &json!({"role": "media"}))
        .expect(201)
        .json;
    assert_eq!(token["token"], "join-as-media");
    assert_eq!(
        world
            .post("/api/v1/join-tokens", &json!({}))
            .expect(201)
            .json["token"],
        "join-as-control"
    );
    let status = world.get("/api/v1/status").expect(200).json;
    assert_eq!(
        (
            status["leader"].as_u64(),
            status["counts"]["users"].as_u64()
        ),
        (Some(1), Some(2))
    );
}

#[test]
fn health_and_the_description_need_no_token() {
    let world = World::new();
    world
        .raw("GET", "/api/v1/health/ready", &[], None)
        .expect(200);
    world
        .raw("GET", "/api/v1/health/live", &[], None)
        .expect(200);
    let described = world
        .raw("GET", "/api/openapi.json", &[], None)
        .expect(200)
        .json;
    assert_eq!(described["openapi"], "3.1.0");
}
