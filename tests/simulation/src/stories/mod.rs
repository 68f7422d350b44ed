//! The stories: what people do while things break.

mod address;
mod chaos;
mod follower;
mod gap;
mod healing;
mod leader;
mod loss;
mod media;
mod owner;
mod partition;
mod power;
mod ringing;
mod steps;
mod trunk;

use std::fmt;

use crate::world::{Verdict, World};

/// A story. Each is played in a world of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Story {
    /// Phones that are registered on different nodes call each other over a bad network, and hear each other.
    TalkUnderLoss,
    /// A follower dies in the middle of a call: the talk goes on, and hanging up works.
    FollowerDies,
    /// All control nodes lose power: everything that was acknowledged is there afterwards.
    PowerCut,
    /// Leaders die while phones register: every binding that was acknowledged is there.
    LeaderDies,
    /// The cluster falls apart and heals while phones register and an administrator writes.
    Partition,
    /// The node that owns a call is lost while both talk: they talk on, hold, resume and hang up with its heir.
    OwnerDies,
    /// The node that owns a call is lost, and a phone hangs up before anybody has noticed: its BYE is answered.
    HangsUpInTheGap,
    /// The node that owns a call is lost while a phone rings: it is answered, or both phones stop.
    RingingOwnerDies,
    /// The node that registers a trunk is lost: another one registers it, and never do two.
    TrunkOwnerDies,
    /// The media server of a call is lost, drained or cut off, alone or with the call's owner: they hear each other again.
    MediaMoves,
    /// Nodes are lost: another takes the floating address, never two have it, and the node gets it back.
    AddressMoves,
    /// Anything may happen at any time, to calls in any stage.
    Chaos,
}

impl Story {
    /// Those that every seed has to pass.
    pub const ALL: [Self; 12] = [
        Self::TalkUnderLoss,
        Self::FollowerDies,
        Self::PowerCut,
        Self::LeaderDies,
        Self::Partition,
        Self::OwnerDies,
        Self::HangsUpInTheGap,
        Self::RingingOwnerDies,
        Self::TrunkOwnerDies,
        Self::MediaMoves,
        Self::AddressMoves,
        Self::Chaos,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::TalkUnderLoss => "talk-under-loss",
            Self::FollowerDies => "follower-dies",
            Self::PowerCut => "power-cut",
            Self::LeaderDies => "leader-dies",
            Self::Partition => "partition",
            Self::OwnerDies => "owner-dies",
            Self::HangsUpInTheGap => "hangs-up-in-the-gap",
            Self::RingingOwnerDies => "ringing-owner-dies",
            Self::TrunkOwnerDies => "trunk-owner-dies",
            Self::MediaMoves => "media-moves",
            Self::AddressMoves => "address-moves",
            Self::Chaos => "chaos",
        }
    }

    /// Plays it: things break, then everything heals and must serve, then all promises are looked at.
    pub(crate) async fn play(self, world: &mut World) -> Verdict {
        if self == Self::AddressMoves {
            world.float();
        }
        world.light().await?;
        match self {
            Self::TalkUnderLoss => loss::play(world).await?,
            Self::FollowerDies => follower::play(world).await?,
            Self::PowerCut => power::play(world).await?,
            Self::LeaderDies => leader::play(world).await?,
            Self::Partition => partition::play(world).await?,
            Self::OwnerDies => owner::play(world).await?,
            Self::HangsUpInTheGap => gap::play(world).await?,
            Self::RingingOwnerDies => ringing::play(world).await?,
            Self::TrunkOwnerDies => trunk::play(world).await?,
            Self::MediaMoves => media::play(world).await?,
            Self::AddressMoves => address::play(world).await?,
            Self::Chaos => chaos::play(world).await?,
        }
        world.heal().await?;
        world.one_trunk_owner()?;
        world.oracle.one_holder()?;
        world.judge()
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
