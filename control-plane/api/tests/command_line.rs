//! `carillon ctl` and the interface understand each other.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use clap::Parser;
use common::World;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    command: carillon_ctl::Command,
}

const COMPANY: &str = "\
contexts:
  - name: default
    label: Company
    type: internal
    user_ranges: [{start: '1000', end: '1999'}]
users:
  - {firstname: Alice, lastname: Martin, exten: '1001', sip: {username: alice, secret: secret-of-alice}}
  - {firstname: Bob, exten: '1002', ring_seconds: 20}
";

struct Shell {
    world: World,
    folder: tempfile::TempDir,
}

impl Shell {
    fn new() -> Self {
        let world = World::new();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &world.certificate_pem).unwrap();
        Self { world, folder }
    }

    fn run(&self, words: &[&str]) -> anyhow::Result<()> {
        let url = self.world.url("");
        let ca = self.folder.path().join("ca.pem");
        let access = [
            "ctl",
            "--url",
            &url,
            "--ca",
            ca.to_str().unwrap(),
            "--token",
            &self.world.token,
        ];
        let line = Line::try_parse_from(access.iter().chain(words)).unwrap();
        carillon_ctl::run(&line.command)
    }

    fn apply(&self, company: &str) -> anyhow::Result<()> {
        let file = self.folder.path().join("company.yaml");
        std::fs::write(&file, company).unwrap();
        self.run(&["apply", "--file", file.to_str().unwrap()])
    }

    fn applied(&self) -> u64 {
        carillon_api::Plane::state(&*self.world.plane).applied()
    }
}

#[test]
fn a_company_is_made_once_and_changed_where_it_differs() {
    let shell = Shell::new();
    shell.apply(COMPANY).unwrap();
    let state = carillon_api::Plane::state(&*shell.world.plane);
    let line = state.extension("default", "1001").unwrap().line.unwrap();
    let endpoint = state.lines().get(&line).unwrap().endpoint_sip.unwrap();
    assert_eq!(state.endpoints().get(&endpoint).unwrap().username, "alice");
    let bob = state.extension("default", "1002").unwrap().line.unwrap();
    assert_eq!(state.user_of_line(bob).unwrap().ring_seconds, 20);

    let before = shell.applied();
    shell.apply(COMPANY).unwrap();
    assert_eq!(shell.applied(), before, "what is so already is left alone");

    shell
        .apply(
            &COMPANY
                .replace("Martin", "Durand")
                .replace("secret-of-alice", "another-secret"),
        )
        .unwrap();
    let state = carillon_api::Plane::state(&*shell.world.plane);
    assert_eq!(
        state.user_of_line(line).unwrap().lastname.as_deref(),
        Some("Durand")
    );
    assert_eq!(
        state.endpoint_by_username("alice").unwrap().secret.expose(),
        "another-secret"
    );
}

#[test]
fn a_company_that_cannot_be_says_which_field_and_row() {
    let shell = Shell::new();
    let error = shell.apply(&COMPANY.replace("1002", "2002")).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("row 2") && text.contains("'exten'"), "{text}");
}

#[test]
fn every_verb_has_its_answer() {
    let shell = Shell::new();
    shell.apply(COMPANY).unwrap();
    for words in [
        vec!["status"],
        vec!["export"],
        vec!["users", "list"],
        vec!["lines", "list", "--output", "json"],
        vec!["registrations", "list"],
        vec!["calls", "list"],
        vec!["nodes", "list"],
        vec!["token", "media"],
    ] {
        shell
            .run(&words)
            .unwrap_or_else(|error| panic!("{words:?}: {error:#}"));
    }
    let error = shell
        .run(&["calls", "hangup", "aaaaaaaaaaaaaaaaaaaaaaaaaa"])
        .unwrap_err();
    assert!(format!("{error:#}").contains("was not found"), "{error:#}");
}
