//! Plays the stories of many seeds, or replays one with a trace.

use std::process::ExitCode;
use std::time::Instant;

use carillon_simulation::{Options, Planted, Played, Story, play, search};
use clap::{Parser, ValueEnum};

/// Play the stories of a simulated cluster over many seeds; exit code 1 at the first that fails
#[derive(Parser)]
struct Arguments {
    /// How many seeds to play
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Replay this one seed instead, and tell what happens
    #[arg(long)]
    seed: Option<u64>,
    /// This story only
    #[arg(long)]
    story: Option<Story>,
    /// Turn a bug on that must be found
    #[arg(long)]
    planted: Option<Planted>,
}

/// Between two lines of progress.
const SEEDS_A_LINE: u64 = 10;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let stories = arguments
        .story
        .map_or(Story::ALL.to_vec(), |story| vec![story]);
    match arguments.seed {
        Some(seed) => replay(seed, &stories, arguments.planted),
        None => explore(&arguments, &stories),
    }
}

fn replay(seed: u64, stories: &[Story], planted: Option<Planted>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for story in stories {
        println!("== {story}, seed {seed}");
        let options = Options {
            shown: true,
            planted,
        };
        let played = play(*story, seed, options);
        let Played { hash, events, .. } = played;
        match played.verdict {
            Ok(()) => println!("== good: {events} events, trace {hash:016x}"),
            Err(failure) => {
                println!("== FAILED {failure}: {events} events, trace {hash:016x}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn explore(arguments: &Arguments, stories: &[Story]) -> ExitCode {
    let options = Options {
        shown: false,
        planted: arguments.planted,
    };
    let (first, count) = (arguments.from, arguments.seeds);
    let began = Instant::now();
    let mut virtual_us = 0;
    let mut promises = 0;
    let found = search(
        first..first + count,
        stories,
        options,
        |story, seed, played| {
            virtual_us += played.time_us;
            promises += played.promises;
            let done = seed + 1 - first;
            let last_story = stories.last() == Some(&story);
            if last_story && (done.is_multiple_of(SEEDS_A_LINE) || done == count) {
                println!(
                    "{done} of {count} seeds, {} simulated, {promises} promises kept, {:.1} s",
                    minutes(virtual_us),
                    began.elapsed().as_secs_f64()
                );
            }
        },
    );
    let Some(found) = found else {
        return ExitCode::SUCCESS;
    };
    let (seed, story) = (found.seed, found.story);
    println!("FAILED seed {seed}, story {story}: {}", found.failure);
    let planted = arguments.planted.and_then(|planted| {
        let value = planted.to_possible_value()?;
        Some(format!(" --planted {}", value.get_name()))
    });
    println!(
        "replay with: cargo xtask simulate --seed {seed} --story {story}{}",
        planted.unwrap_or_default()
    );
    ExitCode::FAILURE
}

fn minutes(us: u64) -> String {
    format!("{} min", us / 60_000_000)
}
