//! One story of one seed, and many of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use openraft::AsyncRuntime;
use openraft_rt_sim::SimRuntime;

use crate::world::{Failure, Options, Verdict, World};
use crate::{Story, clock};

/// What became of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// Whether everything went as promised.
    pub verdict: Verdict,
    /// Equal for equal histories.
    pub hash: u64,
    /// How much happened.
    pub events: u64,
    /// Virtual time that went by.
    pub time_us: u64,
    /// Promises that were looked at in the end.
    pub promises: usize,
}

/// Plays one story of one seed. The same seed plays the same story.
pub fn play(story: Story, seed: u64, options: Options) -> Played {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut runtime = SimRuntime::with_seed(seed);
        runtime.block_on(in_its_world(story, seed, options))
    }));
    played.unwrap_or_else(|panic| Played {
        verdict: Err(Failure {
            what: format!("a panic: {}", message(&*panic)),
            at_us: 0,
        }),
        hash: 0,
        events: 0,
        time_us: 0,
        promises: 0,
    })
}

async fn in_its_world(story: Story, seed: u64, options: Options) -> Played {
    let mut world = World::new(seed, options);
    let verdict = story.play(&mut world).await;
    let (hash, events) = world.history();
    let promises = world.oracle.promises();
    world.dismantle();
    Played {
        verdict,
        hash,
        events,
        time_us: clock::now_us(),
        promises,
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// The first story of the first seed that fails.
#[derive(Clone, Debug)]
pub struct Found {
    pub story: Story,
    pub seed: u64,
    pub failure: Failure,
}

/// Plays stories of seeds until one fails; `each` hears of every one that was played.
pub fn search(
    seeds: impl Iterator<Item = u64>,
    stories: &[Story],
    options: Options,
    mut each: impl FnMut(Story, u64, &Played),
) -> Option<Found> {
    for seed in seeds {
        for story in stories.iter().copied() {
            let played = play(story, seed, options);
            each(story, seed, &played);
            if let Err(failure) = played.verdict {
                return Some(Found {
                    story,
                    seed,
                    failure,
                });
            }
        }
    }
    None
}
