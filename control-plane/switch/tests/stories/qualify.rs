use carillon_switch::Notice;
use expect_test::expect;

use super::office::Office;

#[test]
fn contacts_are_asked_by_the_node_that_holds_them() {
    let mut office = Office::with(2, |config| config.qualify_interval_ms = Some(60_000));
    office.place("alice", 1);
    office.phone("alice").expires = "3600".to_owned();
    office.register("alice");
    office.ladder();
    office.run(60_000);
    expect![[r#"
        n1 -> alice: OPTIONS alice
        alice -> n1: 200 OPTIONS
    "#]]
    .assert_eq(&office.ladder());
    office.phone("alice").alive = false;
    office.run(120_000);
    let seen: Vec<bool> = office
        .notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::Reachable { reachable, .. } => Some(*reachable),
            _ => None,
        })
        .collect();
    assert_eq!(seen, [true, false]);
    let endpoint = office.state.endpoint_by_username("alice").unwrap().id;
    let contact = office.state.bindings(endpoint)[0].contact.clone();
    assert_eq!(office.node(1).is_reachable(endpoint, &contact), Some(false));
    assert_eq!(office.node(2).is_reachable(endpoint, &contact), None);
}

#[test]
fn a_contact_that_is_gone_is_not_asked() {
    let mut office = Office::with(1, |config| config.qualify_interval_ms = Some(60_000));
    office.place("alice", 1);
    office.register("alice");
    office.run(121_000);
    office.ladder();
    office.run(300_000);
    assert_eq!(office.ladder(), "");
}
