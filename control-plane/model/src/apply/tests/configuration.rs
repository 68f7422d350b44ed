use super::{Cluster, range};
use crate::{
    ConfigCommand, Context, Ha1, Line, Link, RejectionKind, Resource, ResourceKey, Secret, User,
};

#[test]
fn a_number_leads_to_its_line_and_the_line_to_its_user() {
    let mut cluster = Cluster::new();
    let (alice, line, endpoint) = cluster.phone("alice", "101");
    let state = &cluster.state;
    assert_eq!(state.endpoint_by_username("alice").unwrap().id, endpoint);
    assert_eq!(state.line_of_endpoint(endpoint).unwrap().id, line);
    assert_eq!(state.user_of_line(line).unwrap().id, alice);
    assert_eq!(state.extension("default", "101").unwrap().line, Some(line));
    assert_eq!(state.number_of_line(line), Some("101"));
    assert_eq!(state.extension("default", "102"), None);
    assert_eq!(state.extension("elsewhere", "101"), None);
}

#[test]
fn an_extension_outside_the_ranges_of_its_context_is_refused_with_its_field() {
    let mut cluster = Cluster::new();
    let refusal = cluster.extension("200", "default", None).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field.as_str()),
        (RejectionKind::Input, "exten")
    );
    let refusal = cluster.extension("1010", "default", None).unwrap_err();
    assert_eq!(refusal.field, "exten");
    let refusal = cluster.extension("101", "nowhere", None).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field.as_str()),
        (RejectionKind::Input, "context")
    );
}

#[test]
fn a_number_exists_once_in_a_context() {
    let mut cluster = Cluster::new();
    cluster.extension("101", "default", None).unwrap();
    let refusal = cluster.extension("101", "default", None).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field.as_str()),
        (RejectionKind::Conflict, "exten")
    );
}

#[test]
fn a_line_gets_numbers_for_users_only() {
    let mut cluster = Cluster::new();
    let mut default = (**cluster.state.context_by_name("default").unwrap()).clone();
    default.group_ranges = vec![range("200", "299")];
    cluster.update(Resource::Context(default)).unwrap();
    let line = cluster.line(Line::default());
    cluster.extension("201", "default", None).unwrap();
    let refusal = cluster.extension("202", "default", Some(line)).unwrap_err();
    assert_eq!(refusal.field, "exten");
    assert!(
        cluster.state.extension_in("default", "202").is_none(),
        "a refused command leaves nothing behind"
    );
}

#[test]
fn ranges_must_make_sense_and_not_overlap() {
    let mut cluster = Cluster::new();
    let context = |user_ranges, group_ranges| Context {
        name: "sales".to_owned(),
        user_ranges,
        group_ranges,
        ..Context::default()
    };
    for (users, groups, field) in [
        (vec![range("300", "200")], vec![], "user_ranges"),
        (vec![range("20", "300")], vec![], "user_ranges"),
        (vec![range("2x", "30")], vec![], "user_ranges"),
        (
            vec![range("200", "250"), range("250", "260")],
            vec![],
            "user_ranges",
        ),
        (
            vec![range("200", "250")],
            vec![range("240", "260")],
            "group_ranges",
        ),
    ] {
        let refusal = cluster.context(context(users, groups)).unwrap_err();
        assert_eq!(
            (refusal.kind, refusal.field.as_str()),
            (RejectionKind::Input, field)
        );
    }
    cluster
        .context(context(
            vec![range("200", "250")],
            vec![range("251", "260")],
        ))
        .unwrap();
}

#[test]
fn a_range_cannot_leave_out_a_number_that_exists() {
    let mut cluster = Cluster::new();
    cluster.phone("alice", "150");
    let mut context = (**cluster.state.context_by_name("default").unwrap()).clone();
    context.user_ranges = vec![range("100", "149")];
    let refusal = cluster.update(Resource::Context(context)).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field.as_str()),
        (RejectionKind::InUse, "user_ranges")
    );
    assert!(refusal.message.contains("150"));
}

#[test]
fn a_number_unknown_in_a_context_is_searched_in_what_it_includes_in_order() {
    let mut cluster = Cluster::new();
    let ResourceKey::Context(sales) = cluster
        .context(Context {
            name: "sales".to_owned(),
            user_ranges: vec![range("200", "299")],
            ..Context::default()
        })
        .unwrap()
    else {
        panic!("a context")
    };
    cluster.phone("alice", "101");
    cluster.extension("201", "sales", None).unwrap();
    assert!(cluster.state.extension("default", "201").is_none());
    let mut default = (**cluster.state.context_by_name("default").unwrap()).clone();
    let default_id = default.id;
    default.includes = vec![sales];
    cluster.update(Resource::Context(default)).unwrap();
    assert_eq!(
        cluster.state.extension("default", "201").unwrap().context,
        "sales"
    );
    assert!(
        cluster.state.extension("sales", "101").is_none(),
        "inclusion goes one way"
    );

    // A circle of inclusions ends.
    let mut sales = (**cluster.state.contexts().get(&sales).unwrap()).clone();
    sales.includes = vec![default_id];
    cluster.update(Resource::Context(sales.clone())).unwrap();
    assert!(cluster.state.extension("sales", "101").is_some());
    assert!(cluster.state.extension("sales", "199").is_none());

    let refusal = cluster
        .delete(ResourceKey::Context(default_id))
        .unwrap_err();
    assert_eq!(refusal.field, "extensions");
    let mut own = (**cluster.state.contexts().get(&sales.id).unwrap()).clone();
    own.includes = vec![own.id];
    assert_eq!(
        cluster.update(Resource::Context(own)).unwrap_err().field,
        "contexts"
    );
}

#[test]
fn a_disabled_number_or_context_is_passed_over() {
    let mut cluster = Cluster::new();
    cluster.phone("alice", "101");
    let mut extension = (**cluster.state.extension("default", "101").unwrap()).clone();
    extension.enabled = false;
    cluster.update(Resource::Extension(extension)).unwrap();
    assert!(cluster.state.extension("default", "101").is_none());
    assert!(cluster.state.extension_in("default", "101").is_some());
}

#[test]
fn a_user_with_a_line_stays() {
    let mut cluster = Cluster::new();
    let (alice, line, _) = cluster.phone("alice", "101");
    let refusal = cluster.delete(ResourceKey::User(alice)).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field.as_str()),
        (RejectionKind::InUse, "lines")
    );
    cluster
        .configure(ConfigCommand::Dissociate(Link::UserLine {
            user: alice,
            line,
        }))
        .unwrap();
    cluster.delete(ResourceKey::User(alice)).unwrap();
    let refusal = cluster.delete(ResourceKey::User(alice)).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field.as_str()),
        (RejectionKind::NotFound, "id")
    );
}

#[test]
fn a_deleted_line_leaves_its_number_and_credentials_free() {
    let mut cluster = Cluster::new();
    let (alice, line, endpoint) = cluster.phone("alice", "101");
    let extension = cluster.state.extension("default", "101").unwrap().id;
    assert_eq!(
        cluster
            .delete(ResourceKey::Extension(extension))
            .unwrap_err()
            .kind,
        RejectionKind::InUse
    );
    assert_eq!(
        cluster
            .delete(ResourceKey::Endpoint(endpoint))
            .unwrap_err()
            .field,
        "line"
    );
    cluster.delete(ResourceKey::Line(line)).unwrap();
    cluster.delete(ResourceKey::Extension(extension)).unwrap();
    cluster.delete(ResourceKey::Endpoint(endpoint)).unwrap();
    cluster.delete(ResourceKey::User(alice)).unwrap();
}

#[test]
fn links_are_idempotent_and_exclusive() {
    let mut cluster = Cluster::new();
    let (alice, line, endpoint) = cluster.phone("alice", "101");
    let extension = cluster.state.extension("default", "101").unwrap().id;
    let (bob, other_line, _) = cluster.phone("bob", "102");
    for link in [
        Link::UserLine { user: alice, line },
        Link::LineExtension { line, extension },
        Link::LineEndpoint { line, endpoint },
    ] {
        cluster.configure(ConfigCommand::Associate(link)).unwrap();
    }
    let refusal = cluster
        .configure(ConfigCommand::Associate(Link::LineExtension {
            line: other_line,
            extension,
        }))
        .unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field.as_str()),
        (RejectionKind::InUse, "line")
    );
    let refusal = cluster
        .configure(ConfigCommand::Associate(Link::LineEndpoint {
            line: other_line,
            endpoint,
        }))
        .unwrap_err();
    assert_eq!(refusal.field, "endpoint_sip");
    let refusal = cluster
        .configure(ConfigCommand::Dissociate(Link::UserLine {
            user: bob,
            line,
        }))
        .unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field.as_str()),
        (RejectionKind::Input, "line_id")
    );
}

#[test]
fn the_main_user_of_a_shared_line_leaves_last() {
    let mut cluster = Cluster::new();
    let (alice, line, _) = cluster.phone("alice", "101");
    let bob = cluster.user("bob");
    cluster
        .configure(ConfigCommand::Associate(Link::UserLine { user: bob, line }))
        .unwrap();
    assert_eq!(cluster.state.user_of_line(line).unwrap().id, alice);
    let leave = ConfigCommand::Dissociate(Link::UserLine { user: alice, line });
    assert_eq!(cluster.configure(leave.clone()).unwrap_err().field, "users");
    cluster
        .configure(ConfigCommand::Dissociate(Link::UserLine {
            user: bob,
            line,
        }))
        .unwrap();
    cluster.configure(leave).unwrap();
}

#[test]
fn a_user_gets_exactly_the_lines_of_a_list_in_its_order() {
    let mut cluster = Cluster::new();
    let (alice, first, _) = cluster.phone("alice", "101");
    let second = cluster.line(Line::default());
    let third = cluster.line(Line::default());
    cluster
        .configure(ConfigCommand::SetUserLines {
            user: alice,
            lines: vec![third, first],
        })
        .unwrap();
    assert_eq!(
        cluster.state.users().get(&alice).unwrap().lines,
        [third, first]
    );
    cluster
        .configure(ConfigCommand::SetUserLines {
            user: alice,
            lines: vec![second],
        })
        .unwrap();
    assert_eq!(cluster.state.users().get(&alice).unwrap().lines, [second]);
    assert!(cluster.state.user_of_line(first).is_none());
    let twice = ConfigCommand::SetUserLines {
        user: alice,
        lines: vec![first, first],
    };
    assert_eq!(cluster.configure(twice).unwrap_err().field, "lines");
}

#[test]
fn the_second_of_two_who_read_the_same_user_must_read_again() {
    let mut cluster = Cluster::new();
    let alice = cluster.user("alice");
    let read = (**cluster.state.users().get(&alice).unwrap()).clone();
    cluster
        .update(Resource::User(User {
            lastname: Some("Martin".to_owned()),
            ..read.clone()
        }))
        .unwrap();
    let refusal = cluster
        .update(Resource::User(User {
            email: Some("a@example.org".to_owned()),
            ..read
        }))
        .unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field.as_str()),
        (RejectionKind::Stale, "revision")
    );
    assert_eq!(
        cluster
            .state
            .users()
            .get(&alice)
            .unwrap()
            .lastname
            .as_deref(),
        Some("Martin")
    );
}

#[test]
fn every_wrong_field_of_a_user_is_named() {
    let mut cluster = Cluster::new();
    let good = User {
        uuid: "0f6b1c2e-4b7a-4a57-9a36-0c3f1b1f0a11".to_owned(),
        firstname: "Alice".to_owned(),
        ..User::default()
    };
    let text = |text: &str| Some(text.to_owned());
    let wrong = [
        (
            "uuid",
            User {
                uuid: "alice".to_owned(),
                ..good.clone()
            },
        ),
        (
            "firstname",
            User {
                firstname: " ".to_owned(),
                ..good.clone()
            },
        ),
        (
            "lastname",
            User {
                lastname: text("Mar\ntin"),
                ..good.clone()
            },
        ),
        (
            "email",
            User {
                email: text("alice"),
                ..good.clone()
            },
        ),
        (
            "language",
            User {
                language: text("french"),
                ..good.clone()
            },
        ),
        (
            "timezone",
            User {
                timezone: text("Europe / Paris"),
                ..good.clone()
            },
        ),
        (
            "outgoing_caller_id",
            User {
                outgoing_caller_id: text("Alice"),
                ..good.clone()
            },
        ),
        (
            "mobile_phone_number",
            User {
                mobile_phone_number: text("o6"),
                ..good.clone()
            },
        ),
        (
            "username",
            User {
                username: text("al ice"),
                ..good.clone()
            },
        ),
        (
            "call_permission_password",
            User {
                call_permission_password: Some("x".into()),
                ..good.clone()
            },
        ),
        (
            "ring_seconds",
            User {
                ring_seconds: 0,
                ..good.clone()
            },
        ),
        (
            "simultaneous_calls",
            User {
                simultaneous_calls: 21,
                ..good.clone()
            },
        ),
    ];
    for (field, user) in wrong {
        let refusal = cluster.create(Resource::User(user)).unwrap_err();
        assert_eq!(
            (refusal.resource.as_str(), refusal.field.as_str()),
            ("User", field)
        );
        assert!(!refusal.message.is_empty());
    }
    let right = User {
        outgoing_caller_id: text("\"Alice\" <0123456789>"),
        language: text("fr_FR"),
        ..good
    };
    cluster.create(Resource::User(right)).unwrap();
}

#[test]
fn credentials_follow_username_realm_and_secret() {
    let mut cluster = Cluster::new();
    let alice = cluster.endpoint("alice");
    let mut endpoint = (**cluster.state.endpoints().get(&alice).unwrap()).clone();
    assert_eq!(
        endpoint.digest,
        Ha1::new("alice", "carillon", &Secret::new("s3cret"))
    );
    endpoint.secret = Secret::new("another");
    cluster.update(Resource::Endpoint(endpoint)).unwrap();
    let digest = &cluster.state.endpoint_by_username("alice").unwrap().digest;
    assert_eq!(
        *digest,
        Ha1::new("alice", "carillon", &Secret::new("another"))
    );
    let second = crate::SipEndpoint {
        username: "alice".to_owned(),
        secret: "x".into(),
        ..Default::default()
    };
    let refusal = cluster.create(Resource::Endpoint(second)).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field.as_str()),
        (RejectionKind::Conflict, "username")
    );
}

#[test]
fn numbers_are_never_given_twice() {
    let mut cluster = Cluster::new();
    let alice = cluster.user("alice");
    cluster.delete(ResourceKey::User(alice)).unwrap();
    assert!(cluster.user("bob") > alice);
}
