use super::owner::Loss;
use super::steps::PATIENCE_MS;
use crate::clock;
use crate::machines::floating;
use crate::world::{NODES, Verdict, World};

/// From the loss of a node that says nothing more until another has its address, in fair weather.
const TAKEOVER_MS: u64 = 2_000;
/// The same where the node says that it lives and hears nobody, or messages are lost.
const LONG_TAKEOVER_MS: u64 = 20_000;

/// Nodes are lost, one after another. Each time another one takes the floating address, and the node has it again when it
/// is back; never do two that run hold one. Phones talk by these addresses.
pub(super) async fn play(world: &mut World) -> Verdict {
    everybody_is_at_home(world).await?;
    world.everybody_registers().await?;
    let (caller, callee) = world.two_phones();
    world.connect(caller, callee).await?;
    world.run(500).await;
    world.part(caller, callee).await?;
    let rough = world.dice.chance(300);
    if rough {
        world.rough_weather();
    }
    let losses = world.dice.within(1..4);
    for _ in 0..losses {
        lose_one(world, rough).await?;
        world.oracle.one_holder()?;
    }
    Ok(())
}

async fn lose_one(world: &mut World, rough: bool) -> Verdict {
    let before_ms = world.dice.within(0..3_000);
    world.run(before_ms).await;
    let number = world.dice.within(1..u64::from(NODES) + 1);
    let node = u8::try_from(number).expect("few nodes");
    let loss = world.lose(node);
    let quiet = matches!(loss, Loss::Dies(_) | Loss::Stops);
    let limit_ms = match quiet && !rough {
        true => TAKEOVER_MS,
        false => LONG_TAKEOVER_MS,
    };
    world
        .until("another node has the address", limit_ms, |world| {
            (1..=NODES).any(|other| other != node && world.has_address_of(other, node))
        })
        .await?;
    let away_ms = world.dice.within(0..5_000);
    world.run(away_ms).await;
    world.find_again(node, loss).await?;
    let returned_us = clock::now_us();
    everybody_is_at_home(world).await?;
    let took_ms = (clock::now_us() - returned_us) / 1_000;
    world
        .commons
        .lock()
        .show(format_args!("at home again after {took_ms} ms"));
    Ok(())
}

async fn everybody_is_at_home(world: &mut World) -> Verdict {
    world
        .until("every node has its own address", PATIENCE_MS, |world| {
            (1..=NODES).all(|node| {
                let holders = (1..=NODES).filter(|other| world.has_address_of(*other, node));
                holders.eq([node])
            })
        })
        .await
}

impl World {
    /// Whether a node that runs has the floating address of another, or its own.
    fn has_address_of(&mut self, node: u8, home: u8) -> bool {
        let address = floating(home).address;
        let runs = self.node(node).serves();
        runs && self
            .node(node)
            .switch()
            .is_some_and(|switch| switch.has_address(address))
    }

    /// All nodes have floating addresses.
    pub(super) fn float(&mut self) {
        for node in &mut self.nodes {
            node.float();
        }
    }
}
