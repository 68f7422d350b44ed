//! Applies committed entries, and publishes the state.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use carillon_link::NodeId;
use carillon_telemetry::RaftMetrics;
use futures_util::{Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine, Snapshot};
use openraft::type_config::alias::{LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::{EntryPayload, Instant, OptionalSend};
use tokio::sync::mpsc;

use super::snapshot::{Builder, Whole};
use super::types::{Answer, Proposal, TypeConfig};
use crate::admin::{Admin, Body};
use crate::changes::{Change, Published};
use crate::codec::{decode, encode};
use crate::sessions::Admission;
use crate::time::ClusterTime;
use crate::verify::Checkpoint;
use crate::{HistoryRow, LogStore, Replicated, Runtime, Stamp, StoredSnapshot};

/// Entries applied between two publications of the state.
const BATCH_ENTRIES: usize = 256;

pub(crate) struct Machine<M: Replicated, R: Runtime> {
    node: NodeId,
    time: Arc<ClusterTime>,
    store: Arc<dyn LogStore>,
    published: Arc<Published<M>>,
    checkpoints: mpsc::Sender<Checkpoint<M>>,
    metrics: RaftMetrics,
    whole: Whole<M>,
    applied: Option<LogIdOf<TypeConfig<R>>>,
    membership: StoredMembershipOf<TypeConfig<R>>,
}

/// What a batch of entries did, before anybody is told.
struct Batch<M: Replicated, R: Runtime> {
    state: M::State,
    administration_changed: bool,
    events: Vec<M::Event>,
    history: Vec<HistoryRow>,
    answers: Vec<(ApplyResponder<TypeConfig<R>>, Answer)>,
}

impl<M: Replicated, R: Runtime> Machine<M, R> {
    pub(crate) fn new(
        node: NodeId,
        time: Arc<ClusterTime>,
        store: Arc<dyn LogStore>,
        published: Arc<Published<M>>,
        checkpoints: mpsc::Sender<Checkpoint<M>>,
        metrics: RaftMetrics,
    ) -> Self {
        Self {
            node,
            time,
            store,
            published,
            checkpoints,
            metrics,
            whole: Whole::default(),
            applied: None,
            membership: StoredMembershipOf::<TypeConfig<R>>::default(),
        }
    }

    fn batch(&self) -> Batch<M, R> {
        Batch {
            state: M::State::clone(&self.whole.state),
            administration_changed: false,
            events: Vec::new(),
            history: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn enter(
        &mut self,
        batch: &mut Batch<M, R>,
        (entry, responder): EntryResponder<TypeConfig<R>>,
    ) -> io::Result<()> {
        let answer = match entry.payload {
            EntryPayload::Blank => Answer::None,
            EntryPayload::Membership(membership) => {
                self.membership =
                    StoredMembershipOf::<TypeConfig<R>>::new(Some(entry.log_id), membership);
                Answer::None
            }
            EntryPayload::Normal(proposal) => {
                let answer = self.execute(batch, entry.log_id.index, &proposal)?;
                // What this node stamped itself comes back later than it was stamped: to learn from it would slow time down.
                if entry.log_id.leader_id.node_id != self.node {
                    self.time.heard(self.whole.now_ms, R::now_ms());
                }
                answer
            }
        };
        self.applied = Some(entry.log_id);
        if let Some(responder) = responder {
            batch.answers.push((responder, answer));
        }
        Ok(())
    }

    fn execute(
        &mut self,
        batch: &mut Batch<M, R>,
        index: u64,
        proposal: &Proposal,
    ) -> io::Result<Answer> {
        let Proposal {
            client,
            serial,
            floor,
            ..
        } = *proposal;
        self.whole.now_ms = self.whole.now_ms.max(proposal.at_ms);
        if !proposal.joined.is_empty() {
            let answers = proposal.joined.iter();
            let answers = answers.map(|joined| self.execute(batch, index, joined));
            return answers.collect::<io::Result<_>>().map(Answer::Joined);
        }
        match self.whole.sessions.admit(client, serial, floor, index) {
            Admission::Answered(outcome) => return Ok(Answer::Outcome(outcome)),
            Admission::Forgotten => return Ok(Answer::Forgotten),
            Admission::New => {}
        }
        // A newer node may have written it. To skip it would make this node's state another one.
        let body: Body<M::Command> = decode(&proposal.body).map_err(|error| {
            let why = format!("entry {index} is not understood by this version: {error}");
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        let now_ms = self.whole.now_ms;
        let outcome = match body {
            Body::Command(command) => {
                let applied = M::apply(&mut batch.state, Stamp { index, now_ms }, &command);
                batch.events.extend(applied.events);
                batch.history.extend(applied.history);
                encode(&applied.outcome)
            }
            Body::Admin(admin) => {
                let outcome = Arc::make_mut(&mut self.whole.administration).apply(now_ms, &admin);
                batch.administration_changed = true;
                self.checkpoint(batch, index, &admin);
                encode(&outcome)
            }
        };
        self.whole.sessions.record(client, serial, outcome.clone());
        Ok(Answer::Outcome(outcome))
    }

    fn checkpoint(&self, batch: &Batch<M, R>, index: u64, admin: &Admin) {
        let checkpoint = match *admin {
            Admin::Mark => Checkpoint::Mark {
                index,
                whole: Whole {
                    state: Arc::new(batch.state.clone()),
                    ..self.whole.clone()
                },
            },
            Admin::Compare { index, digest } => Checkpoint::Compare { index, digest },
            Admin::Found { .. }
            | Admin::AddToken { .. }
            | Admin::Enrol { .. }
            | Admin::Expel { .. } => return,
        };
        // A verifier that is busy skips a round.
        self.checkpoints.try_send(checkpoint).ok();
    }

    fn publish(&mut self, batch: Batch<M, R>) -> io::Result<()> {
        let Some(applied) = self.applied else {
            return Ok(());
        };
        if !batch.history.is_empty() {
            self.store.add_history(batch.history)?;
        }
        self.whole.state = Arc::new(batch.state);
        let change = Change {
            state: self.whole.state.clone(),
            at: self.stamp(applied.index),
            events: batch.events,
            missed: false,
        };
        let administration = batch
            .administration_changed
            .then(|| self.whole.administration.clone());
        self.published.publish(change, administration);
        self.published.advance(applied.index);
        for (responder, answer) in batch.answers {
            responder.send(answer);
        }
        Ok(())
    }

    fn stamp(&self, index: u64) -> Stamp {
        Stamp {
            index,
            now_ms: self.whole.now_ms,
        }
    }

    fn snapshot_meta(&self) -> SnapshotMetaOf<TypeConfig<R>> {
        SnapshotMetaOf::<TypeConfig<R>> {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
        }
    }
}

impl<M: Replicated, R: Runtime> RaftStateMachine<TypeConfig<R>> for Machine<M, R> {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Builder<M, R>;

    async fn applied_state(
        &mut self,
    ) -> Result<
        (
            Option<LogIdOf<TypeConfig<R>>>,
            StoredMembershipOf<TypeConfig<R>>,
        ),
        io::Error,
    > {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> Result<(), io::Error>
    where
        Strm:
            Stream<Item = Result<EntryResponder<TypeConfig<R>>, io::Error>> + Unpin + OptionalSend,
    {
        let mut batches = entries.ready_chunks(BATCH_ENTRIES);
        while let Some(entries) = batches.next().await {
            let began = R::Instant::now();
            let mut batch = self.batch();
            for entry in entries {
                self.enter(&mut batch, entry?)?;
            }
            self.publish(batch)?;
            self.metrics
                .apply_seconds
                .observe(began.elapsed().as_secs_f64());
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder<M, R> {
        Builder {
            whole: self.whole.clone(),
            meta: self.snapshot_meta(),
            store: self.store.clone(),
            metrics: self.metrics.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig<R>>,
        snapshot: Bytes,
    ) -> Result<(), io::Error> {
        let (stored, store, metrics) = (encode(meta), self.store.clone(), self.metrics.clone());
        let whole = R::offload(move || {
            let whole = Whole::<M>::from_image(&snapshot)?;
            let present = store
                .snapshot()?
                .is_some_and(|present| present.meta == stored);
            if !present {
                let snapshot = StoredSnapshot {
                    meta: stored,
                    state: snapshot,
                };
                store.set_snapshot(snapshot)?;
                metrics.snapshots_installed.increment();
            }
            Ok::<_, io::Error>(whole)
        });
        self.whole = whole.await?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        let index = meta.last_log_id.map_or(0, |id| id.index);
        let change = Change {
            state: self.whole.state.clone(),
            at: self.stamp(index),
            events: Vec::new(),
            missed: true,
        };
        self.published
            .publish(change, Some(self.whole.administration.clone()));
        self.published.advance(index);
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig<R>, Bytes>>, io::Error> {
        let Some(stored) = self.store.snapshot()? else {
            return Ok(None);
        };
        Ok(Some(Snapshot {
            meta: decode(&stored.meta)?,
            snapshot: stored.state,
        }))
    }
}
