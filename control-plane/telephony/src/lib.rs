//! The model as what the cluster replicates: the one place where the two meet, so that neither knows the other.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use carillon_cluster::{Applied, Cluster, Config, HistoryQuery, LogStore, Replicated, Stamp};
use carillon_model::{CallRecord, Command, Event, HistoryTable, LeaseCommand, Outcome, State};

/// The rules of the telephony state, for [`carillon_cluster::Cluster`] and [`carillon_cluster::Replica`].
#[derive(Clone, Copy, Debug)]
pub enum Telephony {}

impl Replicated for Telephony {
    type State = State;
    type Command = Command;
    type Outcome = Outcome;
    type Event = Event;

    fn apply(state: &mut State, at: Stamp, command: &Command) -> Applied<Self> {
        let at = carillon_model::Stamp {
            index: at.index,
            now_ms: at.now_ms,
        };
        let applied = state.apply(at, command);
        let history = applied
            .history
            .into_iter()
            .map(|row| carillon_cluster::HistoryRow {
                table: row.table.as_str().to_owned(),
                key: Bytes::copy_from_slice(&row.key()),
                value: row.value,
            });
        Applied {
            outcome: applied.outcome,
            events: applied.events,
            history: history.collect(),
        }
    }

    /// The nodes renew their leases at the same moments.
    fn can_wait(command: &Command) -> bool {
        matches!(command, Command::Lease(LeaseCommand::Renew { .. }))
    }

    fn digest(state: &State) -> u64 {
        state.digest()
    }
}

/// Starts the node on what its store holds, as [`Cluster::start`] does.
///
/// Whoever runs a telephony cluster starts it here: the future is boxed in this crate, so that the compiler makes the code
/// of Raft for these types once, and not again (a minute of CPU) in the daemon and in every test.
pub fn start(
    config: Config,
    store: Arc<dyn LogStore>,
) -> Pin<Box<dyn Future<Output = anyhow::Result<Cluster<Telephony>>>>> {
    Box::pin(Cluster::start(config, store))
}

/// The records of calls that started from `from_ms` until before `to_ms`, newest first. Reads from disk.
pub fn call_records(
    cluster: &Cluster<Telephony>,
    from_ms: u64,
    to_ms: u64,
    limit: usize,
) -> io::Result<Vec<CallRecord>> {
    let key = |at_ms| Bytes::copy_from_slice(&carillon_model::HistoryRow::key_at(at_ms, 0));
    let rows = cluster.history(&HistoryQuery {
        table: HistoryTable::CallRecords.as_str().to_owned(),
        from: key(from_ms),
        to: Some(key(to_ms)),
        limit,
        newest_first: true,
    })?;
    rows.iter()
        .map(|row| carillon_model::HistoryRow::read_call_record(&row.value))
        .map(|record| record.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
        .collect()
}
