//! Telling the cluster that a process has started, also where there is no quorum to hear it yet.

use std::time::Duration;

use anyhow::bail;
use carillon_cluster::{Cluster, ProposeError};
use carillon_model::{Command, Outcome};
use carillon_telephony::Telephony;
use tokio::time::sleep;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Proposes `command` until it is committed: once before this returns, later in the background. A
/// node without a quorum serves what it knows meanwhile. A refusal is an error.
pub(crate) async fn announce(cluster: &Cluster<Telephony>, command: Command) -> anyhow::Result<()> {
    match attempt(cluster, command.clone()).await {
        Some(outcome) => outcome,
        None => {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                loop {
                    sleep(PAUSE).await;
                    match attempt(&cluster, command.clone()).await {
                        None => {}
                        Some(Ok(())) => return,
                        Some(Err(error)) => return tracing::error!("{error:#}"),
                    }
                }
            });
            Ok(())
        }
    }
}

/// What became of it; `None`: nothing, for want of a quorum.
async fn attempt(cluster: &Cluster<Telephony>, command: Command) -> Option<anyhow::Result<()>> {
    match cluster.propose(command).await {
        Ok(Outcome::Rejected(rejection)) => {
            let refuse = || bail!("the cluster refused this machine: {rejection}");
            Some(refuse())
        }
        Ok(outcome) => {
            tracing::info!(?outcome, "announced to the cluster");
            Some(Ok(()))
        }
        Err(ProposeError::Stopped(why)) => {
            Some(Err(anyhow::anyhow!("announce this machine: {why}")))
        }
        Err(ProposeError::Unavailable | ProposeError::Unknown | ProposeError::Overloaded) => None,
    }
}
