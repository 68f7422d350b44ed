//! What breaks, and how it is mended.

use anyhow::{Context, Result};
use carillon_testkit::wait::talk_for;
use clap::ValueEnum;
use std::time::{Duration, Instant};

use crate::stage::Stage;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    FollowerKilled,
    LeaderKilled,
    OwnerKilled,
    /// SIGSTOP, and SIGCONT later.
    NodeStopped,
    /// One control node on one side, the others on the other.
    Partition,
    /// What one control node sends to the others is lost.
    OneWay,
    /// All processes at once.
    PowerCut,
    /// Every control node ends in good order and starts again, one after the other.
    RollingRestart,
    MediaServerKilled,
}

/// A fault that lasts.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: Instant,
    /// The control nodes that serve nobody, or only a minority.
    pub(crate) victims: Vec<usize>,
    remedy: Remedy,
}

#[derive(Debug)]
enum Remedy {
    Start(Vec<String>),
    Continue(String),
    Heal,
    Nothing,
}

impl Kind {
    /// Those that a run draws from. A call does not outlast its media server yet: that one is played by name only.
    pub(crate) const DRAWN: [Self; 8] = [
        Self::FollowerKilled,
        Self::LeaderKilled,
        Self::OwnerKilled,
        Self::NodeStopped,
        Self::Partition,
        Self::OneWay,
        Self::PowerCut,
        Self::RollingRestart,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FollowerKilled => "follower killed",
            Self::LeaderKilled => "leader killed",
            Self::OwnerKilled => "owner killed",
            Self::NodeStopped => "node stopped",
            Self::Partition => "partition 1:2",
            Self::OneWay => "one way cut",
            Self::PowerCut => "power cut",
            Self::RollingRestart => "rolling restart",
            Self::MediaServerKilled => "media killed",
        }
    }

    /// How long it lasts.
    pub(crate) fn lasts(self) -> Duration {
        match self {
            Self::FollowerKilled | Self::LeaderKilled | Self::OwnerKilled => Duration::from_secs(5),
            Self::NodeStopped | Self::Partition | Self::OneWay => Duration::from_secs(8),
            Self::MediaServerKilled => Duration::from_secs(3),
            Self::PowerCut | Self::RollingRestart => Duration::ZERO,
        }
    }

    /// Whether no process is left that could answer anything.
    pub(crate) fn leaves_nobody(self) -> bool {
        self == Self::PowerCut
    }

    /// Whether established calls and their media outlast it. A power cut takes the phones' side of them too.
    pub(crate) fn spares_calls(self) -> bool {
        match self {
            Self::FollowerKilled
            | Self::LeaderKilled
            | Self::OwnerKilled
            | Self::NodeStopped
            | Self::Partition
            | Self::OneWay
            | Self::RollingRestart
            | Self::MediaServerKilled => true,
            Self::PowerCut => false,
        }
    }

    /// Whether the media path has nothing to do with it.
    pub(crate) fn spares_media(self) -> bool {
        self.spares_calls() && self != Self::MediaServerKilled
    }

    /// Whether the other control nodes are a majority that nothing ails.
    pub(crate) fn leaves_survivors(self) -> bool {
        match self {
            Self::FollowerKilled
            | Self::LeaderKilled
            | Self::OwnerKilled
            | Self::NodeStopped
            | Self::Partition
            | Self::OneWay => true,
            Self::PowerCut | Self::RollingRestart | Self::MediaServerKilled => false,
        }
    }

    /// Whether the victims are cut off from the quorum and still can be asked.
    pub(crate) fn leaves_a_minority(self) -> bool {
        self == Self::Partition
    }

    /// Breaks something. `draw` gives a number below its argument.
    pub(crate) fn inject(
        self,
        stage: &mut Stage,
        mut draw: impl FnMut(usize) -> usize,
    ) -> Result<Fault> {
        let count = stage.nodes();
        let any = 1 + draw(count);
        let victim = match self {
            Self::FollowerKilled => {
                let leader = stage.leader()?;
                let others: Vec<usize> = (1..=count).filter(|node| *node != leader).collect();
                others[draw(others.len())]
            }
            Self::LeaderKilled => stage.leader()?,
            Self::OwnerKilled => stage.owner()?,
            Self::NodeStopped
            | Self::Partition
            | Self::OneWay
            | Self::PowerCut
            | Self::RollingRestart
            | Self::MediaServerKilled => any,
        };
        let name = stage.name(victim);
        let at = Instant::now();
        let (victims, remedy) = match self {
            Self::FollowerKilled | Self::LeaderKilled | Self::OwnerKilled => {
                stage.lab.kill(&name)?;
                (vec![victim], Remedy::Start(vec![name]))
            }
            Self::NodeStopped => {
                stage.lab.run(["kill", &name, "--signal", "STOP"])?;
                (vec![victim], Remedy::Continue(name))
            }
            Self::Partition | Self::OneWay => {
                for other in (1..=count).filter(|other| *other != victim) {
                    let other = stage.name(other);
                    let mut command = vec!["cut", name.as_str(), other.as_str()];
                    if self == Self::OneWay {
                        command.push("--one-way");
                    }
                    stage.lab.run(command)?;
                }
                (vec![victim], Remedy::Heal)
            }
            Self::PowerCut => {
                let names: Vec<String> = stage
                    .lab
                    .lab
                    .processes()
                    .map(|(name, _)| name.to_owned())
                    .collect();
                for name in &names {
                    stage.lab.kill(name)?;
                }
                ((1..=count).collect(), Remedy::Start(names))
            }
            Self::RollingRestart => {
                roll(stage)?;
                (Vec::new(), Remedy::Nothing)
            }
            Self::MediaServerKilled => {
                let servers = &stage.lab.lab.media;
                let server = servers.get(draw(servers.len())).context("a media server")?;
                let name = server.name.clone();
                stage.lab.kill(&name)?;
                (Vec::new(), Remedy::Start(vec![name]))
            }
        };
        // What takes several steps has happened after the last of them.
        let at = match self {
            Self::Partition | Self::OneWay | Self::PowerCut => Instant::now(),
            Self::FollowerKilled
            | Self::LeaderKilled
            | Self::OwnerKilled
            | Self::NodeStopped
            | Self::RollingRestart
            | Self::MediaServerKilled => at,
        };
        Ok(Fault {
            at,
            victims,
            remedy,
        })
    }
}

/// Each node ends as an operator would end it, and is back before the next one goes.
fn roll(stage: &mut Stage) -> Result<()> {
    for node in 1..=stage.nodes() {
        let name = stage.name(node);
        if stage.lab.run(["kill", &name, "--signal", "TERM"]).is_err() {
            // Its calls last longer than its patience.
            stage.lab.kill(&name)?;
        }
        stage.lab.start(&name)?;
        stage.until_healed()?;
    }
    Ok(())
}

impl Fault {
    /// Waits until its time is over, counted from its beginning.
    pub(crate) fn last_until(&self, after: Duration) {
        talk_for(after.saturating_sub(self.at.elapsed()));
    }

    /// All is as before.
    pub(crate) fn lift(self, stage: &mut Stage) -> Result<()> {
        match self.remedy {
            Remedy::Start(names) => stage.lab.start_together(&names),
            Remedy::Continue(name) => stage.lab.run(["kill", &name, "--signal", "CONT"]),
            Remedy::Heal => stage.lab.run(["heal"]),
            Remedy::Nothing => Ok(()),
        }
    }
}
