//! `cargo xtask chaos`: a cluster of real processes under load, in which one thing after another breaks. After each fault all
//! is mended, and the cluster must heal and serve; what must hold all the time is judged, a file each in `invariants`.
//!
//! It looks at Carillon from outside, as its phones and its administrator do, and knows nothing of its inside.

mod disk;
mod evidence;
mod injection;
mod invariants;
mod kind;
mod load;
mod record;
mod run;
mod stage;
mod standstill;
mod table;
mod trunk;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

use kind::Kind;

#[derive(Parser)]
#[command(
    name = "cargo xtask chaos",
    about = "Break a cluster under load, one thing after another, and see that it keeps its promises"
)]
struct Options {
    /// How long faults are injected
    #[arg(long, default_value_t = 3)]
    minutes: u64,
    /// What the order of the faults is drawn from; the first of them come once each
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many faults at most
    #[arg(long)]
    faults: Option<usize>,
    /// These faults only
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Calls that stand, with voice in both directions
    #[arg(long, default_value_t = 4)]
    calls: u32,
    /// Couples that call each other again and again
    #[arg(long, default_value_t = 3)]
    visitors: u32,
    /// Milliseconds between two calls of such a couple
    #[arg(long, default_value_t = 2_000)]
    visit_every_ms: u64,
    /// Lines that are registered and do nothing
    #[arg(long, default_value_t = 12)]
    idle_lines: u32,
    /// Milliseconds between two writes at each node
    #[arg(long, default_value_t = 400)]
    write_every_ms: u64,
    /// A file that gets all that was seen of each injection, a line of JSON each
    #[arg(long)]
    record: Option<PathBuf>,
    /// Judge what must hold on any machine, and only print how long it took
    #[arg(long)]
    without_times: bool,
}

fn main() -> ExitCode {
    match play() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all promises were kept.
fn play() -> Result<bool> {
    let options = Options::parse();
    let (seen, broken) = run::run(&options)?;
    println!("\n{}", table::table(&seen));
    if broken.is_empty() {
        println!("all promises are kept, seed {}", options.seed);
        return Ok(true);
    }
    println!(
        "{} promises are broken, seed {}:",
        broken.len(),
        options.seed
    );
    for promise in &broken {
        println!("- {promise}");
    }
    Ok(false)
}
