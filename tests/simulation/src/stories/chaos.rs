use crate::phone::Stage;
use crate::world::{MEDIA_SERVERS, NODES, PHONES, Verdict, World};

/// Phones call each other and hang up whenever they like, while nodes die, power fails and the network falls apart. What
/// becomes of a call in all this is nobody's promise: that it has one record, and leaves nothing behind, is.
pub(super) async fn play(world: &mut World) -> Verdict {
    world.everybody_registers().await?;
    let events = world.dice.within(10..30);
    for number in 0..events {
        if world.dice.chance(700) {
            world.somebody_does_something();
        } else {
            world.something_breaks().await?;
        }
        if world.dice.chance(200) {
            let number = 300 + u32::try_from(number).unwrap_or(0);
            let (writer, reader) = (world.some_node(), world.some_node());
            world.employ(writer, number);
            world.read(reader);
        }
        let time_ms = world.dice.within(0..700);
        world.run(time_ms).await;
    }
    Ok(())
}

impl World {
    fn somebody_does_something(&mut self) {
        let (one, other) = self.two_phones();
        let answers_after_ms = match self.dice.within(0..4) {
            0 => None,
            1 => Some(0),
            _ => Some(self.dice.within(50..1_500)),
        };
        self.phone(other).answers_after_ms = answers_after_ms;
        let holds = self.dice.chance(300);
        match self.phone(one).stage() {
            Some(Stage::Talking) if holds => {
                let held = self.phone(one).holds();
                self.phone(one).hold(!held);
                self.collect(one);
            }
            None | Some(Stage::Over) => self.begin(one, other),
            Some(Stage::Leaving) => self.hang_up(other),
            Some(Stage::Calling | Stage::Ringing | Stage::Talking) => self.hang_up(one),
        }
        if self.dice.chance(200) {
            let phone = 1 + u8::try_from(self.dice.within(0..PHONES.into())).unwrap_or(0);
            self.phone(phone).register(super::steps::LIFETIME_S);
            self.collect(phone);
        }
    }

    async fn something_breaks(&mut self) -> Verdict {
        let node = self.some_node();
        let death = self.some_death();
        match self.dice.within(0..15) {
            0 => self.rough_weather(),
            1 => self.calm(),
            2 => self.fall_apart(),
            3 | 4 => self.commons.lock().network.heal(),
            5 | 6 => self.die(node, death),
            7 => self.cut_power(),
            8 => self.stop(node),
            9 | 10 => self.resume(node),
            11 => self.kill_media(1 + node % MEDIA_SERVERS),
            12 => self.start_media(1 + node % MEDIA_SERVERS),
            _ => return self.restore_power().await,
        }
        Ok(())
    }

    fn some_node(&mut self) -> u8 {
        1 + u8::try_from(self.dice.within(0..NODES.into())).unwrap_or(0)
    }
}
