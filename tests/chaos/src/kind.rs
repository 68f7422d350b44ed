//! Kinds of faults, and what each of them leaves.

use clap::ValueEnum;
use std::time::Duration;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    FollowerKilled,
    LeaderKilled,
    /// The node that owns the most calls.
    OwnerKilled,
    /// The node that is registered at the carrier.
    TrunkOwnerKilled,
    /// All machines of a site: the control node that owns the most calls, and a media server.
    SiteLost,
    /// SIGSTOP, and SIGCONT later.
    NodeStopped,
    /// One control node on one side, the others on the other.
    Partition,
    /// The leader and another node do not reach each other; the third reaches both.
    Bridge,
    /// What one control node sends to the others is lost.
    OneWay,
    /// Nothing more can be written where one control node has its data.
    DiskFull,
    /// All processes at once.
    PowerCut,
    /// Every process ends in good order and starts again, one after the other.
    RollingRestart,
    MediaServerKilled,
    /// A media server ends in good order.
    MediaServerDrained,
}

impl Kind {
    /// Those that a run draws from.
    pub(crate) const ALL: [Self; 14] = [
        Self::FollowerKilled,
        Self::LeaderKilled,
        Self::OwnerKilled,
        Self::TrunkOwnerKilled,
        Self::SiteLost,
        Self::NodeStopped,
        Self::Partition,
        Self::Bridge,
        Self::OneWay,
        Self::DiskFull,
        Self::PowerCut,
        Self::RollingRestart,
        Self::MediaServerKilled,
        Self::MediaServerDrained,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FollowerKilled => "follower killed",
            Self::LeaderKilled => "leader killed",
            Self::OwnerKilled => "owner killed",
            Self::TrunkOwnerKilled => "trunk owner killed",
            Self::SiteLost => "site lost",
            Self::NodeStopped => "node stopped 30 s",
            Self::Partition => "partition 1:2",
            Self::Bridge => "bridge",
            Self::OneWay => "one way cut",
            Self::DiskFull => "disk full",
            Self::PowerCut => "power cut",
            Self::RollingRestart => "rolling restart",
            Self::MediaServerKilled => "media killed",
            Self::MediaServerDrained => "media drained",
        }
    }

    /// How long it lasts.
    pub(crate) fn lasts(self) -> Duration {
        match self {
            Self::FollowerKilled
            | Self::LeaderKilled
            | Self::OwnerKilled
            | Self::TrunkOwnerKilled
            | Self::SiteLost => Duration::from_secs(5),
            Self::Partition | Self::Bridge | Self::OneWay => Duration::from_secs(8),
            Self::NodeStopped => Duration::from_secs(30),
            Self::DiskFull => Duration::from_secs(10),
            Self::MediaServerKilled => Duration::from_secs(3),
            Self::PowerCut | Self::RollingRestart | Self::MediaServerDrained => Duration::ZERO,
        }
    }

    /// Whether processes of control nodes end without a word.
    pub(crate) fn kills_a_node(self) -> bool {
        match self {
            Self::FollowerKilled
            | Self::LeaderKilled
            | Self::OwnerKilled
            | Self::TrunkOwnerKilled
            | Self::SiteLost => true,
            Self::NodeStopped
            | Self::Partition
            | Self::Bridge
            | Self::OneWay
            | Self::DiskFull
            | Self::PowerCut
            | Self::RollingRestart
            | Self::MediaServerKilled
            | Self::MediaServerDrained => false,
        }
    }

    /// Whether no process is left that could answer anything.
    pub(crate) fn leaves_nobody(self) -> bool {
        self == Self::PowerCut
    }

    /// Whether established calls outlast it. A power cut takes the phones' side of them too.
    pub(crate) fn spares_calls(self) -> bool {
        self != Self::PowerCut
    }

    /// Whether media servers end without a word.
    pub(crate) fn kills_media(self) -> bool {
        matches!(
            self,
            Self::MediaServerKilled | Self::SiteLost | Self::PowerCut
        )
    }

    /// Whether everything was announced, so that nobody need notice anything.
    pub(crate) fn is_planned(self) -> bool {
        matches!(self, Self::RollingRestart | Self::MediaServerDrained)
    }

    /// Whether the other control nodes are a majority that nothing ails.
    pub(crate) fn leaves_survivors(self) -> bool {
        match self {
            Self::FollowerKilled
            | Self::LeaderKilled
            | Self::OwnerKilled
            | Self::TrunkOwnerKilled
            | Self::SiteLost
            | Self::NodeStopped
            | Self::Partition
            | Self::Bridge
            | Self::OneWay
            | Self::DiskFull => true,
            Self::PowerCut
            | Self::RollingRestart
            | Self::MediaServerKilled
            | Self::MediaServerDrained => false,
        }
    }

    /// Whether the victims are cut off from the quorum and still can be asked.
    pub(crate) fn leaves_a_minority(self) -> bool {
        self == Self::Partition
    }
}
