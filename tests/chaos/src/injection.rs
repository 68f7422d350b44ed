//! What breaks, and how it is mended.

use anyhow::{Context, Result};
use carillon_testkit::wait::talk_for;
use std::time::{Duration, Instant};

use crate::kind::Kind;
use crate::stage::Stage;

/// A fault that lasts.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: Instant,
    /// The control nodes that serve nobody, or only a minority.
    pub(crate) victims: Vec<usize>,
    remedies: Vec<Remedy>,
}

#[derive(Debug)]
enum Remedy {
    Start(Vec<String>),
    Continue(String),
    Heal,
    /// There is room on the disk again, and the node that had none starts.
    MakeRoom(String),
}

/// Breaks something. `draw` gives a number below its argument.
pub(crate) fn inject(
    kind: Kind,
    stage: &mut Stage,
    mut draw: impl FnMut(usize) -> usize,
) -> Result<Fault> {
    let victim = victim(kind, stage, &mut draw)?;
    let name = stage.name(victim);
    let server = stage.lab.lab.media[draw(stage.lab.lab.media.len())]
        .name
        .clone();
    let began = Instant::now();
    let (victims, remedies) = match kind {
        Kind::FollowerKilled | Kind::LeaderKilled | Kind::OwnerKilled | Kind::TrunkOwnerKilled => {
            stage.lab.kill(&name)?;
            (vec![victim], vec![Remedy::Start(vec![name])])
        }
        Kind::SiteLost => {
            stage.lab.kill(&name)?;
            stage.lab.kill(&server)?;
            (vec![victim], vec![Remedy::Start(vec![name, server])])
        }
        Kind::NodeStopped => {
            stage.lab.run(["kill", &name, "--signal", "STOP"])?;
            (vec![victim], vec![Remedy::Continue(name)])
        }
        Kind::Partition | Kind::OneWay | Kind::Bridge => {
            cut(kind, stage, victim)?;
            (vec![victim], vec![Remedy::Heal])
        }
        Kind::DiskFull => {
            stage.fill_disk()?;
            (vec![victim], vec![Remedy::MakeRoom(name)])
        }
        Kind::PowerCut => {
            let names: Vec<String> = stage.names();
            for name in &names {
                stage.lab.kill(name)?;
            }
            let all = (1..=stage.nodes()).collect();
            (all, vec![Remedy::Start(names)])
        }
        Kind::RollingRestart => {
            for name in stage.names() {
                restart(stage, &name)?;
            }
            (Vec::new(), Vec::new())
        }
        Kind::MediaServerKilled => {
            stage.lab.kill(&server)?;
            (Vec::new(), vec![Remedy::Start(vec![server])])
        }
        Kind::MediaServerDrained => {
            restart(stage, &server)?;
            (Vec::new(), Vec::new())
        }
    };
    // What takes several steps has happened after the last of them.
    let at = match kind {
        Kind::Partition | Kind::OneWay | Kind::Bridge | Kind::PowerCut => Instant::now(),
        _ => began,
    };
    Ok(Fault {
        at,
        victims,
        remedies,
    })
}

/// The control node that it happens to, counted from 1.
fn victim(kind: Kind, stage: &Stage, draw: &mut impl FnMut(usize) -> usize) -> Result<usize> {
    let count = stage.nodes();
    match kind {
        Kind::FollowerKilled | Kind::Bridge => {
            let leader = stage.leader()?;
            let others: Vec<usize> = (1..=count).filter(|node| *node != leader).collect();
            Ok(others[draw(others.len())])
        }
        Kind::LeaderKilled => stage.leader(),
        Kind::OwnerKilled | Kind::SiteLost => stage.owner(),
        Kind::TrunkOwnerKilled => stage.trunk_owner(),
        Kind::DiskFull => stage.node_with_small_disk().context("a small disk"),
        Kind::NodeStopped
        | Kind::Partition
        | Kind::OneWay
        | Kind::PowerCut
        | Kind::RollingRestart
        | Kind::MediaServerKilled
        | Kind::MediaServerDrained => Ok(1 + draw(count)),
    }
}

/// Cuts a node off from the others, or from the leader alone.
fn cut(kind: Kind, stage: &Stage, victim: usize) -> Result<()> {
    let name = stage.name(victim);
    let leader = stage.leader()?;
    let others = (1..=stage.nodes()).filter(|other| *other != victim);
    for other in others.filter(|other| kind != Kind::Bridge || *other == leader) {
        let other = stage.name(other);
        let mut command = vec!["cut", name.as_str(), other.as_str()];
        if kind == Kind::OneWay {
            command.push("--one-way");
        }
        stage.lab.run(command)?;
    }
    Ok(())
}

/// A process ends as an operator would end it, and is back before the next one goes.
fn restart(stage: &mut Stage, name: &str) -> Result<()> {
    stage
        .lab
        .run(["kill", name, "--signal", "TERM"])
        .with_context(|| format!("{name} does not end when it is asked to"))?;
    stage.lab.start(name)?;
    stage.until_healed()
}

impl Fault {
    /// Waits until its time is over, counted from its beginning.
    pub(crate) fn last_until(&self, after: Duration) {
        talk_for(after.saturating_sub(self.at.elapsed()));
    }

    /// All is as before.
    pub(crate) fn lift(self, stage: &mut Stage) -> Result<()> {
        for remedy in self.remedies {
            match remedy {
                Remedy::Start(names) => stage.lab.start_together(&names)?,
                Remedy::Continue(name) => stage.lab.run(["kill", &name, "--signal", "CONT"])?,
                Remedy::Heal => stage.lab.run(["heal"])?,
                Remedy::MakeRoom(name) => {
                    stage.empty_disk()?;
                    if !stage.lab.is_running(&name)? {
                        stage.lab.start(&name)?;
                    }
                }
            }
        }
        Ok(())
    }
}
