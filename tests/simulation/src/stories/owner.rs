use crate::clock;
use crate::network::Host;
use crate::node::Death;
use crate::phone::Stage;
use crate::world::{MEDIA_SERVERS, NODES, PHONES, Verdict, World, ensure, failure};

/// By then an heir has called both phones: in fair weather, and when its messages are lost and sent again.
const TAKEOVER_MS: u64 = 1_000;
const ROUGH_TAKEOVER_MS: u64 = 5_000;
/// No packet of voice is lost for the loss of a control node.
pub(super) const FAIR_GAP_US: u64 = 60_000;

/// How a node is lost to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Dies(Death),
    Stops,
    /// The others do not hear it.
    IsNotHeard,
    /// It does not hear the others.
    IsDeaf,
    /// Neither, but phones and media servers reach it.
    IsAlone,
    /// Nobody reaches it.
    IsIsolated,
}

/// The owner of a call is lost while the phones talk. The talk goes on; whatever the phones ask for afterwards is granted
/// by the heir; the former owner may come back at any time and disturbs nothing. There is one record.
pub(super) async fn play(world: &mut World) -> Verdict {
    let rough = world.dice.chance(300);
    if rough {
        world.rough_weather();
    }
    world.oracle.nothing_fails();
    world.everybody_registers().await?;
    let (caller, callee) = world.two_phones();
    world.connect(caller, callee).await?;
    let before_ms = world.dice.within(0..1_500);
    world.run(before_ms).await;
    let owner = world.owner_of(caller);
    let owner = owner.ok_or_else(|| failure(format_args!("nobody owns the call")))?;
    world.listen_anew(caller, callee);
    let loss = world.lose(owner);
    let takeover_ms = if rough {
        ROUGH_TAKEOVER_MS
    } else {
        TAKEOVER_MS
    };
    world.run(takeover_ms).await;
    let since_us = clock::now_us();
    world.talk_on(caller, callee, rough)?;
    let changes = world.dice.chance(500);
    if changes {
        let who = world.dice.pick(&[caller, callee]);
        world.holds_and_resumes(who, since_us).await?;
        world.listen_anew(caller, callee);
        world.run(500).await;
    }
    let returns_first = world.dice.chance(500);
    if returns_first {
        world.find_again(owner, loss).await?;
        let time_ms = world.dice.within(0..4_000);
        world.run(time_ms).await;
        world.talk_on(caller, callee, rough)?;
    }
    world.run(300).await;
    let parted = world.part(caller, callee).await;
    world.oracle.granted_since(since_us)?;
    parted
}

impl World {
    /// The node that owns the call of a phone, as the cluster has it.
    pub(super) fn owner_of(&self, caller: u8) -> Option<u8> {
        let number = crate::phone::extension(caller);
        let states = (1..=NODES).filter_map(|node| self.state(node));
        let newest = states.max_by_key(|state| state.applied())?;
        let call = newest
            .calls()
            .values()
            .find(|call| call.summary.caller.number == number)?;
        u8::try_from(call.owner.0).ok()
    }

    /// A node is lost, in one way or another.
    pub(super) fn lose(&mut self, node: u8) -> Loss {
        let loss = self.dice.pick(&[
            Loss::Dies(Death::Power),
            Loss::Dies(Death::Kill),
            Loss::Stops,
            Loss::IsNotHeard,
            Loss::IsDeaf,
            Loss::IsAlone,
            Loss::IsIsolated,
        ]);
        {
            let mut common = self.commons.lock();
            common.show(format_args!("node{node} is lost: {loss:?}"));
        }
        let host = Host::Node(node);
        let others = (1..=NODES).filter(|other| *other != node).map(Host::Node);
        match loss {
            Loss::Dies(death) => self.die(node, death),
            Loss::Stops => self.stop(node),
            Loss::IsNotHeard => others.for_each(|other| self.cut_one_way(host, other)),
            Loss::IsDeaf => others.for_each(|other| self.cut_one_way(other, host)),
            Loss::IsAlone => others.for_each(|other| self.cut(host, other)),
            Loss::IsIsolated => {
                let media = (1..=MEDIA_SERVERS).map(Host::Media);
                let phones = (1..=PHONES).map(Host::Phone);
                for other in others.chain(media).chain(phones) {
                    self.cut(host, other);
                }
            }
        }
        loss
    }

    /// It is there again.
    pub(super) async fn find_again(&mut self, node: u8, loss: Loss) -> Verdict {
        match loss {
            Loss::Dies(_) => return self.start(node).await,
            Loss::Stops => self.resume(node),
            Loss::IsNotHeard | Loss::IsDeaf | Loss::IsAlone | Loss::IsIsolated => {
                self.commons.lock().network.heal();
            }
        }
        Ok(())
    }

    /// They talk, and nothing was lost of what they said.
    pub(super) fn talk_on(&mut self, one: u8, other: u8, rough: bool) -> Verdict {
        for phone in [one, other] {
            let stage = self.phone(phone).stage();
            ensure!(
                stage == Some(Stage::Talking),
                "phone{phone} talks no more: {stage:?}"
            );
        }
        self.heard_each_other(one, other)?;
        if rough {
            return Ok(());
        }
        for phone in [one, other] {
            let talk = self.phone(phone).conversation.as_ref();
            let gap_us = talk.map_or(0, |talk| talk.hearing.longest_gap_us(clock::now_us()));
            ensure!(
                gap_us <= FAIR_GAP_US,
                "phone{phone} heard nothing for {gap_us} us"
            );
        }
        Ok(())
    }
}
