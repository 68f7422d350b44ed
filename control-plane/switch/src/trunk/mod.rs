//! Trunks: which node registers them at their carriers, and how.

mod client;
mod duty;
mod inward;
mod names;
mod outward;
mod qualify;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use carillon_model::{Epoch, TrunkId};
use carillon_sip::transaction::ClientKey;

pub use self::names::{Server, ServerWay};

use self::client::Client;
use self::names::Names;
use self::qualify::Reach;

/// What this node has to do with trunks.
#[derive(Default)]
pub(crate) struct Trunks {
    /// Those that this node registers.
    held: BTreeMap<TrunkId, Held>,
    /// REGISTERs that are out.
    asked: BTreeMap<ClientKey, TrunkId>,
    /// Trunks that nobody registers, and since when.
    vacant: BTreeMap<TrunkId, u64>,
    /// Trunks whose lease this node has asked for.
    claimed: BTreeMap<TrunkId, u64>,
    names: Names,
    reach: Reach,
    next_ms: Option<u64>,
}

/// A trunk that this node registers.
struct Held {
    epoch: Epoch,
    client: Client,
    /// The contact that the cluster knows of, so that an heir can take it away.
    announced: Announced,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Announced {
    No,
    /// Under way to the quorum.
    Asked(String),
    Yes(String),
}

impl Trunks {
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.next_ms
    }
}
