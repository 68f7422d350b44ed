use crate::phone::Stage;
use crate::world::{Verdict, World, ensure, failure};

/// By then a node that can be asked has answered: when an heir had to be found first, when that was hard to see, and when
/// messages are lost besides.
const ANSWERED_MS: u64 = 8_000;
const ROUGH_MS: u64 = 31_000;

/// The owner of a call is lost, and a phone hangs up before anybody has noticed, by a node that lives. It is told that it
/// has, however the call came to its end meanwhile; the other phone hears of it, and there is one record.
pub(super) async fn play(world: &mut World) -> Verdict {
    let rough = world.dice.chance(300);
    if rough {
        world.rough_weather();
    }
    world.oracle.nothing_fails();
    world.everybody_registers().await?;
    let (caller, callee) = world.two_phones_at_different_nodes();
    world.connect(caller, callee).await?;
    let before_ms = world.dice.within(0..1_500);
    world.run(before_ms).await;
    let owner = world.owner_of(caller);
    let owner = owner.ok_or_else(|| failure(format_args!("nobody owns the call")))?;
    let loss = world.lose(owner);
    let gap_ms = world.dice.within(0..1_500);
    world.run(gap_ms).await;
    world.hang_up(callee);
    let answered_ms = if rough { ROUGH_MS } else { ANSWERED_MS };
    let told = format!("the BYE of phone{callee} is answered");
    world
        .until(&told, answered_ms, |world| {
            world.phone(callee).stage() == Some(Stage::Over)
        })
        .await?;
    let code = world
        .phone(callee)
        .conversation
        .as_ref()
        .and_then(|talk| talk.goodbye);
    ensure!(
        code == Some(200),
        "the BYE of phone{callee} is answered {code:?}"
    );
    let returns = world.dice.chance(500);
    if returns {
        world.find_again(owner, loss).await?;
    }
    world.both_have_parted(caller, callee).await
}

impl World {
    /// Two phones that are registered with different nodes.
    fn two_phones_at_different_nodes(&mut self) -> (u8, u8) {
        loop {
            let (one, other) = self.two_phones();
            let homes = [one, other].map(|phone| self.phone(phone).home);
            if homes[0] != homes[1] {
                return (one, other);
            }
        }
    }
}
