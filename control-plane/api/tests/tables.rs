//! Users go out as a table and come in as one.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::World;
use serde_json::json;

const COMPANY: &str = "entity_id,firstname,lastname,email,ring_seconds,labels,exten,context,line_protocol,sip_username,sip_secret,userfield\n\
    1,Alice,Martin,alice@example.org,20,sales;paris,1001,default,sip,alice,s3cret-of-alice,\"R&D, \"\"lab\"\"\"\n\
    1,Rîchard,Lâpointe,,,,1002,default,sip,,,\n\
    1,Carol,,,,,,,,,,\n";

#[test]
fn a_table_makes_users_with_lines_numbers_and_credentials() {
    let world = World::new().with_default_context();
    let made = world
        .send_csv("POST", "/1.1/users/import", COMPANY)
        .expect(201)
        .json;
    let created = made["created"].as_array().unwrap();
    assert_eq!(created.len(), 3);
    assert_eq!(created[0]["row_number"], 1);
    let alice = world
        .get(&format!("/1.1/users/{}", created[0]["user_id"]))
        .json;
    assert_eq!(alice["userfield"], "R&D, \"lab\"");
    assert_eq!(alice["labels"], json!(["sales", "paris"]));
    assert_eq!(alice["lines"][0]["extensions"][0]["exten"], "1001");
    let endpoint = world
        .get(&format!("/1.1/endpoints/sip/{}", created[0]["sip_id"]))
        .json;
    assert_eq!(
        (endpoint["username"].as_str(), endpoint["secret"].as_str()),
        (Some("alice"), Some("s3cret-of-alice"))
    );
    let richard = world
        .get(&format!("/1.1/endpoints/sip/{}", created[1]["sip_id"]))
        .json;
    assert_eq!(richard["username"].as_str().unwrap().len(), 8);
    assert_eq!(created[2]["line_id"], serde_json::Value::Null);
}

#[test]
fn what_one_cluster_exports_another_imports_and_exports_the_same() {
    let first = World::new().with_default_context();
    first
        .post(
            "/1.1/contexts",
            &json!({"name": "from-extern", "type": "incall",
            "incall_ranges": [{"start": "0123456700", "end": "0123456799", "did_length": 4}]}),
        )
        .expect(201);
    let table = "firstname,language,outgoing_caller_id,mobile_phone_number,call_record_enabled,context,exten,incall_exten,incall_context\n\
        Alice,fr_FR,anonymous,0612345678,1,default,1001,0123456701,from-extern\n\
        Bob,,\"\"\"Bob\"\" <0123456702>\",,0,default,1002,,\n";
    first
        .send_csv("POST", "/1.1/users/import", table)
        .expect(201);
    let exported = first.get_as("/1.1/users/export", "text/csv").expect(200);
    assert!(exported.header("Content-Type").starts_with("text/csv"));

    let second = World::new().with_default_context();
    second
        .post(
            "/1.1/contexts",
            &json!({"name": "from-extern", "type": "incall",
            "incall_ranges": [{"start": "0123456700", "end": "0123456799"}]}),
        )
        .expect(201);
    second
        .send_csv("POST", "/1.1/users/import", &exported.text)
        .expect(201);
    let again = second.get_as("/1.1/users/export", "text/csv").expect(200);
    assert_eq!(again.text, exported.text);
    // And onto itself as an update: nothing changes.
    second
        .send_csv("PUT", "/1.1/users/import", &exported.text)
        .expect(200);
    assert_eq!(
        second.get_as("/1.1/users/export", "*/*").text,
        exported.text
    );
}

#[test]
fn every_wrong_row_is_named_and_none_is_imported() {
    let world = World::new().with_default_context();
    let table = "firstname,ring_seconds,exten,context,sip_username,sip_secret,enabled\n\
        Alice,30,1001,default,alice,s1,1\n\
        Bob,30,9999,default,bob,s2,1\n\
        ,30,1003,default,carol,s3,1\n\
        Dave,soon,1004,default,dave,s4,1\n\
        Eve,30,1005,default,alice,s5,1\n\
        Frank,30,1006,default,frank,s6,maybe\n";
    let answer = world
        .send_csv("POST", "/1.1/users/import", table)
        .expect(400);
    let errors = answer.json["errors"].as_array().unwrap();
    let named: Vec<(u64, &str)> = errors
        .iter()
        .map(|error| {
            (
                error["details"]["row_number"].as_u64().unwrap(),
                error["message"].as_str().unwrap(),
            )
        })
        .collect();
    let fields = [
        (2, "'exten'"),
        (3, "'firstname'"),
        (4, "'ring_seconds'"),
        (5, "'sip_username'"),
        (6, "'enabled'"),
    ];
    assert_eq!(named.len(), fields.len(), "{named:?}");
    for ((row, message), (wanted, field)) in named.iter().zip(fields) {
        assert_eq!(*row, wanted);
        assert!(message.contains(field), "{message}");
    }
    assert_eq!(errors[0]["details"]["row"]["exten"], "9999");
    assert!(!answer.text.contains("s2"), "secrets are not sent back");
    assert_eq!(world.get("/1.1/users").json["total"], 0);
}

#[test]
fn an_update_clears_what_is_empty_and_leaves_what_is_missing() {
    let world = World::new().with_default_context();
    let made = world
        .send_csv("POST", "/1.1/users/import", COMPANY)
        .expect(201)
        .json;
    let uuid = made["created"][0]["user_uuid"].as_str().unwrap();
    let table = format!("uuid,email,exten,sip_secret\n{uuid},,1010,another-secret\n");
    let changed = world
        .send_csv("PUT", "/1.1/users/import", &table)
        .expect(200)
        .json;
    assert_eq!(changed["updated"][0]["user_uuid"], uuid);
    let alice = world.get(&format!("/1.1/users/{uuid}")).json;
    assert_eq!(
        (alice["email"].as_str(), alice["lastname"].as_str()),
        (None, Some("Martin"))
    );
    assert_eq!(alice["lines"][0]["extensions"][0]["exten"], "1010");
    let endpoint = world.get("/1.1/endpoints/sip?username=alice").json;
    assert_eq!(endpoint["items"][0]["secret"], "another-secret");
    let unknown = world
        .send_csv(
            "PUT",
            "/1.1/users/import",
            "uuid,email\n0f6b1c2e-4b7a-4a57-9a36-0c3f1b1f0a11,\n",
        )
        .expect(400);
    assert!(
        unknown.json["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("'uuid'")
    );
}

#[test]
fn a_table_that_is_none_is_refused_as_a_whole() {
    let world = World::new();
    for (table, words) in [
        ("firstname,colour\nAlice,red\n", "field 'colour'"),
        ("firstname,firstname\nAlice,Alice\n", "field 'firstname'"),
        ("firstname,email\nAlice\n", "row 1"),
        ("", "no rows"),
        ("firstname,voicemail_name\nAlice,inbox\n", "voicemail_name"),
        ("firstname,line_protocol\nAlice,sccp\n", "line_protocol"),
    ] {
        let answer = world
            .send_csv("POST", "/1.1/users/import", table)
            .expect(400);
        assert!(answer.text.contains(words), "{table}: {}", answer.text);
    }
}
