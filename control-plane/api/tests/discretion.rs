//! What must not be in a log is in none, at any level: passwords, secrets, tokens.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::io;
use std::sync::{Arc, Mutex};

use common::{PASSWORD, World};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn no_secret_reaches_the_log() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .init();
    let world = World::new().with_default_context();
    world.log_in("admin", "guessed-password").expect(401);
    let table = "firstname,password,exten,context,sip_username,sip_secret\nAlice,password-of-alice,1001,default,alice,secret-of-alice\n";
    world
        .send_csv("POST", "/1.1/users/import", table)
        .expect(201);
    world
        .post(
            "/1.1/users",
            &json!({"firstname": "Bob", "password": "password-of-bob"}),
        )
        .expect(201);
    world
        .post(
            "/1.1/endpoints/sip",
            &json!({"username": "bob", "secret": "secret-of-bob"}),
        )
        .expect(201);
    world
        .put(
            "/1.1/endpoints/sip/1",
            &json!({"username": "bob", "secret": "other-secret"}),
        )
        .expect(400);
    world.get("/1.1/endpoints/sip").expect(200);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("a login was refused"), "the log was written");
    let ours: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("carillon"))
        .collect();
    for secret in [
        PASSWORD,
        "guessed-password",
        "password-of-alice",
        "secret-of-alice",
        "password-of-bob",
        "secret-of-bob",
        "other-secret",
        world.token.as_str(),
    ] {
        assert!(
            !ours.iter().any(|line| line.contains(secret)),
            "{secret} is in the log"
        );
    }
    let loud: Vec<&&str> = ours
        .iter()
        .filter(|line| !line.contains("DEBUG") && !line.contains("TRACE"))
        .collect();
    let peer = "127.0.0.1:";
    let told = loud
        .iter()
        .filter(|line| line.contains(peer) && !line.contains("is open"))
        .count();
    assert_eq!(told, 0, "addresses are for debug: {loud:?}");
}
