use crate::world::{Verdict, World};

/// Phones on different nodes call each other under loss and hear each other.
pub(super) async fn play(world: &mut World) -> Verdict {
    world.rough_weather();
    world.oracle.nothing_fails();
    world.everybody_registers().await?;
    let (caller, callee) = world.two_phones();
    let rest: Vec<u8> = (1..=crate::world::PHONES)
        .filter(|phone| *phone != caller && *phone != callee)
        .collect();
    world.begin(rest[0], rest[1]);
    world.connect(caller, callee).await?;
    let time_ms = world.dice.within(1_000..2_500);
    world.run(time_ms).await;
    world.heard_each_other(caller, callee)?;
    let who = world.dice.pick(&[caller, callee]);
    world.holds_and_resumes(who, 0).await?;
    world.listen_anew(caller, callee);
    world.run(300).await;
    world.heard_each_other(caller, callee)?;
    world.part(caller, callee).await?;
    world.talk_to_each_other(rest[0], rest[1]).await?;
    world.run(500).await;
    world.heard_each_other(rest[0], rest[1])?;
    world.part(rest[0], rest[1]).await?;
    world.oracle.granted_since(0)
}
