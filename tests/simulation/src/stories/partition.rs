use crate::network::Host;
use crate::world::{NODES, Verdict, World};

/// Now one node is cut off, now another, one way or both; phones register and an administrator writes all the while.
pub(super) async fn play(world: &mut World) -> Verdict {
    if world.dice.chance(500) {
        world.rough_weather();
    }
    world.everybody_registers().await?;
    world.connect(1, 2).await?;
    world.everybody_keeps_registering(400);
    let cuts = world.dice.within(1..4);
    for cut in 0..cuts {
        world.fall_apart();
        for node in 1..=NODES {
            let number = 200 + 10 * u32::try_from(cut).unwrap_or(0) + u32::from(node);
            world.employ(node, number);
            world.read(1 + node % NODES);
            let time_ms = world.dice.within(0..900);
            world.run(time_ms).await;
        }
        let time_ms = world.dice.within(0..3_000);
        world.run(time_ms).await;
        world.commons.lock().network.heal();
    }
    world.nobody_registers_any_more();
    world.heard_each_other(1, 2)?;
    world.part(1, 2).await?;
    Ok(())
}

impl World {
    /// Cuts a node off from one or both of the others, one way or both, and perhaps from a media server.
    pub(super) fn fall_apart(&mut self) {
        let all: Vec<u8> = (1..=NODES).collect();
        let lonely = self.dice.pick(&all);
        for other in all.into_iter().filter(|node| *node != lonely) {
            match self.dice.within(0..5) {
                0 => {}
                1 => self.cut_one_way(Host::Node(lonely), Host::Node(other)),
                2 => self.cut_one_way(Host::Node(other), Host::Node(lonely)),
                _ => self.cut(Host::Node(lonely), Host::Node(other)),
            }
        }
        if self.dice.chance(300) {
            self.cut(Host::Node(lonely), Host::Media(1));
        }
    }
}
