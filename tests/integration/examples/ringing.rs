//! `cargo run --release -p carillon-integration --example ringing -- [KILLS] [SEED]`: which part of the calls that ring at
//! the kill of their node is answered and talks. Twenty calls a kill.

use anyhow::{Context, Result};
use carillon_integration::{Dice, Share, assert_share, kill_while_ringing};
use carillon_testkit::TestLab;
use std::time::Duration;

const PAIRS: u32 = 20;
const FIRST_CALLER: u32 = 2_001;
const FIRST_CALLEE: u32 = 2_101;
const KILLS: u64 = 10;
const PART: f64 = 0.99;
const ENDED_WITHIN: Duration = Duration::from_secs(2);

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| {
        text.parse::<u64>()
            .with_context(|| format!("{text} is no number"))
    });
    let kills = numbers.next().transpose()?.unwrap_or(KILLS);
    let seed = numbers.next().transpose()?.unwrap_or(1);
    let callers = FIRST_CALLER..FIRST_CALLER + PAIRS;
    let callees = FIRST_CALLEE..FIRST_CALLEE + PAIRS;
    let mut lab = TestLab::with_company(callers.clone().chain(callees.clone()))?;
    let pairs: Vec<_> = callers.zip(callees).collect();
    let (mut dice, mut share) = (Dice::new(seed), Share::default());
    for kill in 1..=kills {
        kill_while_ringing(&mut lab, &pairs, &mut dice, &mut share)?;
        println!(
            "kill {kill}: {} of {} talked so far, {} ended, {} lost",
            share.talked,
            share.calls,
            share.ended_after.len(),
            share.lost.len()
        );
    }
    assert_share(&share, PART, ENDED_WITHIN)
}
