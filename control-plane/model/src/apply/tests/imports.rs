use super::Cluster;
use crate::{ConfigCommand, ImportMode, ImportRow, Imported, Outcome, SipEndpoint, User};

fn row(row_number: u32, name: &str, exten: &str) -> ImportRow {
    let uuid = format!("00000000-0000-4000-9000-{row_number:012}");
    ImportRow {
        row_number,
        user: User {
            uuid,
            firstname: name.to_owned(),
            ..User::default()
        },
        context: Some("default".to_owned()),
        exten: Some(exten.to_owned()),
        endpoint: Some(SipEndpoint {
            username: name.to_owned(),
            secret: "s3cret".into(),
            ..Default::default()
        }),
        ..ImportRow::default()
    }
}

fn import(cluster: &mut Cluster, mode: ImportMode, rows: Vec<ImportRow>) -> Outcome {
    cluster
        .configure(ConfigCommand::Import { mode, rows })
        .unwrap()
}

fn imported(outcome: Outcome) -> Vec<Imported> {
    match outcome {
        Outcome::Imported(rows) => rows,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_row_makes_a_user_who_can_be_called() {
    let mut cluster = Cluster::new();
    let rows = vec![row(1, "alice", "101"), row(2, "bob", "102")];
    let made = imported(import(&mut cluster, ImportMode::Create, rows));
    assert_eq!(made.len(), 2);
    for (row, name, exten) in [(&made[0], "alice", "101"), (&made[1], "bob", "102")] {
        let line = row.line.unwrap();
        assert_eq!(
            cluster.state.extension("default", exten).unwrap().line,
            Some(line)
        );
        assert_eq!(
            cluster.state.endpoint_by_username(name).unwrap().id,
            row.endpoint.unwrap()
        );
        assert_eq!(cluster.state.user_of_line(line).unwrap().id, row.user);
    }
}

#[test]
fn one_wrong_row_leaves_nothing_and_every_wrong_row_is_named() {
    let mut cluster = Cluster::new();
    let digest_before = |cluster: &Cluster| cluster.state.users().digest();
    let before = digest_before(&cluster);
    let rows = vec![
        row(1, "alice", "101"),
        row(2, "bob", "999"),
        row(3, "carol", "103"),
        row(4, "alice", "104"),
        ImportRow {
            user: User {
                firstname: String::new(),
                ..row(5, "x", "105").user
            },
            ..row(5, "x", "105")
        },
    ];
    let Outcome::ImportRejected(errors) = import(&mut cluster, ImportMode::Create, rows) else {
        panic!("must be refused")
    };
    let named: Vec<_> = errors
        .iter()
        .map(|error| (error.row_number, error.rejection.field.as_str()))
        .collect();
    assert_eq!(named, [(2, "exten"), (4, "username"), (5, "firstname")]);
    assert_eq!(digest_before(&cluster), before);
    assert!(cluster.state.lines().is_empty() && cluster.state.endpoints().is_empty());
}

#[test]
fn an_update_changes_what_is_there() {
    let mut cluster = Cluster::new();
    let made = imported(import(
        &mut cluster,
        ImportMode::Create,
        vec![row(1, "alice", "101")],
    ));
    let user = (**cluster.state.users().get(&made[0].user).unwrap()).clone();
    let change = ImportRow {
        row_number: 1,
        user: User {
            lastname: Some("Martin".to_owned()),
            ..user.clone()
        },
        exten: Some("110".to_owned()),
        endpoint: Some(SipEndpoint {
            username: "alice".to_owned(),
            secret: "new".into(),
            ..Default::default()
        }),
        ..ImportRow::default()
    };
    let changed = imported(import(
        &mut cluster,
        ImportMode::Update,
        vec![change.clone()],
    ));
    assert_eq!(
        (changed[0].line, changed[0].extension),
        (made[0].line, made[0].extension)
    );
    assert!(cluster.state.extension("default", "101").is_none());
    assert!(cluster.state.extension("default", "110").is_some());
    assert_eq!(
        cluster
            .state
            .endpoint_by_username("alice")
            .unwrap()
            .secret
            .expose(),
        "new"
    );
    assert_eq!(
        cluster
            .state
            .users()
            .get(&user.id)
            .unwrap()
            .lastname
            .as_deref(),
        Some("Martin")
    );
    let Outcome::ImportRejected(errors) = import(&mut cluster, ImportMode::Update, vec![change])
    else {
        panic!("the row was read before the first update")
    };
    assert_eq!(errors[0].rejection.field, "revision");
}
