use crate::world::{NODES, Verdict, World, failure};

/// A follower crashes mid-call: the talk goes on, BYE works, and there is one record.
pub(super) async fn play(world: &mut World) -> Verdict {
    if world.dice.chance(500) {
        world.rough_weather();
    }
    world.everybody_registers().await?;
    let (caller, callee) = world.two_phones();
    world.connect(caller, callee).await?;
    let before_ms = world.dice.within(100..1_000);
    world.run(before_ms).await;
    let leader = world.leader();
    let leader = leader.ok_or_else(|| failure(format_args!("nobody leads")))?;
    let followers: Vec<u8> = (1..=NODES).filter(|node| *node != leader).collect();
    let victim = world.dice.pick(&followers);
    let death = world.some_death();
    world.die(victim, death);
    let after_ms = world.dice.within(500..2_500);
    world.run(after_ms).await;
    world.heard_each_other(caller, callee)?;
    let back_first = world.dice.chance(500);
    if back_first {
        world.start(victim).await?;
        world.part(caller, callee).await
    } else {
        let who = world.dice.pick(&[caller, callee]);
        world.hang_up(who);
        let late_ms = world.dice.within(0..6_000);
        world.run(late_ms).await;
        world.start(victim).await?;
        world.both_have_parted(caller, callee).await
    }
}
