//! Every refusal names what is wrong, in the form of the path that was asked.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::World;
use serde_json::{Value, json};

#[test]
fn the_configuration_interface_refuses_in_sentences_that_name_the_field() {
    let world = World::new().with_default_context();
    world
        .post(
            "/1.1/users",
            &json!({"firstname": "Alice", "username": "alice"}),
        )
        .expect(201);
    world
        .post("/1.1/endpoints/sip", &json!({"username": "alice"}))
        .expect(201);
    world
        .post(
            "/1.1/extensions",
            &json!({"exten": "1001", "context": "default"}),
        )
        .expect(201);
    let refused: [(&str, &str, Value, &str); 24] = [
        (
            "POST",
            "/1.1/users",
            json!({}),
            "Input Error - field 'firstname'",
        ),
        (
            "POST",
            "/1.1/users",
            json!({"firstname": null}),
            "Input Error - field 'firstname'",
        ),
        (
            "POST",
            "/1.1/users",
            json!({"firstname": 5}),
            "Input Error - field 'firstname'",
        ),
        (
            "POST",
            "/1.1/users",
            json!({"firstname": "A", "nickname": "B"}),
            "Input Error - field 'nickname'",
        ),
        (
            "POST",
            "/1.1/users",
            json!({"firstname": "A", "email": "nobody"}),
            "Input Error - field 'email'",
        ),
        (
            "POST",
            "/1.1/users",
            json!({"firstname": "A", "username": "alice"}),
            "Resource Error - field 'username'",
        ),
        (
            "POST",
            "/1.1/users",
            json!({"firstname": "A", "password": "abc"}),
            "Input Error - field 'password'",
        ),
        (
            "POST",
            "/1.1/users",
            json!({"firstname": "A", "voicemail": {"id": 1}}),
            "Input Error - field 'voicemail'",
        ),
        (
            "PUT",
            "/1.1/users/1",
            json!({"ring_seconds": "long"}),
            "Input Error - field 'ring_seconds'",
        ),
        (
            "PUT",
            "/1.1/users/1",
            json!({"ring_seconds": 100_000}),
            "Input Error - field 'ring_seconds'",
        ),
        (
            "PUT",
            "/1.1/users/1",
            json!({"labels": ["a", 5]}),
            "Input Error - field 'labels[1]'",
        ),
        (
            "POST",
            "/1.1/lines",
            json!({}),
            "Input Error - field 'context'",
        ),
        (
            "POST",
            "/1.1/lines",
            json!({"context": "nowhere"}),
            "Input Error - field 'context'",
        ),
        (
            "POST",
            "/1.1/lines",
            json!({"context": "default", "provisioning_code": "12"}),
            "field 'provisioning_code'",
        ),
        (
            "POST",
            "/1.1/endpoints/sip",
            json!({"username": "alice"}),
            "Resource Error - field 'username'",
        ),
        (
            "POST",
            "/1.1/endpoints/sip",
            json!({"type": "trunk"}),
            "Input Error - field 'type'",
        ),
        (
            "POST",
            "/1.1/endpoints/sip",
            json!({"templates": [{"uuid": "x"}]}),
            "Input Error - field 'templates'",
        ),
        (
            "POST",
            "/1.1/extensions",
            json!({"exten": "9999", "context": "default"}),
            "Input Error - field 'exten'",
        ),
        (
            "POST",
            "/1.1/extensions",
            json!({"exten": "1001", "context": "default"}),
            "Resource Error - field 'exten'",
        ),
        (
            "POST",
            "/1.1/contexts",
            json!({"label": "X", "type": "outside"}),
            "Input Error - field 'type'",
        ),
        (
            "POST",
            "/1.1/contexts",
            json!({"name": "x", "user_ranges": [{"start": "100", "end": "199"}, {"start": "150", "end": "250"}]}),
            "Input Error - field 'user_ranges'",
        ),
        (
            "PUT",
            "/1.1/contexts/1",
            json!({"name": "other"}),
            "Input Error - field 'name'",
        ),
        (
            "PUT",
            "/1.1/contexts/1",
            json!({"user_ranges": []}),
            "Resource Error - field 'user_ranges'",
        ),
        (
            "PUT",
            "/1.1/users/1/lines",
            json!({"lines": [{"id": 77}]}),
            "Input Error - field 'lines'",
        ),
    ];
    for (method, path, body, sentence) in refused {
        let answer = world.send(method, path, &body);
        let sentences: Vec<String> = serde_json::from_value(answer.json.clone()).unwrap();
        assert_eq!(
            answer.status, 400,
            "{method} {path} {body}: {}",
            answer.text
        );
        assert!(
            sentences[0].contains(sentence),
            "{method} {path} {body}: {}",
            answer.text
        );
    }
    assert_eq!(world.get("/1.1/users").json["total"], 1);
}

#[test]
fn what_does_not_exist_is_not_found_under_either_prefix() {
    let world = World::new().with_default_context();
    for (method, path) in [
        ("GET", "/1.1/users/77"),
        (
            "GET",
            "/api/confd/1.1/users/0f6b1c2e-4b7a-4a57-9a36-0c3f1b1f0a11",
        ),
        ("GET", "/1.1/lines/none"),
        ("DELETE", "/1.1/extensions/77"),
        ("PUT", "/1.1/users/77/lines/1"),
        ("DELETE", "/1.1/lines/77/extensions/1"),
        ("PUT", "/1.1/lines/77/endpoints/sip/1"),
        ("GET", "/1.1/queues"),
    ] {
        let answer = world.raw(method, path, &[("X-Auth-Token", &world.token)], None);
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        assert!(
            answer.json[0]
                .as_str()
                .unwrap()
                .starts_with("Resource Not Found - "),
            "{}",
            answer.text
        );
    }
}

#[test]
fn requests_that_are_wrong_in_form_are_told_so() {
    let world = World::new();
    let token = ("X-Auth-Token", world.token.as_str());
    let json_type = ("Content-Type", "application/json");
    let cases = [
        (
            "POST",
            "/1.1/users",
            vec![token],
            Some(&b"{}"[..]),
            415,
            "header 'Content-Type'",
        ),
        (
            "POST",
            "/1.1/users",
            vec![token, json_type],
            Some(b"{\"firstname\": "),
            400,
            "the body is no JSON",
        ),
        (
            "POST",
            "/1.1/users",
            vec![token, json_type],
            Some(b"[]"),
            400,
            "must be a JSON object",
        ),
        (
            "POST",
            "/1.1/users/import",
            vec![token, json_type],
            Some(b"{}"),
            415,
            "text/csv",
        ),
        (
            "GET",
            "/1.1/users",
            vec![token, ("Accept", "text/html")],
            None,
            406,
            "header 'Accept'",
        ),
        (
            "GET",
            "/1.1/users/export",
            vec![token, ("Accept", "application/json")],
            None,
            406,
            "header 'Accept'",
        ),
        ("PATCH", "/1.1/users", vec![token], None, 405, "method"),
        (
            "GET",
            "/1.1/users?limit=x",
            vec![token],
            None,
            400,
            "field 'limit'",
        ),
        (
            "GET",
            "/1.1/users?colour=red",
            vec![token],
            None,
            400,
            "field 'colour'",
        ),
        (
            "GET",
            "/1.1/call_logs?start_date=yesterday",
            vec![token],
            None,
            400,
            "field 'start_date'",
        ),
        (
            "GET",
            "/1.1/users",
            vec![],
            None,
            401,
            "header 'X-Auth-Token'",
        ),
        (
            "GET",
            "/1.1/users",
            vec![("X-Auth-Token", "invented")],
            None,
            401,
            "header 'X-Auth-Token'",
        ),
    ];
    for (method, path, headers, body, status, sentence) in cases {
        let answer = world.raw(method, path, &headers, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert!(
            answer.json[0].as_str().unwrap().contains(sentence),
            "{method} {path}: {}",
            answer.text
        );
    }
    let answer = world.raw("PATCH", "/1.1/users", &[token], None);
    assert!(
        answer.header("Allow").contains("POST"),
        "{:?}",
        answer.headers
    );
    assert_eq!(answer.header("Cache-Control"), "no-store");
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let world = World::new();
    let large = json!({"firstname": "A".repeat(2 * 1024 * 1024)}).to_string();
    let headers = [
        ("X-Auth-Token", world.token.as_str()),
        ("Content-Type", "application/json"),
    ];
    // Who refuses a body need not read it to its end (RFC 9110 §15.5.14): now and then the answer is lost with the connection.
    let answer = (0..20)
        .find_map(|_| {
            let answer = world.attempt("POST", "/1.1/users", &headers, Some(large.as_bytes()));
            answer.ok()
        })
        .expect("an answer");
    assert_eq!(answer.status, 413, "{}", answer.text);
}

#[test]
fn the_rest_refuses_with_problems_that_point_at_the_field() {
    let world = World::new();
    let answer = world
        .post("/api/v1/join-tokens", &json!({"role": "phone"}))
        .expect(400);
    assert_eq!(answer.header("Content-Type"), "application/problem+json");
    assert_eq!(answer.json["status"], 400);
    assert_eq!(answer.json["errors"][0]["pointer"], "#/role");
    let answer = world
        .post(
            "/api/v1/administrators",
            &json!({"username": "bob", "password": "short"}),
        )
        .expect(400);
    assert_eq!(answer.json["errors"][0]["pointer"], "#/password");
    let answer = world.get("/api/v1/calls?order=weight").expect(400);
    assert_eq!(answer.json["errors"][0]["parameter"], "order");
    let answer = world.delete("/api/v1/administrators/1").expect(400);
    assert_eq!(answer.json["errors"][0]["pointer"], "#/id");
    let answer = world
        .put("/api/v1/administrators/1", &json!({"enabled": false}))
        .expect(409);
    assert_eq!(answer.json["errors"][0]["pointer"], "#/enabled");
    let answer = world.get("/api/v1/nothing").expect(404);
    assert!(
        answer.json["detail"]
            .as_str()
            .unwrap()
            .contains("openapi.json")
    );
    let answer = world.raw("GET", "/api/v1/status", &[], None).expect(401);
    assert_eq!(answer.json["errors"][0]["header"], "X-Auth-Token");
    world.delete("/api/v1/nodes/99").expect(404);
    let answer = world.delete("/api/v1/nodes/1").expect(409);
    assert!(answer.json["detail"].as_str().unwrap().contains("leader"));
}

#[test]
fn without_a_quorum_nothing_is_written_and_reading_goes_on() {
    let world = World::new().with_default_context();
    world.plane.lose_quorum();
    let answer = world
        .post("/1.1/users", &json!({"firstname": "Alice"}))
        .expect(503);
    assert_eq!(answer.header("Retry-After"), "1");
    assert!(
        answer.json[0]
            .as_str()
            .unwrap()
            .contains("nothing was written"),
        "{}",
        answer.text
    );
    world.get("/1.1/contexts").expect(200);
    let headers = [
        ("X-Auth-Token", world.token.as_str()),
        ("Consistency", "linearizable"),
    ];
    world
        .raw("GET", "/1.1/contexts", &headers, None)
        .expect(503);
    let answer = world.get("/api/v1/health/ready").expect(503);
    assert!(
        answer.json["detail"].as_str().unwrap().contains("majority"),
        "{}",
        answer.text
    );
    world.get("/api/v1/health/live").expect(200);
    assert_eq!(
        world.get("/api/v1/status").expect(200).json["quorum"],
        false
    );
}
