//! The second half of every story: all faults end, and the cluster must serve.

use super::steps::PATIENCE_MS;
use crate::phone::Stage;
use crate::world::{Failure, NODES, PHONES, Verdict, World, ensure};
use carillon_model::Outcome;
use carillon_switch::Switch;

/// Longer than anything that was begun may take: a session timer, and a request over UDP after it.
const QUIET_MS: u64 = 240_000;
const EMPLOYEE: u32 = 900;

impl World {
    /// Ends all faults, lets everything come to its end, and sees that the cluster serves.
    pub(super) async fn heal(&mut self) -> Verdict {
        self.calm();
        self.nobody_registers_any_more();
        self.restore_power().await?;
        self.until("all nodes serve", PATIENCE_MS, |world| {
            world.is_up() && world.leader().is_some()
        })
        .await?;
        // Before anybody says anything again that was said before.
        self.everybody_follows().await?;
        self.judge_promises()?;
        for phone in 1..=PHONES {
            self.hang_up(phone);
        }
        self.until("all phones have hung up", PATIENCE_MS, |world| {
            let over = |stage: Option<Stage>| stage.is_none_or(|stage| stage == Stage::Over);
            world.phones.iter().all(|phone| over(phone.stage()))
        })
        .await?;
        self.serves_again().await?;
        let quiet = self.until("nothing is left to do", QUIET_MS, |world| {
            world.left_to_do().is_none()
        });
        let quiet = quiet.await;
        match (quiet, self.left_to_do()) {
            (Err(failure), Some(left)) => Err(Failure {
                what: format!("{}; {left}", failure.what),
                ..failure
            }),
            (quiet, _) => quiet,
        }
    }

    /// All nodes have what was committed.
    async fn everybody_follows(&mut self) -> Verdict {
        self.until("all nodes have the same state", PATIENCE_MS, |world| {
            let mut digests = (1..=NODES).map(|node| world.state(node).map(|state| state.digest()));
            let first = digests.next();
            digests.all(|digest| Some(digest) == first)
        })
        .await
    }

    /// Every node takes a write, and phones are connected.
    async fn serves_again(&mut self) -> Verdict {
        for node in 1..=NODES {
            let write = self.employ(node, EMPLOYEE + u32::from(node));
            self.until("a write is answered", PATIENCE_MS, |world| {
                world.outcome(write).is_some()
            })
            .await?;
            let outcome = self.outcome(write);
            let made = matches!(outcome, Some(Ok(Outcome::Created(_))));
            ensure!(
                made,
                "node{node} is healed and yet answers {outcome:?} to a write"
            );
        }
        for phone in &mut self.phones {
            phone.answers_after_ms = Some(300);
        }
        self.everybody_registers().await?;
        let (caller, callee) = self.two_phones();
        self.connect(caller, callee).await?;
        self.run(500).await;
        self.heard_each_other(caller, callee)?;
        self.part(caller, callee).await
    }

    /// What keeps the cluster from being at rest: calls, sessions, proposals, nodes that lag.
    fn left_to_do(&self) -> Option<String> {
        let mut places = Vec::new();
        for node in &self.nodes {
            let (number, life) = (node.number, node.life.as_ref()?);
            let (at, state) = life.replica.stamped_state();
            places.push(at.index);
            if let Some(call) = state.calls().values().next() {
                return Some(format!("node{number} has call {}", call.id));
            }
            let Some(load) = life.switch.as_ref().map(Switch::load) else {
                return Some(format!("node{number} does not serve"));
            };
            if load.calls + load.records + load.proposals > 0 {
                return Some(format!("the switch of node{number} has {load:?}"));
            }
        }
        let busy = self.media.iter().find(|server| !server.sessions.is_empty());
        if let Some(server) = busy {
            return Some(format!(
                "{} has {} sessions",
                server.host,
                server.sessions.len()
            ));
        }
        let lag = places.iter().any(|place| *place != places[0]);
        lag.then(|| format!("the nodes are at {places:?}"))
    }

    /// Both phones notice that their call is over.
    pub(super) async fn both_have_parted(&mut self, one: u8, other: u8) -> Verdict {
        let over = format!("phone{one} and phone{other} have hung up");
        self.until(&over, PATIENCE_MS, |world| {
            [one, other]
                .iter()
                .all(|phone| world.phone(*phone).stage() == Some(Stage::Over))
        })
        .await?;
        for phone in [one, other] {
            let well = self
                .phone(phone)
                .conversation
                .as_ref()
                .is_some_and(|talk| talk.ended_well);
            ensure!(well, "the call of phone{phone} did not end in good order");
        }
        Ok(())
    }
}
