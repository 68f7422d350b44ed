//! What must be as before, whatever was done to a cluster.

use anyhow::{Result, ensure};
use carillon_sip::Method;
use carillon_testkit::{TestLab, eventually};
use std::time::Duration;

use crate::Two;

/// Allocators keep some of what was freed; this much may stay.
pub const KEPT_BY_ALLOCATOR: u64 = 48 << 20;
const SOON: Duration = Duration::from_secs(30);

impl Two {
    /// A call goes through, whatever else goes on.
    pub fn a_call_works(&mut self) -> Result<()> {
        let mut talk = self.talk()?;
        talk.both_hear(0x11, 0x22)?;
        let bye = self.alice.request_in(&mut talk.alice, Method::Bye, None)?;
        self.alice.send(&bye)?;
        self.bob.hears_hang_up()?;
        self.alice
            .response_to(&bye, Duration::from_secs(10), |code| code == 200)?;
        Ok(())
    }
}

/// A process uses no more memory than before, but for what may stay.
pub fn memory_returns(lab: &TestLab, node: &str, before: u64, may_stay: u64) -> Result<()> {
    eventually("memory returns to where it was", SOON, || {
        let now = lab.memory(node)?;
        ensure!(
            now <= before + may_stay,
            "{} MiB, {} MiB before",
            now >> 20,
            before >> 20
        );
        println!("{node} uses {} MiB, {} MiB before", now >> 20, before >> 20);
        Ok(Some(()))
    })
}
