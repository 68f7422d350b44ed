//! An administrator sets a company up, as the scripts of XiVO do it: every resource, every association, and back.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::World;
use serde_json::{Value, json};

fn id(answer: &common::Answer) -> u64 {
    answer.json["id"].as_u64().unwrap()
}

#[test]
fn alice_gets_a_line_with_number_and_credentials() {
    let world = World::new();
    let context = world
        .post(
            "/1.1/contexts",
            &json!({"name": "default", "label": "Default", "type": "internal",
                "user_ranges": [{"start": "1000", "end": "1999"}, {"start": "2500"}]}),
        )
        .expect(201);
    assert_eq!(context.json["user_ranges"][1]["end"], "2500");

    let user = world
        .post("/1.1/users", &json!({"firstname": "Alice", "lastname": "Martin", "ring_seconds": 20, "userfield": "R&D"}))
        .expect(201);
    let uuid = user.json["uuid"].as_str().unwrap().to_owned();
    assert!(
        user.header("Location")
            .ends_with(&format!("/1.1/users/{}", id(&user))),
        "{}",
        user.header("Location")
    );
    assert_eq!(user.json["caller_id"], "\"Alice Martin\"");
    assert_eq!(user.json["simultaneous_calls"], 5);

    let line = world
        .post("/1.1/lines", &json!({"context": "default"}))
        .expect(201);
    let code = line.json["provisioning_code"].as_str().unwrap();
    assert!(
        code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()),
        "{code}"
    );

    let endpoint = world.post("/1.1/endpoints/sip", &json!({})).expect(201);
    assert_eq!(endpoint.json["username"].as_str().unwrap().len(), 8);
    assert_eq!(endpoint.json["secret"].as_str().unwrap().len(), 16);
    assert_eq!(
        (
            endpoint.json["type"].as_str(),
            endpoint.json["host"].as_str()
        ),
        (Some("friend"), Some("dynamic"))
    );

    let extension = world
        .post(
            "/1.1/extensions",
            &json!({"exten": "1001", "context": "default"}),
        )
        .expect(201);
    let (line_id, extension_id, endpoint_id) = (id(&line), id(&extension), id(&endpoint));
    for _ in 0..2 {
        world
            .link(&format!("/1.1/lines/{line_id}/endpoints/sip/{endpoint_id}"))
            .expect(204);
        world
            .link(&format!("/1.1/users/{uuid}/lines/{line_id}"))
            .expect(204);
        world
            .link(&format!(
                "/api/confd/1.1/lines/{line_id}/extensions/{extension_id}"
            ))
            .expect(204);
    }

    let shown = world.get(&format!("/1.1/users/{uuid}")).expect(200).json;
    assert_eq!(shown["lines"][0]["extensions"][0]["exten"], "1001");
    assert_eq!(
        shown["lines"][0]["endpoint_sip"]["username"],
        endpoint.json["username"]
    );
    assert_eq!(shown["password"], Value::Null);
    let shown = world.get(&format!("/1.1/lines/{line_id}")).expect(200).json;
    assert_eq!(shown["users"][0]["uuid"], uuid.as_str());
    assert_eq!(shown["protocol"], "sip");
    let shown = world
        .get(&format!("/1.1/extensions/{extension_id}"))
        .expect(200)
        .json;
    assert_eq!(shown["lines"][0]["id"], line_id);
    let shown = world
        .get(&format!("/1.1/endpoints/sip/{endpoint_id}"))
        .expect(200)
        .json;
    assert_eq!(shown["line"]["id"], line_id);

    let state = carillon_api::Plane::state(&*world.plane);
    let called = state.extension("default", "1001").unwrap();
    assert_eq!(called.line.unwrap().0 as u64, line_id);
}

#[test]
fn what_was_read_can_be_sent_back_and_an_update_changes_only_what_is_there() {
    let world = World::new().with_default_context();
    let user = world
        .post(
            "/1.1/users",
            &json!({"firstname": "Alice", "email": "alice@example.org"}),
        )
        .expect(201);
    let path = format!("/1.1/users/{}", id(&user));
    world.put(&path, &json!({"lastname": "Martin"})).expect(204);
    let read = world.get(&path).json;
    assert_eq!(
        (read["email"].as_str(), read["lastname"].as_str()),
        (Some("alice@example.org"), Some("Martin"))
    );
    let mut sent = read.clone();
    sent["email"] = Value::Null;
    world.put(&path, &sent).expect(204);
    let read = world.get(&path).json;
    assert_eq!(read["email"], Value::Null);

    for (path, body) in [
        ("/1.1/lines", json!({"context": "default"})),
        (
            "/1.1/endpoints/sip",
            json!({"username": "alice", "options": [["language", "fr_FR"]]}),
        ),
        (
            "/1.1/extensions",
            json!({"exten": "1001", "context": "default"}),
        ),
    ] {
        let made = world.post(path, &body).expect(201);
        let path = format!("{path}/{}", id(&made));
        let read = world.get(&path).json;
        world.put(&path, &read).expect(204);
        assert_eq!(world.get(&path).json, read);
    }
    let contexts = world.get("/1.1/contexts").json;
    let context = &contexts["items"][0];
    let path = format!("/1.1/contexts/{}", context["id"]);
    world.put(&path, context).expect(204);
    assert_eq!(world.get(&path).json, *context);
}

#[test]
fn newer_clients_give_credentials_as_options() {
    let world = World::new();
    let body = json!({"label": "desk", "auth_section_options": [["username", "alice"], ["password", "s3cret"]]});
    let made = world.post("/1.1/endpoints/sip", &body).expect(201).json;
    assert_eq!(
        (made["username"].as_str(), made["secret"].as_str()),
        (Some("alice"), Some("s3cret"))
    );
    assert_eq!(
        (made["name"].as_str(), made["label"].as_str()),
        (Some("alice"), Some("desk"))
    );
}

#[test]
fn numbers_are_made_for_a_line_and_contexts_include_each_other() {
    let world = World::new().with_default_context();
    let line = world
        .post("/1.1/lines", &json!({"context": "default"}))
        .expect(201);
    let path = format!("/1.1/lines/{}/extensions", id(&line));
    let made = world
        .post(&path, &json!({"exten": "1002", "context": "default"}))
        .expect(201);
    assert_eq!(made.json["lines"][0]["id"], id(&line));

    let sales = world
        .post(
            "/1.1/contexts",
            &json!({"label": "Sales Team", "user_ranges": [{"start": "30", "end": "39"}]}),
        )
        .expect(201);
    assert_eq!(sales.json["name"], "sales-team");
    let sales_id = id(&sales);
    world
        .put(
            "/1.1/contexts/1/contexts",
            &json!({"contexts": [{"id": sales_id}]}),
        )
        .expect(204);
    let shown = world.get("/1.1/contexts/1").json;
    assert_eq!(shown["contexts"][0]["name"], "sales-team");
    let refused = world
        .delete(&format!("/1.1/contexts/{sales_id}"))
        .expect(400);
    assert!(refused.text.contains("'contexts'"), "{}", refused.text);
}

#[test]
fn a_user_gets_a_list_of_lines_in_its_order() {
    let world = World::new().with_default_context();
    let user = id(&world
        .post("/1.1/users", &json!({"firstname": "Alice"}))
        .expect(201));
    let lines: Vec<u64> = (0..2)
        .map(|_| {
            id(&world
                .post("/1.1/lines", &json!({"context": "default"}))
                .expect(201))
        })
        .collect();
    let body = json!({"lines": [{"id": lines[1]}, {"id": lines[0]}]});
    world
        .put(&format!("/1.1/users/{user}/lines"), &body)
        .expect(204);
    let shown = world.get(&format!("/1.1/users/{user}")).json;
    assert_eq!(
        (&shown["lines"][0]["id"], &shown["lines"][1]["id"]),
        (&json!(lines[1]), &json!(lines[0]))
    );
    let refused = world.delete(&format!("/1.1/users/{user}")).expect(400);
    assert!(
        refused.text.contains("Resource Error - field 'lines'"),
        "{}",
        refused.text
    );
    world
        .put(&format!("/1.1/users/{user}/lines"), &json!({"lines": []}))
        .expect(204);
    world.delete(&format!("/1.1/users/{user}")).expect(204);
    world.get(&format!("/1.1/users/{user}")).expect(404);
}

#[test]
fn lists_are_searched_sorted_filtered_and_paged() {
    let world = World::new().with_default_context();
    for (firstname, lastname) in [("Alice", "Martin"), ("Bob", "Durand"), ("Carol", "Martin")] {
        world
            .post(
                "/1.1/users",
                &json!({"firstname": firstname, "lastname": lastname}),
            )
            .expect(201);
    }
    let names = |query: &str| -> (u64, Vec<String>) {
        let page = world.get(&format!("/1.1/users?{query}")).expect(200).json;
        let items = page["items"].as_array().unwrap().iter();
        let names = items
            .map(|user| user["firstname"].as_str().unwrap().to_owned())
            .collect();
        (page["total"].as_u64().unwrap(), names)
    };
    let listed = |total: u64, items: &[&str]| {
        (
            total,
            items
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(names(""), listed(3, &["Alice", "Bob", "Carol"]));
    assert_eq!(names("limit=1&offset=1"), listed(3, &["Bob"]));
    assert_eq!(names("limit=1&skip=2"), listed(3, &["Carol"]));
    assert_eq!(names("search=mart"), listed(2, &["Alice", "Carol"]));
    assert_eq!(
        names("lastname=Martin&order=firstname&direction=desc"),
        listed(2, &["Carol", "Alice"])
    );
    assert_eq!(names("order=lastname&limit=1"), listed(3, &["Bob"]));
    assert_eq!(names("view=directory&recurse=true&enabled=true").0, 3);

    world
        .post(
            "/1.1/extensions",
            &json!({"exten": "1001", "context": "default"}),
        )
        .expect(201);
    let found = world
        .get("/1.1/extensions?exten=1001&context=default&type=internal")
        .expect(200)
        .json;
    assert_eq!(found["total"], 1);
    assert_eq!(world.get("/1.1/extensions?type=incall").json["total"], 0);
}

#[test]
fn scripts_that_suspend_reloads_are_not_disturbed() {
    let world = World::new();
    world
        .put("/1.1/configuration/live_reload", &json!({"enabled": false}))
        .expect(204);
    assert_eq!(
        world.get("/1.1/configuration/live_reload").json["enabled"],
        true
    );
}
