//! SIP between the nodes of the cluster: messages for the node that has the call or the connection,
//! and who is there at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carillon_cluster::Cluster;
use carillon_model::{Flow, NodeId, State};
use carillon_telemetry::metrics::Shed;
use carillon_telephony::Telephony;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::sockets::{Inbound, Sockets};
use crate::trail;

/// The cluster's name for our messages.
const CHANNEL: &str = "sip";
/// How often a node says that it lives.
const ALIVE_INTERVAL: Duration = Duration::from_millis(100);
/// A node that was not heard for so long is taken for dead. Its calls stay its own until its lease has lapsed too.
const DEAD_AFTER: Duration = Duration::from_millis(700);

/// What one node's shell says to another's.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Said {
    /// A message for a call of yours, or one that nobody here knows.
    Received {
        flow: Flow,
        bytes: Bytes,
    },
    /// Write this to a socket of yours.
    Send {
        flow: Flow,
        bytes: Bytes,
    },
    /// It could not be written.
    SendFailed {
        flow: Flow,
    },
    Close {
        flow: Flow,
    },
    Alive,
    /// I live, and have not heard you for so long that I take you for dead. Take me for dead as well: what goes one way only
    /// brings no answer.
    Unheard,
    /// I am going and will not come back by myself.
    Leaving,
}

/// A node came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Up(NodeId),
    Down(NodeId),
}

pub(crate) struct Peers {
    cluster: Cluster<Telephony>,
    sockets: Arc<Sockets>,
    heard: mpsc::Receiver<(NodeId, Heard)>,
    others: BTreeMap<NodeId, Other>,
    said_alive: Instant,
    /// Whether goodbye was said: who has said it is not alive for the others any more.
    left: bool,
}

#[derive(Debug, Clone, Copy)]
enum Heard {
    Alive,
    Unheard,
    Leaving,
}

struct Other {
    /// Any sign of it.
    heard: Instant,
    up: Option<bool>,
}

/// Signs of life that wait for the brain.
const HEARD_MAX: usize = 1_024;

impl Peers {
    /// Listens to the other nodes.
    pub(crate) fn new(cluster: Cluster<Telephony>, sockets: Arc<Sockets>) -> Self {
        let (signs, heard) = mpsc::channel(HEARD_MAX);
        let replies = cluster.clone();
        let hands = Arc::clone(&sockets);
        let handler = move |from: carillon_cluster::NodeId, body: Bytes| {
            let listener = Listener {
                cluster: replies.clone(),
                sockets: Arc::clone(&hands),
                signs: signs.clone(),
            };
            async move {
                listener.hear(NodeId(from.0), &body).await;
                Bytes::new()
            }
        };
        cluster.register(CHANNEL, handler);
        Self {
            cluster,
            sockets,
            heard,
            others: BTreeMap::new(),
            said_alive: Instant::now() - ALIVE_INTERVAL,
            left: false,
        }
    }

    /// Gives a received message to the node that knows what to do with it.
    pub(crate) fn forward(&self, node: NodeId, flow: Flow, bytes: Bytes) -> Result<(), Bytes> {
        trail::leave(&self.cluster, &bytes, trail::HANDED_ON);
        let said = Said::Received { flow, bytes };
        let sent = tell(&self.cluster, node, &said);
        match said {
            Said::Received { bytes, .. } if !sent => {
                self.sockets.metrics.sip.shed(Shed::Unreachable).increment();
                Err(bytes)
            }
            _ => {
                self.sockets.metrics.sip.forwarded.increment();
                Ok(())
            }
        }
    }

    /// Sends by a socket of another node.
    pub(crate) fn send(&self, flow: Flow, bytes: Bytes) -> bool {
        self.sockets.metrics.sip.forwarded.increment();
        tell(&self.cluster, flow.node, &Said::Send { flow, bytes })
    }

    pub(crate) fn close(&self, flow: Flow) {
        tell(&self.cluster, flow.node, &Said::Close { flow });
    }

    /// Says goodbye.
    pub(crate) fn leave(&mut self) {
        self.left = true;
        for node in self.others.keys() {
            tell(&self.cluster, *node, &Said::Leaving);
        }
    }

    /// Says that this node lives and notes which others do. Call often.
    pub(crate) fn look_around(&mut self, state: &State) -> Vec<Presence> {
        let now = Instant::now();
        self.others.retain(|node, _| state.nodes().contains(node));
        for node in state.nodes().values().map(|node| node.id) {
            if node != self.sockets.node {
                self.others.entry(node).or_insert(Other {
                    heard: now,
                    up: None,
                });
            }
        }
        let mut changes = self.listen(now);
        if !self.left && now.duration_since(self.said_alive) >= ALIVE_INTERVAL {
            self.said_alive = now;
            for (node, other) in &self.others {
                let said = match now.duration_since(other.heard) > DEAD_AFTER {
                    true => Said::Unheard,
                    false => Said::Alive,
                };
                tell(&self.cluster, *node, &said);
            }
        }
        for (node, other) in &mut self.others {
            if other.up != Some(false) && now.duration_since(other.heard) > DEAD_AFTER {
                other.up = Some(false);
                changes.push(Presence::Down(*node));
            }
        }
        changes
    }

    fn listen(&mut self, now: Instant) -> Vec<Presence> {
        let mut changes = Vec::new();
        while let Ok((node, heard)) = self.heard.try_recv() {
            let Some(other) = self.others.get_mut(&node) else {
                continue;
            };
            let up = match heard {
                Heard::Alive => true,
                // Who has said goodbye asked for it: the other is there, and takes what is handed to it.
                Heard::Unheard => self.left,
                Heard::Leaving => false,
            };
            other.heard = now;
            if other.up != Some(up) {
                other.up = Some(up);
                changes.push(if up {
                    Presence::Up(node)
                } else {
                    Presence::Down(node)
                });
            }
        }
        changes
    }
}

/// Handles what other nodes say, in their order.
struct Listener {
    cluster: Cluster<Telephony>,
    sockets: Arc<Sockets>,
    signs: mpsc::Sender<(NodeId, Heard)>,
}

impl Listener {
    async fn hear(&self, from: NodeId, body: &[u8]) {
        let Ok(said) = rmp_serde::from_slice::<Said>(body) else {
            tracing::warn!(node = %from, "a node says what this version does not understand");
            return;
        };
        match said {
            Said::Received { flow, bytes } => {
                self.sockets.deliver(Inbound::Message { flow, bytes }).await;
            }
            Said::Send { flow, bytes } => {
                trail::leave(&self.cluster, &bytes, trail::SENT_FOR_ANOTHER);
                if self.sockets.send(&flow, bytes).is_err() {
                    tell(&self.cluster, from, &Said::SendFailed { flow });
                }
            }
            Said::SendFailed { flow } => {
                self.sockets.deliver(Inbound::SendFailed { flow }).await;
            }
            Said::Close { flow } => self.sockets.close(&flow),
            Said::Alive => self.sign(from, Heard::Alive),
            Said::Unheard => self.sign(from, Heard::Unheard),
            Said::Leaving => self.sign(from, Heard::Leaving),
        }
    }

    fn sign(&self, from: NodeId, heard: Heard) {
        // A full queue means that the brain is behind; the next sign comes soon.
        let _ = self.signs.try_send((from, heard));
    }
}

fn tell(cluster: &Cluster<Telephony>, node: NodeId, said: &Said) -> bool {
    let Ok(body) = rmp_serde::to_vec_named(said) else {
        return false;
    };
    match cluster.send(carillon_cluster::NodeId(node.0), CHANNEL, body.into()) {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(%node, %error, "a message for another node was not taken");
            false
        }
    }
}
