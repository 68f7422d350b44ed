//! What remains of a call.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Billing, CallId, NodeId, Party};

/// The newest call records that are also in memory.
pub const RECORDS_IN_MEMORY: usize = 1_000;

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// They talked.
    Answered,
    /// The called was busy or declined.
    Busy,
    /// Nobody answered within the ring time.
    NoAnswer,
    /// The caller gave up.
    Cancelled,
    /// It could not be connected.
    #[default]
    Failed,
}

/// Where a call came from and went to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallDirection {
    /// From one of our lines to another.
    #[default]
    Internal,
    /// From outside.
    Inbound,
    /// To the outside.
    Outbound,
}

/// Why a call ended, in the words of both worlds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallCause {
    /// The final SIP code of the INVITE; 200 if it was answered.
    pub sip: u16,
    /// Q.850 cause.
    pub q850: u8,
}

/// What arrived of one side's media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DirectionQuality {
    /// Packets received.
    pub packets: u64,
    /// Octets received.
    pub bytes: u64,
    /// Packets missing.
    pub lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter_ms: u32,
    /// Estimated mean opinion score times 100.
    pub mos_hundredths: u16,
}

/// The record of a call. There is exactly one per call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallRecord {
    /// Which call.
    pub call: CallId,
    /// Who called.
    pub caller: Party,
    /// Who was called.
    pub callee: Party,
    /// When the INVITE came.
    pub started_at_ms: u64,
    /// When it was answered.
    pub answered_at_ms: Option<u64>,
    /// When it ended.
    pub ended_at_ms: u64,
    /// Talk time.
    pub duration_ms: u64,
    /// How it ended.
    pub status: CallStatus,
    /// Why.
    pub cause: CallCause,
    /// From where to where.
    pub direction: CallDirection,
    /// What the cluster received of the caller's media.
    pub caller_quality: Option<DirectionQuality>,
    /// What the cluster received of the called's media.
    pub callee_quality: Option<DirectionQuality>,
    /// Free text of the caller's user.
    pub userfield: Option<String>,
    /// What its trunk's options say for whoever writes bills.
    #[serde(skip_serializing_if = "Billing::is_empty")]
    pub billing: Billing,
    /// The node that ended it.
    pub node: NodeId,
    /// It went ahead without waiting for the quorum.
    pub unprotected: bool,
}

/// Which history a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryTable {
    /// [`CallRecord`]s by the time at which the call started.
    CallRecords,
}

impl HistoryTable {
    /// A name for disks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallRecords => "call_records",
        }
    }
}

/// A row of a history that only grows: written to disk as it is, and never again part of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// Which history.
    pub table: HistoryTable,
    /// By what it is found.
    pub at_ms: u64,
    /// Tells rows of the same time apart; grows with each row.
    pub sequence: u64,
    /// The row, in MessagePack with named fields.
    pub value: Bytes,
}

impl HistoryRow {
    /// The row of a call record.
    pub fn call_record(sequence: u64, record: &CallRecord) -> Self {
        let value = rmp_serde::to_vec_named(record).expect("a record is plain data");
        Self {
            table: HistoryTable::CallRecords,
            at_ms: record.started_at_ms,
            sequence,
            value: value.into(),
        }
    }

    /// A key that sorts by time: eight octets of time, eight of sequence.
    pub fn key(&self) -> [u8; 16] {
        Self::key_at(self.at_ms, self.sequence)
    }

    /// The key of a place in a history.
    pub fn key_at(at_ms: u64, sequence: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&at_ms.to_be_bytes());
        key[8..].copy_from_slice(&sequence.to_be_bytes());
        key
    }

    /// Reads a call record back.
    pub fn read_call_record(value: &[u8]) -> Result<CallRecord, rmp_serde::decode::Error> {
        rmp_serde::from_slice(value)
    }
}
