//! Trunks over HTTPS, as scripts for XiVO set them up.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::World;
use serde_json::{Value, json};

/// A company with a carrier: an endpoint, a registration and a trunk, linked, and contexts for both ways.
fn with_carrier() -> World {
    let world = World::new().with_default_context();
    let made = [
        (
            "/1.1/contexts",
            json!({"name": "to-extern", "type": "outcall"}),
        ),
        (
            "/1.1/contexts",
            json!({"name": "from-extern", "type": "incall",
                   "incall_ranges": [{"start": "0390", "end": "0399", "did_length": 4}]}),
        ),
        (
            "/1.1/endpoints/sip",
            json!({"username": "carrier", "secret": "for-calls", "host": "192.0.2.50",
                   "options": [["fromuser", "0390000000"], ["call-limit", "2"], ["sendrpid", "pai"]]}),
        ),
        (
            "/1.1/registers/sip",
            json!({"sip_username": "0390000000", "auth_username": "account", "auth_password": "for-registering",
                   "remote_host": "192.0.2.50", "remote_port": 5070, "transport": "udp", "expiration": 120}),
        ),
        (
            "/1.1/trunks",
            json!({"name": "carrier", "context": "from-extern"}),
        ),
    ];
    for (path, body) in made {
        world.post(path, &body).expect(201);
    }
    world.link("/1.1/trunks/1/endpoints/sip/1").expect(204);
    world.link("/1.1/trunks/1/registers/sip/1").expect(204);
    world
}

#[test]
fn a_trunk_shows_what_it_is_linked_to_and_both_sides_list_the_link() {
    let world = with_carrier();
    let trunk = world.get("/1.1/trunks/1").expect(200).json;
    assert_eq!(trunk["name"], "carrier");
    assert_eq!(trunk["outgoing_caller_id_format"], "+E164");
    assert_eq!(trunk["endpoint_sip"]["username"], "carrier");
    assert_eq!(trunk["register_sip"]["remote_host"], "192.0.2.50");
    let register = world.get("/1.1/registers/sip/1").expect(200).json;
    assert_eq!(register["trunk"]["name"], "carrier");
    assert_eq!(register["expiration"], 120);
    let endpoint = world.get("/1.1/endpoints/sip/1").expect(200).json;
    assert_eq!(endpoint["trunk"]["id"], 1);
    // What was read can be sent back.
    world.put("/1.1/trunks/1", &trunk).expect(204);
    world.put("/1.1/registers/sip/1", &register).expect(204);
    assert_eq!(world.get("/1.1/trunks/1").expect(200).json, trunk);
}

#[test]
fn options_of_a_trunk_are_kept_in_their_order_and_one_that_cannot_be_obeyed_is_named() {
    let world = with_carrier();
    let options = json!([
        ["disallow", "all"],
        ["allow", "alaw"],
        ["allow", "g722"],
        ["dtmfmode", "info"],
        ["session-timers", "accept"],
        ["session-expires", "600"],
        ["deny", "0.0.0.0/0.0.0.0"],
        ["permit", "192.0.2.0/24"],
        ["country_code", "33"]
    ]);
    let path = "/1.1/endpoints/sip/1";
    world.put(path, &json!({ "options": options })).expect(204);
    assert_eq!(world.get(path).expect(200).json["options"], options);
    for (name, value) in [
        ("dtmfmode", "tones"),
        ("session-expires", "10"),
        ("allow", "pcm"),
        ("permit", "everywhere"),
    ] {
        let refused = world.put(path, &json!({ "options": [[name, value]] }));
        let said = refused.expect(400).json[0].to_string();
        assert!(said.contains("options") && said.contains(name), "{said}");
    }
    let format = json!({ "outgoing_caller_id_format": "local" });
    let refused = world.put("/1.1/trunks/1", &format).expect(400);
    let said = refused.json[0].to_string();
    assert!(said.contains("outgoing_caller_id_format"), "{said}");
}

#[test]
fn the_state_of_a_trunk_is_shown_beside_its_configuration() {
    let world = with_carrier();
    let states = world.get("/api/v1/trunks").expect(200).json;
    let trunk = &states["items"][0];
    assert_eq!(trunk["registration"], "unregistered");
    assert_eq!(trunk["owner"], Value::Null);
    assert_eq!(trunk["host"], "192.0.2.50");
    assert_eq!(trunk["calls"], 0);
    assert_eq!(trunk["call_limit"], 2);
    world.delete("/1.1/trunks/1/registers/sip/1").expect(204);
    let states = world.get("/api/v1/trunks").expect(200).json;
    assert_eq!(states["items"][0]["registration"], "none");
}

#[test]
fn a_way_out_has_patterns_and_ordered_trunks() {
    let world = with_carrier();
    world
        .post(
            "/1.1/outcalls",
            &json!({"name": "national", "ring_time": 45}),
        )
        .expect(201);
    world
        .post(
            "/1.1/extensions",
            &json!({"exten": "_0XXXXXXXXX", "context": "to-extern"}),
        )
        .expect(201);
    world
        .put("/1.1/outcalls/1/trunks", &json!({"trunks": [{"id": 1}]}))
        .expect(204);
    world
        .put(
            "/1.1/outcalls/1/extensions/1",
            &json!({"strip_digits": 1, "external_prefix": "+33"}),
        )
        .expect(204);
    let outcall = world.get("/1.1/outcalls/1").expect(200).json;
    assert_eq!(outcall["trunks"][0]["name"], "carrier");
    assert_eq!(outcall["extensions"][0]["exten"], "_0XXXXXXXXX");
    assert_eq!(outcall["extensions"][0]["strip_digits"], 1);
    let extension = world.get("/1.1/extensions/1").expect(200).json;
    assert_eq!(extension["outcall"]["name"], "national");
    let trunk = world.get("/1.1/trunks/1").expect(200).json;
    assert_eq!(trunk["outcalls"][0]["name"], "national");
    world.delete("/1.1/trunks/1").expect(400);
    world.delete("/1.1/outcalls/1/extensions/1").expect(204);
    world.delete("/1.1/extensions/1").expect(204);
    world.delete("/1.1/outcalls/1").expect(204);
    world.delete("/1.1/trunks/1").expect(204);
}

#[test]
fn a_number_called_from_outside_leads_to_a_user() {
    let world = with_carrier();
    world
        .post("/1.1/users", &json!({"firstname": "Alice"}))
        .expect(201);
    let incall = json!({"destination": {"type": "user", "user_id": 1, "ring_time": 20}});
    world.post("/1.1/incalls", &incall).expect(201);
    world
        .post(
            "/1.1/extensions",
            &json!({"exten": "0395", "context": "from-extern"}),
        )
        .expect(201);
    world.link("/1.1/incalls/1/extensions/1").expect(204);
    let shown = world.get("/1.1/incalls/1").expect(200).json;
    assert_eq!(shown["destination"], incall["destination"]);
    assert_eq!(shown["extensions"][0]["exten"], "0395");
    world.put("/1.1/incalls/1", &shown).expect(204);
    let extension = world.get("/1.1/extensions/1").expect(200).json;
    assert_eq!(extension["incall"]["id"], 1);
    // A way in that led to a user who has gone leads nowhere.
    world.delete("/1.1/users/1").expect(204);
    let shown = world.get("/1.1/incalls/1").expect(200).json;
    assert_eq!(shown["destination"], json!({"type": "none"}));
}

#[test]
fn refusals_name_the_field() {
    let world = with_carrier();
    let refused = [
        ("/1.1/trunks", json!({"context": "nowhere"}), "context"),
        ("/1.1/trunks", json!({"name": "carrier"}), "name"),
        (
            "/1.1/trunks",
            json!({"outgoing_caller_id_format": "roman"}),
            "outgoing_caller_id_format",
        ),
        (
            "/1.1/registers/sip",
            json!({"remote_host": "a"}),
            "sip_username",
        ),
        (
            "/1.1/registers/sip",
            json!({"sip_username": "a", "remote_host": "b", "transport": "sctp"}),
            "transport",
        ),
        (
            "/1.1/registers/sip",
            json!({"sip_username": "a", "remote_host": "b", "expiration": 1}),
            "expiration",
        ),
        ("/1.1/outcalls", json!({"ring_time": 5}), "name"),
        (
            "/1.1/outcalls",
            json!({"name": "a", "ring_time": 0}),
            "ring_time",
        ),
        ("/1.1/incalls", json!({}), "destination"),
        (
            "/1.1/incalls",
            json!({"destination": {"type": "user"}}),
            "destination.user_id",
        ),
        (
            "/1.1/incalls",
            json!({"destination": {"type": "user", "user_id": 99}}),
            "destination.user_id",
        ),
        (
            "/1.1/incalls",
            json!({"destination": {"type": "ivr"}}),
            "destination.type",
        ),
        (
            "/1.1/extensions",
            json!({"exten": "_0.1", "context": "to-extern"}),
            "exten",
        ),
    ];
    for (path, body, field) in refused {
        let sentences = world.post(path, &body).expect(400).text;
        assert!(sentences.contains(field), "{path} {body}: {sentences}");
    }
    let options = json!({"options": [["call-limit", "many"]]});
    let sentences = world.put("/1.1/endpoints/sip/1", &options).expect(400).text;
    assert!(sentences.contains("call-limit"), "{sentences}");
}
