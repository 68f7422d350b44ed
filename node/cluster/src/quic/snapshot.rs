//! A snapshot on the wire: a header, the state in pieces, the history in pages, an end. One stream of low priority.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use carillon_link::{Connection, FrameReceiver, FrameSender, LinkError, NodeId};
use serde::{Deserialize, Serialize};

use super::peers;
use crate::codec::{decode, encode};
use crate::message::{Kind, Message};
use crate::replica::Replica;
use crate::transport::{SnapshotOffer, Transport};
use crate::{HistoryRow, Replicated, Runtime};

const PRIORITY: i32 = -10;
const PIECE_OCTETS: usize = 256 * 1024;
const PAGE_ROWS: usize = 512;
/// A state larger than this is not taken from the network.
const MAX_STATE_OCTETS: usize = 4 * 1024 * 1024 * 1024;
/// Between two pieces, and until it is installed.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);
const INSTALL_TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Serialize, Deserialize)]
enum Piece {
    State(Bytes),
    History(Vec<HistoryRow>),
    End,
}

pub(super) async fn send(
    connection: &Connection,
    offer: SnapshotOffer,
) -> Result<Bytes, LinkError> {
    let header = Message::new(Kind::Snapshot, offer.header.clone());
    let (mut sender, mut receiver) = peers::open(connection, PRIORITY, &header).await?;
    let mut state = offer.state.clone();
    while !state.is_empty() {
        let piece = state.split_to(PIECE_OCTETS.min(state.len()));
        put(&mut sender, &Piece::State(piece)).await?;
    }
    send_history(&mut sender, &offer).await?;
    put(&mut sender, &Piece::End).await?;
    sender.finish();
    let answer = tokio::time::timeout(INSTALL_TIMEOUT, receiver.recv()).await;
    let answer = answer.map_err(|_| LinkError::Timeout)??;
    answer.ok_or_else(|| LinkError::Closed("the snapshot was not acknowledged".to_owned()))
}

async fn send_history(sender: &mut FrameSender, offer: &SnapshotOffer) -> Result<(), LinkError> {
    let mut after = None;
    loop {
        let store = offer.store.clone();
        let page = tokio::task::spawn_blocking(move || store.history_after(after, PAGE_ROWS)).await;
        let page = page.map_err(closed)?.map_err(closed)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some((last.table.clone(), last.key.clone()));
        put(sender, &Piece::History(page)).await?;
    }
}

async fn put(sender: &mut FrameSender, piece: &Piece) -> Result<(), LinkError> {
    let sent = tokio::time::timeout(PIECE_TIMEOUT, sender.send(encode(piece))).await;
    sent.unwrap_or(Err(LinkError::Timeout))
}

fn closed(error: impl std::fmt::Display) -> LinkError {
    LinkError::Closed(error.to_string())
}

/// Takes a snapshot in and installs it. The node goes on serving meanwhile.
pub(super) async fn receive<M: Replicated, R: Runtime, T: Transport>(
    replica: &Replica<M, R, T>,
    from: NodeId,
    header: Bytes,
    sender: &mut FrameSender,
    receiver: &mut FrameReceiver,
) -> Result<(), LinkError> {
    let mut state = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(PIECE_TIMEOUT, receiver.recv()).await;
        let frame = frame.map_err(|_| LinkError::Timeout)??;
        let frame = frame.ok_or_else(|| LinkError::Closed("the snapshot has no end".to_owned()))?;
        match decode(&frame).map_err(|error| LinkError::Malformed(error.to_string()))? {
            Piece::State(piece) if state.len() + piece.len() > MAX_STATE_OCTETS => {
                let length = state.len() + piece.len();
                return Err(LinkError::TooLong {
                    length,
                    limit: MAX_STATE_OCTETS,
                });
            }
            Piece::State(piece) => state.extend_from_slice(&piece),
            Piece::History(rows) => {
                let replica = replica.clone();
                let taken = tokio::task::spawn_blocking(move || replica.take_history(rows)).await;
                taken.map_err(closed)?.map_err(closed)?;
            }
            Piece::End => break,
        }
    }
    let answer = replica
        .install(from, &header, state.freeze())
        .await
        .map_err(closed)?;
    sender.send(answer).await?;
    sender.finish();
    Ok(())
}
