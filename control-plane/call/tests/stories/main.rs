//! Calls as stories: who says what to whom, as text ladders. `UPDATE_EXPECT=1` rewrites them.
//!
//! Every story is played twice: once as it is, and once with the call encoded and decoded after every step, which is
//! what an heir does. Both must say the same.

#![allow(clippy::unwrap_used, reason = "a story that cannot be told has failed")]

mod ladder;
mod moved;
mod phone;
mod stage;

mod cancel;
mod carrier;
mod change;
mod connect;
mod early;
mod end;
mod fork;
mod heir;
mod inside;
mod lost;
mod properties;
mod refuse;
mod rules;
mod timer;
mod unacked;

use carillon_call::Policy;
use expect_test::Expect;
use stage::Stage;

/// Plays a story and compares its ladder.
fn check(story: impl Fn(&mut Stage), expected: &Expect) {
    check_with(&Policy::default(), story, expected);
}

fn check_with(policy: &Policy, story: impl Fn(&mut Stage), expected: &Expect) {
    let play = |copies| {
        let mut stage = Stage::new(policy.clone(), copies);
        story(&mut stage);
        stage.ladder
    };
    let ladder = play(false);
    assert_eq!(
        ladder,
        play(true),
        "a decoded copy goes on like the call itself"
    );
    expected.assert_eq(&ladder);
}
