use super::Changes;
use crate::{Event, Lease, LeaseCommand, LeaseOutcome, State, WHILE_NODE_LIVES, lease::MAX_LEASES};

impl State {
    pub(super) fn change_lease(
        &mut self,
        changes: &mut Changes,
        command: &LeaseCommand,
    ) -> LeaseOutcome {
        let now_ms = changes.at.now_ms;
        let (resource, holder) = match command {
            LeaseCommand::Claim {
                resource, holder, ..
            }
            | LeaseCommand::Renew {
                resource, holder, ..
            }
            | LeaseCommand::Release {
                resource, holder, ..
            } => (resource, *holder),
        };
        let stored = self.leases.get(resource).map(|lease| (**lease).clone());
        match command {
            LeaseCommand::Claim { ttl_ms, .. } => {
                if *ttl_ms == WHILE_NODE_LIVES
                    && let Err(outcome) = self.may_hold(holder, now_ms)
                {
                    return outcome;
                }
                let epoch = match &stored {
                    Some(lease) if lease.holder != holder && !self.is_vacant(lease, now_ms) => {
                        return LeaseOutcome::Held {
                            holder: lease.holder,
                            epoch: lease.epoch,
                        };
                    }
                    Some(lease) => lease.epoch.next(),
                    None if self.leases.len() >= MAX_LEASES => return LeaseOutcome::TooMany,
                    None => crate::Epoch(1),
                };
                let lease = Lease {
                    resource: resource.clone(),
                    holder,
                    epoch,
                    ttl_ms: *ttl_ms,
                    renewed_at_ms: now_ms,
                    heard: false,
                };
                self.write_lease(changes, lease);
                LeaseOutcome::Granted { epoch }
            }
            LeaseCommand::Renew { epoch, .. } => match stored {
                Some(lease)
                    if lease.holder == holder
                        && lease.epoch == *epoch
                        && !lease.has_lapsed(now_ms) =>
                {
                    // An event, although nothing has changed but the clock: who looks for nodes that hear nobody goes by it.
                    let lease = Lease {
                        renewed_at_ms: now_ms,
                        heard: true,
                        ..lease
                    };
                    self.write_lease(changes, lease);
                    LeaseOutcome::Granted { epoch: *epoch }
                }
                Some(_) | None => LeaseOutcome::Lost,
            },
            LeaseCommand::Release { epoch, .. } => match stored {
                Some(lease) if lease.holder == holder && lease.epoch == *epoch => {
                    self.write_lease(changes, Lease { ttl_ms: 0, ..lease });
                    LeaseOutcome::Released
                }
                Some(_) | None => LeaseOutcome::Lost,
            },
        }
    }

    fn write_lease(&mut self, changes: &mut Changes, lease: Lease) {
        changes.events.push(Event::LeaseChanged {
            resource: lease.resource.clone(),
        });
        self.leases.insert(lease.resource.clone(), lease);
    }
}
