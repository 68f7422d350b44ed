//! At the leader: proposals of several nodes that can wait a moment become one entry of the log.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Replica;
use crate::message::{Committed, Refusal};
use crate::raft::types::{Answer, Proposal};
use crate::transport::Transport;
use crate::{Replicated, Runtime};

/// How long the first waits for others.
const TOGETHER: Duration = Duration::from_millis(20);

/// Who waits for a proposal.
type Waiting = oneshot::Sender<Result<Committed, Refusal>>;
/// Proposals that wait. Each node has a bounded number of them.
pub(super) type Together = Vec<(Proposal, Waiting)>;

impl<M: Replicated, R: Runtime, T: Transport> Replica<M, R, T> {
    pub(super) async fn write_together(&self, proposal: Proposal) -> Result<Committed, Refusal> {
        let (answer, answered) = oneshot::channel();
        let waiting = self.wait_for_others(proposal, answer);
        if waiting == 1 {
            let replica = self.clone();
            R::detach(async move {
                R::sleep(TOGETHER).await;
                replica.write_waiting().await;
            });
        }
        answered.await.unwrap_or(Err(Refusal::Unknown))
    }

    /// How many wait now.
    fn wait_for_others(&self, proposal: Proposal, answer: Waiting) -> usize {
        let mut together = self.together();
        together.push((proposal, answer));
        together.len()
    }

    async fn write_waiting(&self) {
        let waiting = std::mem::take(&mut *self.together());
        let (mut proposals, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        let written = match proposals.len() {
            0 => return,
            1 => self.write_entry(proposals.remove(0)).await,
            _ => self.write_entry(Proposal::of(proposals)).await,
        };
        for (place, answer) in answers.into_iter().enumerate() {
            // Fails only when nobody waits any more.
            let _ = answer.send(own(&written, place));
        }
    }

    fn together(&self) -> MutexGuard<'_, Together> {
        self.inner
            .together
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proposal {
    fn of(joined: Vec<Self>) -> Self {
        Self {
            at_ms: 0,
            client: 0,
            serial: 0,
            floor: 0,
            body: Bytes::new(),
            patient: false,
            joined,
        }
    }
}

/// What became of the proposal at this place of what was written.
fn own(written: &Result<Committed, Refusal>, place: usize) -> Result<Committed, Refusal> {
    let mut committed = written.clone()?;
    if let Answer::Joined(answers) = committed.answer {
        committed.answer = answers.get(place).cloned().ok_or(Refusal::Unknown)?;
    }
    Ok(committed)
}
