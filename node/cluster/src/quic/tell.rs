//! Messages that want no answer: in order, one stream for each channel and node.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use carillon_link::{FrameReceiver, FrameSender, LinkError, NodeId};
use tokio::sync::mpsc;

use super::peers::{QuicTransport, no_answer, not_reached};
use crate::message::{Kind, Message};
use crate::replica::Replica;
use crate::transport::{CallError, Destination, Transport};
use crate::{Replicated, Runtime};

/// Messages that wait for a node; more are refused.
const MAX_QUEUED: usize = 1_024;

/// Why a message was not taken. Whether one that was taken arrives, nobody says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TellError {
    /// No such node in the cluster.
    #[error("no such node")]
    UnknownNode,
    /// Too many messages wait for that node.
    #[error("too many messages wait for that node")]
    Full,
}

/// The outgoing message streams of a node.
pub(crate) struct Teller {
    transport: QuicTransport,
    queues: Mutex<BTreeMap<(NodeId, String), Queue>>,
}

struct Queue {
    to: Destination,
    messages: mpsc::Sender<Bytes>,
}

impl Teller {
    pub(crate) fn new(transport: QuicTransport) -> Self {
        Self {
            transport,
            queues: Mutex::default(),
        }
    }

    /// Takes a message for `to`. Must be called in the runtime.
    pub(crate) fn tell(
        &self,
        to: Destination,
        channel: &str,
        body: Bytes,
    ) -> Result<(), TellError> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (to.node, channel.to_owned());
        let usable = queues
            .get(&key)
            .is_some_and(|queue| queue.to == to && !queue.messages.is_closed());
        if !usable {
            let (messages, waiting) = mpsc::channel(MAX_QUEUED);
            tokio::spawn(send_all(
                self.transport.clone(),
                to,
                channel.to_owned(),
                waiting,
            ));
            queues.insert(key.clone(), Queue { to, messages });
        }
        let queue = queues.get(&key).ok_or(TellError::Full)?;
        queue.messages.try_send(body).map_err(|_| TellError::Full)
    }
}

async fn send_all(
    transport: QuicTransport,
    to: Destination,
    channel: String,
    mut waiting: mpsc::Receiver<Bytes>,
) {
    let mut open: Option<FrameSender> = None;
    while let Some(body) = waiting.recv().await {
        if let Some(sender) = &mut open
            && sender.send(body.clone()).await.is_ok()
        {
            continue;
        }
        open = reopen(&transport, to, &channel, body).await;
    }
}

/// Opens the stream anew and sends the message that did not get through.
async fn reopen(
    transport: &QuicTransport,
    to: Destination,
    channel: &str,
    body: Bytes,
) -> Option<FrameSender> {
    let attempt = async {
        let connection = transport.connection(to).await?;
        let mut sender = connection.open_one_way().await.map_err(not_reached)?;
        let header = Message::new(Kind::Tell, Bytes::copy_from_slice(channel.as_bytes()));
        sender.send(header.to_frame()).await.map_err(no_answer)?;
        sender.send(body).await.map_err(no_answer)?;
        Ok::<_, CallError>(sender)
    };
    match attempt.await {
        Ok(sender) => Some(sender),
        Err(error) => {
            tracing::debug!(node = %to.node, channel, %error, "a message is lost");
            None
        }
    }
}

pub(super) async fn receive<M: Replicated, R: Runtime, T: Transport>(
    from: NodeId,
    replica: &Replica<M, R, T>,
    mut receiver: FrameReceiver,
) -> Result<(), LinkError> {
    let header = receiver.recv().await?.and_then(Message::from_frame);
    let header = header.filter(|header| header.kind == Kind::Tell);
    let header =
        header.ok_or_else(|| LinkError::Malformed("messages without a channel".to_owned()))?;
    let channel = String::from_utf8_lossy(&header.body).into_owned();
    while let Some(body) = receiver.recv().await? {
        let Some(handler) = replica.handler(&channel) else {
            return Err(LinkError::Malformed(format!(
                "nobody listens on channel {channel}"
            )));
        };
        handler.handle(from, body).await;
    }
    Ok(())
}
