use carillon_model::{Command, MediaCommand, MediaServerId, MediaState};

use super::owner::FAIR_GAP_US;
use super::steps::PATIENCE_MS;
use crate::clock;
use crate::network::Host;
use crate::node::Death;
use crate::phone::Stage;
use crate::world::{MEDIA_SERVERS, NODES, PHONES, Verdict, World, ensure, failure};

/// By then both phones speak to another media server: in fair weather, when an heir has to be found first, and when
/// messages are lost or a phone asks for patience.
const MOVED_MS: u64 = 600;
const INHERITED_MS: u64 = 2_500;
const ROUGH_MS: u64 = 8_000;

/// How a media server is lost to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Dies,
    /// It is there again at once, and knows nothing.
    StartsAgain,
    DiesWithOwner,
    /// Control nodes do not reach it, phones do.
    IsCutOff,
    /// One control node does not reach it: the call's owner.
    IsCutOffFromOwner,
    IsIsolated,
    /// An administrator wants it empty.
    IsDrained,
}

impl Loss {
    const ALL: [Self; 7] = [
        Self::Dies,
        Self::StartsAgain,
        Self::DiesWithOwner,
        Self::IsCutOff,
        Self::IsCutOffFromOwner,
        Self::IsIsolated,
        Self::IsDrained,
    ];

    /// The server goes on with what it has until the phones have left it.
    fn is_gentle(self) -> bool {
        match self {
            Self::IsCutOff | Self::IsCutOffFromOwner | Self::IsDrained => true,
            Self::Dies | Self::StartsAgain | Self::DiesWithOwner | Self::IsIsolated => false,
        }
    }
}

/// The media server of a call is lost. Both phones hear each other again, whether they talked, rang or held at that
/// moment; nothing of what it had is left on it when it comes back.
pub(super) async fn play(world: &mut World) -> Verdict {
    let rough = world.dice.chance(300);
    if rough {
        world.rough_weather();
    }
    world.oracle.nothing_fails();
    world.everybody_registers().await?;
    let (caller, callee) = world.two_phones();
    let rings = world.dice.chance(250);
    if rings {
        world.phone(callee).answers_after_ms = Some(1_200);
        world.begin(caller, callee);
        world
            .until("it rings", PATIENCE_MS, |world| {
                world.phone(callee).stage() == Some(Stage::Ringing)
            })
            .await?;
    } else {
        world.connect(caller, callee).await?;
    }
    let before_ms = world.dice.within(0..800);
    world.run(before_ms).await;
    let since_us = clock::now_us();
    let (owner, server) = world.owner_and_server(caller)?;
    let loss = world.lose_server(owner, server);
    let holds = !rings && loss != Loss::DiesWithOwner && world.dice.chance(300);
    if rings {
        world.talk_to_each_other(caller, callee).await?;
    } else if holds {
        let who = world.dice.pick(&[caller, callee]);
        world.holds_and_resumes(who, since_us).await?;
    } else {
        world.listen_anew(caller, callee);
    }
    let moved_ms = match loss {
        _ if rough => ROUGH_MS,
        Loss::DiesWithOwner => INHERITED_MS,
        _ => MOVED_MS,
    };
    world.run(moved_ms).await;
    if loss.is_gentle() && !(rough || rings || holds) {
        world.missed_nothing(caller, callee)?;
    }
    world.listen_anew(caller, callee);
    world.run(500).await;
    world.talk_on(caller, callee, rough)?;
    let returns_first = world.dice.chance(500);
    if returns_first {
        world.find_server_again(owner, server, loss).await?;
        let time_ms = world.dice.within(0..4_000);
        world.run(time_ms).await;
        world.talk_on(caller, callee, rough)?;
    }
    let parted = world.part(caller, callee).await;
    world.oracle.granted_since(since_us)?;
    parted
}

impl World {
    /// Who owns the call of a phone, and which media server carries it.
    fn owner_and_server(&mut self, caller: u8) -> Result<(u8, u8), crate::world::Failure> {
        let number = crate::phone::extension(caller);
        let states = (1..=NODES).filter_map(|node| self.state(node));
        let newest = states.max_by_key(|state| state.applied());
        let found = newest.as_ref().and_then(|state| {
            let mut calls = state.calls().values();
            let call = calls.find(|call| call.summary.caller.number == number)?;
            let server = state.media_servers().get(&call.summary.media_server?)?;
            let Some(Host::Media(server)) = Host::of(server.control) else {
                return None;
            };
            Some((u8::try_from(call.owner.0).ok()?, server))
        });
        found.ok_or_else(|| failure(format_args!("nobody carries the call of phone{caller}")))
    }

    fn lose_server(&mut self, owner: u8, server: u8) -> Loss {
        let loss = self.dice.pick(&Loss::ALL);
        {
            let mut common = self.commons.lock();
            common.show(format_args!(
                "media{server} is lost to node{owner}: {loss:?}"
            ));
        }
        let host = Host::Media(server);
        let nodes = (1..=NODES).map(Host::Node);
        match loss {
            Loss::Dies => self.kill_media(server),
            Loss::StartsAgain => {
                self.kill_media(server);
                self.start_media(server);
            }
            Loss::DiesWithOwner => {
                self.kill_media(server);
                self.die(owner, Death::Kill);
            }
            Loss::IsCutOff => nodes.for_each(|node| self.cut(host, node)),
            Loss::IsCutOffFromOwner => self.cut(host, Host::Node(owner)),
            Loss::IsIsolated => {
                let phones = (1..=PHONES).map(Host::Phone);
                nodes.chain(phones).for_each(|other| self.cut(host, other));
            }
            Loss::IsDrained => self.set_server(owner, server, MediaState::Draining),
        }
        loss
    }

    async fn find_server_again(&mut self, owner: u8, server: u8, loss: Loss) -> Verdict {
        match loss {
            Loss::Dies | Loss::StartsAgain => self.start_media(server),
            Loss::DiesWithOwner => {
                self.start_media(server);
                return self.start(owner).await;
            }
            Loss::IsCutOff | Loss::IsCutOffFromOwner | Loss::IsIsolated => {
                self.commons.lock().network.heal();
            }
            Loss::IsDrained => self.set_server(owner, server, MediaState::Active),
        }
        Ok(())
    }

    /// An administrator says it at a node.
    fn set_server(&mut self, node: u8, server: u8, state: MediaState) {
        debug_assert!(server <= MEDIA_SERVERS);
        let id = MediaServerId(server.into());
        self.write(node, Command::Media(MediaCommand::SetState { id, state }));
    }

    /// Nobody has missed anything while the call moved.
    fn missed_nothing(&mut self, one: u8, other: u8) -> Verdict {
        for phone in [one, other] {
            let talk = self.phone(phone).conversation.as_ref();
            let gap_us = talk.map_or(0, |talk| talk.hearing.longest_gap_us(clock::now_us()));
            ensure!(
                gap_us <= FAIR_GAP_US,
                "phone{phone} heard nothing for {gap_us} us while the call moved"
            );
        }
        Ok(())
    }
}
