use super::steps::PATIENCE_MS;
use crate::phone::Stage;
use crate::world::{Verdict, World, ensure};

/// A phone that nobody calls any more stops ringing after this.
const GHOST_MS: u64 = 4_000;

/// The owner of a call is lost before anybody has answered. Once the call was committed it is answered all the same, and
/// they talk; before that the caller's phone gives up by itself, and nobody rings for it.
pub(super) async fn play(world: &mut World) -> Verdict {
    if world.dice.chance(300) {
        world.rough_weather();
    }
    world.everybody_registers().await?;
    let (caller, callee) = world.two_phones();
    let answers_after_ms = world.dice.within(200..4_000);
    world.phone(callee).answers_after_ms = Some(answers_after_ms);
    world.begin(caller, callee);
    let rings = world.dice.chance(700);
    if rings {
        world
            .until("it rings", PATIENCE_MS, |world| {
                world.phone(callee).stage() == Some(Stage::Ringing)
            })
            .await?;
    }
    let before_ms = world.dice.within(0..answers_after_ms.min(1_500));
    world.run(before_ms).await;
    let known = world.owner_of(caller);
    // Who has not committed anything is the node that was asked.
    let owner = known.unwrap_or(1 + caller % crate::world::NODES);
    let loss = world.lose(owner);
    world
        .until("they talk, or the caller gives up", PATIENCE_MS, |world| {
            let stage = |phone| world.phones[usize::from(phone) - 1].stage();
            let talking = [caller, callee].map(stage) == [Some(Stage::Talking); 2];
            talking || stage(caller) == Some(Stage::Over)
        })
        .await?;
    let gave_up = world.phone(caller).stage() == Some(Stage::Over);
    ensure!(
        !gave_up || known.is_none(),
        "phone{caller} is told {:?} although its call was known",
        world.phone(caller).code()
    );
    if gave_up {
        return world.nobody_rings(callee).await;
    }
    world.run(1_500).await;
    world.listen_anew(caller, callee);
    world.run(500).await;
    let returns_first = world.dice.chance(500);
    if returns_first {
        world.find_again(owner, loss).await?;
        world.run(1_000).await;
    }
    world.heard_each_other(caller, callee)?;
    world.part(caller, callee).await
}

impl World {
    /// No phone rings for somebody who has gone.
    async fn nobody_rings(&mut self, callee: u8) -> Verdict {
        let silent = format!("phone{callee} rings no more");
        self.until(&silent, GHOST_MS, |world| {
            let stage = world.phone(callee).stage();
            stage != Some(Stage::Ringing) && stage != Some(Stage::Talking)
        })
        .await
    }
}
