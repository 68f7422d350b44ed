//! Disks: what was written is safe when a flush says so, and not before.

use carillon_cluster::MemoryStore;

use crate::{Dice, Planted, clock};

/// Flushes that take long, of a thousand, and how long at most.
const STALLS: u64 = 10;
const LONGEST_STALL_US: u64 = 80_000;

/// An empty disk.
pub(crate) fn empty(planted: Option<Planted>) -> MemoryStore {
    match planted {
        Some(Planted::AcknowledgeBeforeFlush) => MemoryStore::lying(),
        Some(Planted::ForgetVotes) => MemoryStore::forgetful(),
        Some(
            Planted::AcknowledgeBeforeCommit
            | Planted::ReuseId
            | Planted::DenyUnknownCalls
            | Planted::RestartNumbers
            | Planted::IgnoreEpochs
            | Planted::TwoTrunkOwners,
        )
        | None => MemoryStore::flushed_on_demand(),
    }
}

/// One flusher with group commit, as the product has it.
pub(crate) async fn flush(store: MemoryStore, mut dice: Dice) {
    loop {
        store.unflushed().await;
        let stall_us = match dice.chance(STALLS) {
            true => dice.within(0..LONGEST_STALL_US),
            false => 0,
        };
        clock::pass_us(stall_us + dice.within(100..4_000)).await;
        store.flush();
    }
}
