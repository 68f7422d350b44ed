//! The project's tasks: `cargo xtask …` checks, tests, measures and shows Carillon.
//!
//! It installs what it needs from Debian, makes the RocksDB archive once a machine, and then calls cargo. It knows
//! nothing of telephony: whatever talks SIP lives in the test crates, which it only starts.

mod alerts;
mod cargo;
mod debian;
mod fix;
mod lock;
mod rocksdb;
mod run;
mod suite;
mod tidy;
mod verify;
mod workspace;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;

use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Check, test, measure and show Carillon")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show the whole product: a cluster, two phones, a call, a killed node
    Demo(Demo),
    /// Every test: unit, simulation, integration. Installs what is missing
    Test(suite::Options),
    /// Every check that judges the source: format, lints, documentation, licences, map. Writes nothing
    Verify(verify::Options),
    /// Write what verify would complain about, where a machine can
    Fix,
    /// The crate map and the house rules alone
    Tidy,
    /// Run the fuzz targets for a bounded time
    Fuzz(Fuzz),
    /// Run the simulated cluster over many seeds, or replay one
    Simulate(Rest),
    /// Break a cluster of real processes under load, one thing after another
    Chaos(Rest),
    /// Measure against Kamailio and rtpengine, side by side
    Bench(Rest),
    /// Print the environment that the other tasks give to cargo, for `eval "$(cargo xtask env)"`
    Env,
}

#[derive(Args)]
struct Demo {
    /// End by itself, with exit code 0 or 1
    #[arg(long)]
    once: bool,
}

#[derive(Args)]
struct Fuzz {
    /// Seconds for each target
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

#[derive(Args)]
struct Rest {
    /// Handed on as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(task: Task) -> Result<()> {
    let workspace = Workspace::load()?;
    match task {
        Task::Demo(options) => run::demo(&workspace, options.once),
        Task::Test(options) => suite::test(&workspace, &options),
        Task::Verify(options) => verify::verify(&workspace, &options),
        Task::Fix => fix::fix(&workspace),
        Task::Tidy => tidy::tidy(&workspace),
        Task::Fuzz(options) => run::fuzz(&workspace, options.seconds),
        Task::Simulate(options) => run::simulate(&workspace, &options.arguments),
        Task::Chaos(options) => run::chaos(&workspace, &options.arguments),
        Task::Bench(options) => run::bench(&workspace, &options.arguments),
        Task::Env => run::env(&workspace),
    }
}
