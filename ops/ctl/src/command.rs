//! What one may say after `carillon ctl`.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

use crate::client::Client;
use crate::print::print_line;
use crate::show::{self, Listing};
use crate::{apply, export, media};

const EXAMPLES: &str = "\
Examples:
  carillon ctl status
  carillon ctl apply -f company.yaml --dry-run
  carillon ctl users list --output json
  carillon ctl media drain media1
  carillon ctl calls hangup 01JD4Z…
  carillon ctl --url https://192.0.2.11:8443 --ca ca.pem registrations list

Any control node answers. The password is taken from CARILLON_PASSWORD, never from the command line.";

/// Administer a cluster over its REST interface.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Command {
    #[command(flatten)]
    access: Access,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Table, global = true)]
    output: Output,
    #[command(subcommand)]
    verb: Verb,
}

/// Which cluster, and who asks.
#[derive(Args, Debug)]
pub(crate) struct Access {
    /// A control node's HTTPS address
    #[arg(
        long,
        env = "CARILLON_URL",
        default_value = "https://127.0.0.1:8443",
        global = true
    )]
    pub(crate) url: String,
    /// The cluster's authority, a PEM file; a node leaves it as ca.pem in its data folder
    #[arg(
        long,
        env = "CARILLON_CA",
        default_value = "carillon-data/ca.pem",
        global = true
    )]
    pub(crate) ca: PathBuf,
    /// The administrator's account
    #[arg(long, env = "CARILLON_USER", default_value = "admin", global = true)]
    pub(crate) user: String,
    /// A token instead of account and password
    #[arg(long, env = "CARILLON_TOKEN", hide_env_values = true, global = true)]
    pub(crate) token: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// How the cluster is: nodes, leader, calls, registrations
    Status,
    /// Make users, lines, contexts and trunks as a YAML file says; what is so already is left alone
    Apply {
        /// The file; `-` reads standard input
        #[arg(short, long)]
        file: PathBuf,
        /// Print what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Print users, lines, contexts and trunks as `apply` reads them (with the phones' passwords)
    Export,
    /// Users
    #[command(subcommand)]
    Users(List),
    /// Lines
    #[command(subcommand)]
    Lines(List),
    /// The phones that can be reached now
    #[command(subcommand)]
    Registrations(List),
    /// Calls that are up now
    #[command(subcommand)]
    Calls(Calls),
    /// Connections to carriers: whether they are registered, by which node, with how many calls
    #[command(subcommand)]
    Trunks(List),
    /// Control nodes and media servers
    #[command(subcommand)]
    Nodes(List),
    /// Media servers
    #[command(subcommand)]
    Media(Media),
    /// A fresh token that lets one more machine into the cluster
    Token {
        /// What the machine will be
        #[arg(value_enum)]
        role: Role,
    },
}

#[derive(Subcommand, Debug)]
enum List {
    /// All of them, a line each
    List,
}

#[derive(Subcommand, Debug)]
enum Calls {
    /// All of them, a line each
    List,
    /// End a call
    Hangup {
        /// The call's id, as `calls list` prints it
        id: String,
    },
}

#[derive(Subcommand, Debug)]
enum Media {
    /// All of them, a line each
    List,
    /// Move all its calls to others, without a break; returns when it carries none
    Drain {
        /// Its name, as `media list` prints it
        name: String,
        /// Seconds until a call that cannot be moved counts as a failure
        #[arg(long, default_value_t = 60)]
        timeout: u64,
    },
    /// Let it carry calls again
    Resume {
        /// Its name
        name: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    Control,
    Media,
}

/// Does what was asked and prints it.
pub fn run(command: &Command) -> Result<()> {
    let client = Client::connect(&command.access)?;
    let list = |listing: &Listing| show::list(&client, listing, command.output);
    match &command.verb {
        Verb::Status => show::status(&client, command.output),
        Verb::Apply { file, dry_run } => apply::run(&client, file, *dry_run),
        Verb::Export => export::run(&client),
        Verb::Users(List::List) => list(&show::USERS),
        Verb::Lines(List::List) => list(&show::LINES),
        Verb::Registrations(List::List) => list(&show::REGISTRATIONS),
        Verb::Trunks(List::List) => list(&show::TRUNKS),
        Verb::Nodes(List::List) => list(&show::NODES),
        Verb::Media(Media::List) => list(&show::MEDIA),
        Verb::Media(Media::Drain { name, timeout }) => {
            media::drain(&client, name, Duration::from_secs(*timeout))
        }
        Verb::Media(Media::Resume { name }) => media::resume(&client, name),
        Verb::Calls(Calls::List) => list(&show::CALLS),
        Verb::Calls(Calls::Hangup { id }) => {
            client.post(&format!("/api/v1/calls/{id}/hangup"), &json!({}))?;
            Ok(print_line(format_args!("call {id} is being hung up"))?)
        }
        Verb::Token { role } => {
            let role = match role {
                Role::Control => "control",
                Role::Media => "media",
            };
            let answer = client.post("/api/v1/join-tokens", &json!({ "role": role }))?;
            Ok(print_line(answer["token"].as_str().unwrap_or_default())?)
        }
    }
}
