use super::steps::PATIENCE_MS;
use crate::world::{NODES, PHONES, Verdict, World};

/// All nodes lose power while phones register, an administrator writes and people talk. Everything that was acknowledged
/// is there afterwards, and a phone that does not register again can be called.
pub(super) async fn play(world: &mut World) -> Verdict {
    world.everybody_registers().await?;
    world.connect(1, 2).await?;
    let goes_on = world.dice.chance(500);
    if !goes_on {
        world.part(1, 2).await?;
    }
    world.everybody_keeps_registering(150);
    let time_ms = world.dice.within(300..1_500);
    for number in 0..5 {
        let node = 1 + (number % u32::from(NODES)) as u8;
        world.employ(node, 100 + number);
        world.run(time_ms / 5).await;
    }
    world.cut_power();
    world.nobody_registers_any_more();
    let dark_ms = world.dice.within(100..2_000);
    world.run(dark_ms).await;
    world.restore_power().await?;
    world
        .until("all nodes serve again", PATIENCE_MS, World::is_up)
        .await?;
    if goes_on {
        world.part(1, 2).await?;
    }
    world.connect(3, PHONES).await?;
    world.part(3, PHONES).await
}
