//! A token's life, and what becomes of those who guess.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::{ADMIN, PASSWORD, World, basic};
use serde_json::json;

#[test]
fn a_token_is_got_shown_checked_and_revoked() {
    let world = World::new();
    let headers = [
        ("Authorization", basic(ADMIN, PASSWORD)),
        ("Content-Type", "application/json".to_owned()),
    ];
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let body = json!({"backend": "xivo_admin", "expiration": 60}).to_string();
    let made = world
        .raw(
            "POST",
            "/api/auth/0.1/token",
            &headers,
            Some(body.as_bytes()),
        )
        .expect(200)
        .json;
    let token = made["data"]["token"].as_str().unwrap();
    assert_eq!(made["data"]["metadata"]["username"], ADMIN);
    assert!(
        made["data"]["expires_at"].as_str().unwrap() > made["data"]["issued_at"].as_str().unwrap()
    );

    let shown = world
        .raw("GET", &format!("/0.1/token/{token}"), &[], None)
        .expect(200)
        .json;
    assert_eq!(shown["data"]["token"], token);
    world
        .raw("HEAD", &format!("/0.1/token/{token}"), &[], None)
        .expect(204);
    world
        .raw(
            "GET",
            "/1.1/users",
            &[("Authorization", &format!("Bearer {token}"))],
            None,
        )
        .expect(200);

    world
        .raw("DELETE", &format!("/0.1/token/{token}"), &[], None)
        .expect(200);
    world
        .raw("GET", "/1.1/users", &[("X-Auth-Token", token)], None)
        .expect(401);
    world
        .raw("HEAD", &format!("/0.1/token/{token}"), &[], None)
        .expect(404);
    let missing = world
        .raw("GET", &format!("/0.1/token/{token}"), &[], None)
        .expect(404)
        .json;
    assert_eq!(
        (
            missing["reason"][0].as_str(),
            missing["status_code"].as_u64()
        ),
        (Some("No such token"), Some(404))
    );
}

#[test]
fn a_login_that_is_wrong_says_in_what() {
    let world = World::new();
    let none = world.raw("POST", "/0.1/token", &[], Some(b"")).expect(401);
    assert!(none.header("WWW-Authenticate").starts_with("Basic"));
    assert_eq!(none.json["status_code"], 401);
    world
        .raw(
            "POST",
            "/0.1/token",
            &[("Authorization", "Basic %%%")],
            Some(b""),
        )
        .expect(401);
    world.log_in("nobody", PASSWORD).expect(401);
    let right = basic(ADMIN, PASSWORD);
    let headers = [
        ("Authorization", right.as_str()),
        ("Content-Type", "application/json"),
    ];
    let long = world
        .raw("POST", "/0.1/token", &headers, Some(b"{\"expiration\": 0}"))
        .expect(400);
    assert!(
        long.json["reason"][0]
            .as_str()
            .unwrap()
            .starts_with("expiration"),
        "{}",
        long.text
    );
    world
        .raw(
            "POST",
            "/0.1/token",
            &headers,
            Some(b"{\"backend\": \"ldap_user\"}"),
        )
        .expect(401);
}

#[test]
fn who_guesses_must_wait_even_when_he_guesses_right_at_last() {
    let world = World::new();
    for _ in 0..5 {
        world.log_in(ADMIN, "wrong").expect(401);
    }
    let refused = world.log_in(ADMIN, PASSWORD).expect(429);
    assert!(refused.header("Retry-After").parse::<u64>().unwrap() >= 1);
    // Who has a token is not concerned.
    world.get("/1.1/users").expect(200);
    let metrics = String::from_utf8(world.metrics.render()).unwrap();
    let counted = metrics.lines().any(|line| {
        line.starts_with("carillon_http_request_duration_seconds_count")
            && line.contains("401")
            && line.ends_with(" 5")
    });
    assert!(counted, "{metrics}");
}

#[test]
fn a_new_password_ends_the_tokens_of_the_old_one() {
    let mut world = World::new();
    let made = world
        .post(
            "/api/v1/administrators",
            &json!({"username": "second", "password": "long enough"}),
        )
        .expect(201);
    let path = format!("/api/v1/administrators/{}", made.json["id"]);
    let token = world.log_in("second", "long enough").expect(200).json["data"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .put(&path, &json!({"password": "even longer"}))
        .expect(204);
    world
        .raw("GET", "/1.1/users", &[("X-Auth-Token", &token)], None)
        .expect(401);
    world.log_in("second", "long enough").expect(401);
    world.token = world.log_in("second", "even longer").expect(200).json["data"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .raw(
            "POST",
            "/api/v1/logout",
            &[("X-Auth-Token", &world.token)],
            Some(b""),
        )
        .expect(204);
    world.get("/1.1/users").expect(401);
}
