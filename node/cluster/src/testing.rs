//! What every log store must pass.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use carillon_link::NodeId;
use carillon_telemetry::Metrics;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft_rt_tokio::TokioRuntime;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::changes::Published;
use crate::raft::log::Log;
use crate::raft::machine::Machine;
use crate::raft::types::TypeConfig;
use crate::time::ClusterTime;
use crate::{Applied, HistoryRow, LogStore, Replicated, Stamp};

/// A small replicated state for tests: registers, and a history of what was written to them.
#[derive(Clone, Copy, Debug)]
pub enum Registers {}

/// The state of [`Registers`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistersState {
    /// What each register holds.
    pub values: std::collections::BTreeMap<String, u64>,
    /// How many commands were applied.
    pub applied: u64,
    /// When the last command was applied.
    pub now_ms: u64,
}

/// A command of [`Registers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistersCommand {
    /// Writes.
    Set(String, u64),
    /// Adds: applied twice, it shows.
    Add(String, u64),
    /// As `Add`, and can wait for others.
    AddPatiently(String, u64),
}

impl Replicated for Registers {
    type State = RegistersState;
    type Command = RegistersCommand;
    type Outcome = u64;
    type Event = String;

    fn apply(state: &mut RegistersState, at: Stamp, command: &RegistersCommand) -> Applied<Self> {
        state.applied += 1;
        state.now_ms = at.now_ms;
        let (name, value) = match command {
            RegistersCommand::Set(name, value) => (name, *value),
            RegistersCommand::Add(name, value) | RegistersCommand::AddPatiently(name, value) => {
                let before = state.values.get(name).copied().unwrap_or(0);
                (name, before + value)
            }
        };
        state.values.insert(name.clone(), value);
        let row = HistoryRow {
            table: "writes".to_owned(),
            key: Bytes::copy_from_slice(&at.index.to_be_bytes()),
            value: Bytes::copy_from_slice(name.as_bytes()),
        };
        Applied {
            outcome: value,
            events: vec![name.clone()],
            history: vec![row],
        }
    }

    fn can_wait(command: &RegistersCommand) -> bool {
        matches!(command, RegistersCommand::AddPatiently(..))
    }

    fn digest(state: &RegistersState) -> u64 {
        let values = state.values.iter().enumerate();
        values.fold(state.applied, |digest, (place, (name, value))| {
            digest
                .wrapping_mul(31)
                .wrapping_add(*value + place as u64 + name.len() as u64)
        })
    }
}

struct Builder<F>(F);

impl<F, G>
    StoreBuilder<TypeConfig<TokioRuntime>, Log<TokioRuntime>, Machine<Registers, TokioRuntime>, G>
    for Builder<F>
where
    F: Fn() -> (G, Arc<dyn LogStore>) + Send + Sync,
    G: Send + Sync + 'static,
{
    fn build(
        &self,
    ) -> impl Future<
        Output = Result<
            (G, Log<TokioRuntime>, Machine<Registers, TokioRuntime>),
            StorageError<TypeConfig<TokioRuntime>>,
        >,
    > + Send {
        let (guard, store) = (self.0)();
        let (checkpoints, _) = mpsc::channel(1);
        let machine = Machine::new(
            NodeId(1),
            Arc::new(ClusterTime::new(0)),
            store.clone(),
            Arc::new(Published::new()),
            checkpoints,
            Metrics::new().raft,
        );
        std::future::ready(Ok((guard, Log::new(store), machine)))
    }
}

/// Runs openraft's storage suite on the stores that `build` makes. Panics where a store is wrong.
pub async fn log_store_suite<G: Send + Sync + 'static>(
    build: impl Fn() -> (G, Arc<dyn LogStore>) + Send + Sync,
) {
    Suite::test_all(Builder(build))
        .await
        .expect("the store works");
}
