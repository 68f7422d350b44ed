//! Several commands in one entry of the log.

use super::*;
use crate::{LeaseCommand, LeaseOutcome, NodeId};

fn lease(holder: u64) -> Command {
    Command::Lease(LeaseCommand::Claim {
        resource: format!("node/{holder}"),
        holder: NodeId(holder),
        ttl_ms: 900,
    })
}

#[test]
fn a_batch_does_what_its_commands_do_one_by_one() {
    let commands = vec![lease(1), Command::Sweep, lease(2), lease(1)];
    let mut together = Cluster::new();
    let mut one_by_one = Cluster::new();
    let applied = together.apply(Command::Batch(commands.clone()));
    let index = together.at.index;
    let mut events = Vec::new();
    let mut outcomes = Vec::new();
    for command in commands {
        one_by_one.at.index = index - 1;
        let applied = one_by_one.apply(command);
        events.extend(applied.events);
        outcomes.push(applied.outcome);
    }
    assert_eq!(applied.outcome, Outcome::Batch(outcomes));
    assert_eq!(applied.events, events);
    assert_eq!(together.state.digest(), one_by_one.state.digest());
}

#[test]
fn what_is_refused_in_a_batch_does_not_stop_the_rest() {
    let mut cluster = Cluster::new();
    let nested = Command::Batch(vec![lease(1)]);
    let applied = cluster.apply(Command::Batch(vec![nested, lease(2)]));
    let Outcome::Batch(outcomes) = applied.outcome else {
        panic!("{:?}", applied.outcome);
    };
    assert!(matches!(outcomes[0], Outcome::Rejected(_)));
    assert!(matches!(
        outcomes[1],
        Outcome::Lease(LeaseOutcome::Granted { .. })
    ));
    assert_eq!(
        cluster.state.leases().len(),
        1,
        "the nested one did nothing"
    );
}
