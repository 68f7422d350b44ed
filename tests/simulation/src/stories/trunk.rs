use super::owner::Loss;
use super::steps::PATIENCE_MS;
use crate::carrier::Registered;
use crate::world::{Verdict, World, ensure, failure};
use crate::{clock, company};

/// From the loss of an owner that says nothing more to the carrier's 200, in fair weather.
const TAKEOVER_MS: u64 = 3_000;
/// The same where the owner says that it lives and hears nobody, or messages are lost.
const LONG_TAKEOVER_MS: u64 = 20_000;
/// Longer than the carrier keeps a contact: whoever believes that it is the owner asks again within this time.
const REFRESHED_MS: u64 = 12_000;

/// The node that registers a trunk is lost. Another one registers it, and never do two: neither while the former owner is
/// cut off, nor when it comes back.
pub(super) async fn play(world: &mut World) -> Verdict {
    for command in company::carrier_commands() {
        let write = world.write(1, command);
        world
            .until("the carrier is configured", PATIENCE_MS, |world| {
                world.outcome(write).is_some()
            })
            .await?;
    }
    world
        .until("the trunk is registered", PATIENCE_MS, |world| {
            world.carrier.last().is_some()
        })
        .await?;
    let rough = world.dice.chance(300);
    if rough {
        world.rough_weather();
    }
    let before_ms = world.dice.within(0..15_000);
    world.run(before_ms).await;
    let losses = world.dice.within(1..4);
    for _ in 0..losses {
        lose_owner(world, rough).await?;
    }
    Ok(())
}

async fn lose_owner(world: &mut World, rough: bool) -> Verdict {
    let former = registered(world)?;
    let loss = world.lose(former.node);
    let quiet = matches!(loss, Loss::Dies(_) | Loss::Stops);
    let limit_ms = match quiet && !rough {
        true => TAKEOVER_MS,
        false => LONG_TAKEOVER_MS,
    };
    let lost_us = clock::now_us();
    world
        .until("another node registers the trunk", limit_ms, |world| {
            world.carrier.last().is_some_and(|last| {
                last.epoch > former.epoch && last.at_us >= lost_us && last.node != former.node
            })
        })
        .await?;
    world.one_trunk_owner()?;
    world.run(REFRESHED_MS).await;
    world.one_trunk_owner()?;
    world.find_again(former.node, loss).await?;
    world.run(REFRESHED_MS).await;
    world.one_trunk_owner()
}

fn registered(world: &World) -> Result<Registered, crate::world::Failure> {
    let last = world.carrier.last();
    last.ok_or_else(|| failure(format_args!("nobody registers the trunk")))
}

impl World {
    /// The carrier never had two owners.
    pub(super) fn one_trunk_owner(&self) -> Verdict {
        let second = self.carrier.second_owner();
        ensure!(
            second.is_none(),
            "two trunk owners at the carrier: {second:?}"
        );
        Ok(())
    }
}
