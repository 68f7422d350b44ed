use super::steps::PATIENCE_MS;
use crate::world::{Verdict, World};

/// Leaders die while phones register, and come back.
pub(super) async fn play(world: &mut World) -> Verdict {
    if world.dice.chance(500) {
        world.rough_weather();
    }
    world.everybody_keeps_registering(120);
    let deaths = world.dice.within(1..4);
    for _ in 0..deaths {
        let before_ms = world.dice.within(200..1_500);
        world.run(before_ms).await;
        world
            .until("somebody leads", PATIENCE_MS, |world| {
                world.leader().is_some()
            })
            .await?;
        let leader = world.leader().unwrap_or(1);
        let death = world.some_death();
        world.die(leader, death);
        let dead_ms = world.dice.within(50..3_000);
        world.run(dead_ms).await;
        world.start(leader).await?;
    }
    world.nobody_registers_any_more();
    Ok(())
}
