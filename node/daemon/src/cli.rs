//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{config, exit, node};

#[derive(Parser)]
#[command(
    name = "carillon",
    version,
    about = "A PBX of several machines, played as one"
)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a node: without a file, a whole PBX on this machine
    Node(Node),
    /// Start a whole cluster on this machine, and hurt it
    Lab {
        #[command(subcommand)]
        verb: carillon_lab::Command,
    },
    /// Administer a cluster over its REST interface
    Ctl(carillon_ctl::Command),
    /// Print the OpenAPI document of the REST interface
    Openapi,
}

/// `carillon node`.
#[derive(Args)]
pub(crate) struct Node {
    /// What the node is told (TOML); every field can be set as CARILLON_SECTION__FIELD too
    #[arg(long, env = "CARILLON_CONFIG")]
    config: Option<PathBuf>,
    /// Become a member of the cluster that gave this token
    #[arg(long, value_name = "TOKEN")]
    join: Option<String>,
    /// Print the addresses of all open ports as one line of JSON when the node is up
    #[arg(long)]
    print_ports: bool,
}

pub(crate) fn run() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { 0 });
        }
    };
    match line.verb {
        Verb::Node(options) => run_node(options),
        Verb::Lab { verb } => {
            carillon_lab::run(&verb).unwrap_or_else(|error| exit::failure(&error))
        }
        Verb::Ctl(command) => match carillon_ctl::run(&command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => exit::failure(&error),
        },
        Verb::Openapi => match carillon_ctl::print_line(carillon_api::openapi_json()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => exit::failure(&error.into()),
        },
    }
}

fn run_node(options: Node) -> ExitCode {
    let join = options
        .join
        .map(|token| ("CARILLON_CLUSTER__JOIN".to_owned(), token));
    // What is said on the command line goes over the environment.
    let environment =
        std::env::vars().filter(|(name, _)| join.as_ref().is_none_or(|(join, _)| join != name));
    let environment: Vec<_> = environment.chain(join.clone()).collect();
    let config = match config::load(options.config.as_deref(), environment.into_iter()) {
        Ok(config) => config,
        Err(problems) => return exit::usage(&problems),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return exit::failure(&error.into()),
    };
    let outcome = runtime.block_on(node::run(config, options.print_ports));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome.unwrap_or_else(|error| exit::failure(&error))
}
