//! One stream connection: messages in, messages out, and the patience we have with its peer.

use std::sync::Arc;

use bytes::Bytes;
use carillon_model::Flow;
use carillon_sip::framing::{Frame, Framer};
use carillon_telemetry::metrics::Refusal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connections::Admitted;
use crate::limits::{
    FIRST_MESSAGE_TIMEOUT, IDLE_TIMEOUT, READ_OCTETS, SLOW_READER_TIMEOUT, SLOW_SENDER_TIMEOUT,
};
use crate::sockets::{Inbound, Sockets, wire};

/// Empty line with which a keep-alive is answered (RFC 5626 §4.4.1).
const PONG: &[u8] = b"\r\n";

/// Why a connection ended.
enum End {
    /// The peer closed it, or it broke.
    Peer,
    /// We closed it on somebody's request.
    Cut,
    Refused(Refusal),
}

/// Serves a connection to its end and tells the brain.
pub(crate) async fn serve<S>(sockets: Arc<Sockets>, stream: S, admitted: Admitted)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Admitted {
        flow,
        to_write,
        cut,
    } = admitted;
    let (reader, writer) = tokio::io::split(stream);
    let end = tokio::select! {
        end = read(&sockets, flow, reader) => end,
        end = write(writer, to_write) => end,
        () = cut.cancelled() => End::Cut,
    };
    leave(&sockets, flow, &end).await;
}

/// A connection that ended before it could be served.
pub(crate) async fn failed(sockets: &Arc<Sockets>, admitted: &Admitted, refusal: Refusal) {
    leave(sockets, admitted.flow, &End::Refused(refusal)).await;
}

async fn leave(sockets: &Arc<Sockets>, flow: Flow, end: &End) {
    sockets.connections().remove(flow.connection);
    sockets.count_connections(flow.transport);
    match end {
        End::Refused(refusal) => {
            sockets.metrics.sip.refused(*refusal).increment();
            tracing::debug!(peer = %flow.peer, reason = ?refusal, "connection closed");
        }
        End::Peer | End::Cut => tracing::debug!(peer = %flow.peer, "connection ended"),
    }
    sockets.deliver(Inbound::Closed { flow }).await;
}

/// Where the peer stands with its present message.
struct Patience {
    settled: bool,
    first_message_by: Instant,
    partial_since: Option<Instant>,
    heard: Instant,
}

impl Patience {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            settled: false,
            first_message_by: now + FIRST_MESSAGE_TIMEOUT,
            partial_since: None,
            heard: now,
        }
    }

    /// When it ends, and what it was about.
    fn deadline(&self) -> (Instant, Refusal) {
        let slow = self.partial_since.map(|since| since + SLOW_SENDER_TIMEOUT);
        match (self.settled, slow) {
            (false, Some(slow)) => (slow.min(self.first_message_by), Refusal::SlowSender),
            (false, None) => (self.first_message_by, Refusal::Idle),
            (true, Some(slow)) => (slow, Refusal::SlowSender),
            (true, None) => (self.heard + IDLE_TIMEOUT, Refusal::Idle),
        }
    }
}

async fn read<R: AsyncRead + Unpin>(sockets: &Arc<Sockets>, flow: Flow, mut reader: R) -> End {
    let mut framer = Framer::new();
    let mut patience = Patience::new();
    let mut buffer = [0; READ_OCTETS];
    loop {
        let (deadline, late) = patience.deadline();
        let octets = match timeout_at(deadline, reader.read(&mut buffer)).await {
            Err(_) => return End::Refused(late),
            Ok(Err(_) | Ok(0)) => return End::Peer,
            Ok(Ok(octets)) => octets,
        };
        patience.heard = Instant::now();
        if framer.push(&buffer[..octets]).is_err() {
            sockets.offended(flow.transport, flow.peer.ip());
            return End::Refused(Refusal::Framing);
        }
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => hand_over(sockets, flow, frame, &mut patience).await,
                Ok(None) => break,
                Err(_) => {
                    sockets.offended(flow.transport, flow.peer.ip());
                    return End::Refused(Refusal::Framing);
                }
            }
            if sockets.is_silenced(flow.peer.ip()) {
                return End::Cut;
            }
        }
        patience.partial_since = match framer.waiting() {
            0 => None,
            _ => patience.partial_since.or(Some(patience.heard)),
        };
    }
}

async fn hand_over(sockets: &Arc<Sockets>, flow: Flow, frame: Frame, patience: &mut Patience) {
    match frame {
        Frame::Message(bytes) => {
            if !patience.settled {
                patience.settled = true;
                sockets.connections().settle(flow.connection);
            }
            patience.partial_since = None;
            sockets
                .metrics
                .sip
                .received(wire(flow.transport))
                .increment();
            sockets.deliver(Inbound::Message { flow, bytes }).await;
        }
        Frame::Ping => {
            // A peer that pings and does not read is cut off by its full queue.
            let _ = sockets
                .connections()
                .write(flow.connection, Bytes::from_static(PONG));
        }
        Frame::Pong => {}
    }
}

async fn write<W: AsyncWrite + Unpin>(mut writer: W, mut queue: mpsc::Receiver<Bytes>) -> End {
    while let Some(message) = queue.recv().await {
        let sent = timeout(SLOW_READER_TIMEOUT, async {
            writer.write_all(&message).await?;
            // TLS gathers what was written; nothing else may follow for a while.
            if queue.is_empty() {
                writer.flush().await
            } else {
                Ok(())
            }
        });
        match sent.await {
            Err(_) => return End::Refused(Refusal::SlowReader),
            Ok(Err(_)) => return End::Peer,
            Ok(Ok(())) => {}
        }
    }
    End::Cut
}
