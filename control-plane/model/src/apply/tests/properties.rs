//! What holds for any history of commands.

use proptest::{collection::vec, prelude::*};

use crate::{Command, Destination, Epoch, NodeId, Stamp, State, TrunkId};

/// Few ids, so that commands meet.
use super::commands::{configure, history};

fn through_a_snapshot(state: &State) -> State {
    let image = rmp_serde::to_vec_named(state).unwrap();
    rmp_serde::from_slice(&image).unwrap()
}

/// Every link is known to both of its sides.
fn links_agree(state: &State) -> bool {
    let users = state.users().values().all(|user| {
        user.lines.iter().all(|line| {
            state
                .lines()
                .get(line)
                .is_some_and(|line| line.users.contains(&user.id))
        })
    });
    let lines = state.lines().values().all(|line| {
        let users = line.users.iter().all(|user| {
            state
                .users()
                .get(user)
                .is_some_and(|u| u.lines.contains(&line.id))
        });
        let numbers = line.extensions.iter().all(|id| {
            state
                .extensions()
                .get(id)
                .is_some_and(|extension| extension.line == Some(line.id))
        });
        let endpoint = line
            .endpoint_sip
            .is_none_or(|id| state.endpoints().contains(&id));
        users && numbers && endpoint && state.context_by_name(&line.context).is_some()
    });
    let extensions = state.extensions().values().all(|extension| {
        extension.line.is_none_or(|line| {
            state
                .lines()
                .get(&line)
                .is_some_and(|line| line.extensions.contains(&extension.id))
        })
    });
    users && lines && extensions && carrier_links_agree(state)
}

/// A number leads to one thing only, and whatever leads out or in knows its numbers; what they name is there.
fn carrier_links_agree(state: &State) -> bool {
    let numbers = state.extensions().values().all(|extension| {
        let out = extension.outcall.is_none_or(|id| {
            let outcall = state.outcalls().get(&id);
            outcall.is_some_and(|outcall| {
                outcall
                    .numbers
                    .iter()
                    .any(|number| number.extension == extension.id)
            })
        });
        let inwards = extension.incall.is_none_or(|id| {
            let incall = state.incalls().get(&id);
            incall.is_some_and(|incall| incall.extensions.contains(&extension.id))
        });
        let leads_to = usize::from(extension.line.is_some())
            + usize::from(extension.incall.is_some())
            + usize::from(extension.outcall.is_some());
        out && inwards && leads_to <= 1
    });
    let outcalls = state.outcalls().values().all(|outcall| {
        let marked = |number: &crate::OutcallNumber| {
            let extension = state.extensions().get(&number.extension);
            extension.is_some_and(|extension| extension.outcall == Some(outcall.id))
        };
        let mut trunks = outcall.trunks.iter();
        outcall.numbers.iter().all(marked) && trunks.all(|trunk| state.trunks().contains(trunk))
    });
    let incalls = state.incalls().values().all(|incall| {
        let marked = incall.extensions.iter().all(|id| {
            let extension = state.extensions().get(id);
            extension.is_some_and(|extension| extension.incall == Some(incall.id))
        });
        let destination = match incall.destination {
            Destination::User { user, .. } => state.users().contains(&user),
            Destination::None | Destination::Extension { .. } | Destination::Hangup { .. } => true,
        };
        marked && destination
    });
    let trunks = state.trunks().values().all(|trunk| {
        let endpoint = trunk.endpoint_sip.is_none_or(|id| {
            state.endpoints().contains(&id) && state.line_of_endpoint(id).is_none()
        });
        let register = trunk
            .register_sip
            .is_none_or(|id| state.registers().contains(&id));
        endpoint && register
    });
    numbers && outcalls && incalls && trunks
}

/// Who the cluster says may act for a trunk: nobody where its holder's node lease has lapsed.
fn owner(state: &State, trunk: u32) -> Option<(NodeId, Epoch)> {
    let lease = state.trunk_lease(TrunkId(trunk))?;
    let vacant = state.is_vacant(lease, state.now_ms());
    (!vacant).then_some((lease.holder, lease.epoch))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nodes_that_apply_the_same_commands_have_the_same_state(history in history(), cuts in vec(0..60usize, 0..4)) {
        let mut leader = State::default();
        let mut follower = State::default();
        for (index, (command, now_ms)) in history.iter().enumerate() {
            let at = Stamp { index: index as u64 + 1, now_ms: *now_ms };
            let on_leader = leader.apply(at, command);
            // The follower reads the command from the wire, and is restarted from a snapshot now and then.
            let wire = rmp_serde::to_vec_named(command).unwrap();
            let read: Command = rmp_serde::from_slice(&wire).unwrap();
            prop_assert_eq!(&read, command);
            if cuts.contains(&index) {
                follower = through_a_snapshot(&follower);
            }
            let on_follower = follower.apply(at, &read);
            prop_assert_eq!(on_leader, on_follower);
            prop_assert_eq!(leader.digest(), follower.digest(), "after {:?}", command);
        }
        prop_assert_eq!(&leader, &follower);
        prop_assert_eq!(through_a_snapshot(&leader).digest(), leader.digest());
    }

    #[test]
    fn indices_and_links_are_always_in_step(history in history()) {
        let mut state = State::default();
        for (index, (command, now_ms)) in history.iter().enumerate() {
            state.apply(Stamp { index: index as u64 + 1, now_ms: *now_ms }, command);
            prop_assert!(state.indices_are_in_step(), "after {:?}", command);
            prop_assert!(links_agree(&state), "after {:?}", command);
        }
    }

    #[test]
    fn a_trunk_changes_hands_with_a_higher_epoch_only(history in history()) {
        let mut state = State::default();
        let mut highest = [None; 5];
        for (index, (command, now_ms)) in history.iter().enumerate() {
            let before: Vec<_> = (0..5).map(|trunk| owner(&state, trunk)).collect();
            state.apply(Stamp { index: index as u64 + 1, now_ms: *now_ms }, command);
            for trunk in 0..5 {
                let after = owner(&state, trunk);
                if let (Some((holder, epoch)), true) = (after, after != before[trunk as usize]) {
                    let last: &mut Option<(NodeId, Epoch)> = &mut highest[trunk as usize];
                    let grown = last.is_none_or(|(was, old)| epoch > old || (was, old) == (holder, epoch));
                    prop_assert!(grown, "{:?} after {:?}", after, last);
                    *last = after;
                }
                if let Some(report) = state.trunk_report(TrunkId(trunk)) {
                    let lease = state.trunk_lease(TrunkId(trunk)).expect("reported by an owner");
                    prop_assert!(report.epoch <= lease.epoch);
                }
            }
        }
    }

    #[test]
    fn a_refused_command_changes_nothing_but_time(history in history(), last in configure()) {
        let mut state = State::default();
        for (index, (command, now_ms)) in history.iter().enumerate() {
            state.apply(Stamp { index: index as u64 + 1, now_ms: *now_ms }, command);
        }
        let at = Stamp { index: state.applied(), now_ms: state.now_ms() };
        let before = state.clone();
        let applied = state.apply(at, &Command::Configure(Box::new(last)));
        if let crate::Outcome::Rejected(rejection) = applied.outcome {
            prop_assert!(!rejection.field.is_empty() && !rejection.message.is_empty());
            prop_assert!(applied.events.is_empty() && applied.history.is_empty());
            prop_assert_eq!(&state, &before);
        }
    }
}
