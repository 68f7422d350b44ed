//! What one control node and this server say to each other over one connection.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use carillon_link::{
    Accepting, Connection, Endpoint, FrameReceiver, FrameSender, Incoming, LinkError, Service,
};
use carillon_protocol::{
    NodeName, Reply, Request, ServerHello, ToClient, ToServer, agree, decode, encode,
};
use carillon_session::Peer;
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::gather::{Gather, is_for_all};
use crate::publish::Shared;
use crate::worker::{Command, Ear, Mailbox, Said};

/// Control nodes at once; a cluster has five at most, and reconnects overlap.
const MAX_CONVERSATIONS: usize = 64;
/// Replies that wait for a slow control node at most.
const MAX_REPLIES: usize = 8192;
/// How long a caller may take to say who it is.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// What every conversation needs.
pub(crate) struct Host {
    pub(crate) node: NodeName,
    pub(crate) instance: u64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) threads: Vec<Mailbox>,
}

impl Host {
    /// The thread that owns the sessions of a call.
    fn owner(&self, call: u128) -> &Mailbox {
        // Call ids may be random or counted: the multiplication spreads both.
        let folded = (call >> 64) as u64 ^ call as u64;
        let spread = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        &self.threads[spread as usize % self.threads.len()]
    }

    /// Hands a request to the thread or threads that it is for.
    pub(crate) async fn dispatch(&self, peer: Peer, request: Request) -> Result<()> {
        match &request {
            Request::Put(descriptor) => {
                let owner = self.owner(descriptor.session.call);
                self.post(owner, Command::Ask { peer, request }).await
            }
            Request::Release { session, .. } => {
                let owner = self.owner(session.call);
                self.post(owner, Command::Ask { peer, request }).await
            }
            Request::Inventory { .. } | Request::Drain | Request::Resume | Request::Ping => {
                self.broadcast(|| Command::Ask {
                    peer,
                    request: request.clone(),
                })
                .await
            }
        }
    }

    pub(crate) async fn broadcast(&self, command: impl Fn() -> Command) -> Result<()> {
        for thread in &self.threads {
            self.post(thread, command()).await?;
        }
        Ok(())
    }

    async fn post(&self, thread: &Mailbox, command: Command) -> Result<()> {
        thread
            .post(command)
            .await
            .map_err(|_| anyhow::anyhow!("a packet thread is gone"))
    }
}

/// Takes callers until the endpoint is closed.
pub(crate) async fn accept(endpoint: Endpoint, host: Arc<Host>) {
    let places = Arc::new(Semaphore::new(MAX_CONVERSATIONS));
    // 0 is the server itself.
    let mut next = 1;
    while let Some(caller) = endpoint.accept().await {
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("a control node was turned away: {MAX_CONVERSATIONS} are connected");
            continue;
        };
        let (peer, host) = (Peer(next), Arc::clone(&host));
        next += 1;
        tokio::spawn(async move {
            serve(caller, peer, &host).await;
            drop(place);
        });
    }
}

async fn serve(caller: Accepting, peer: Peer, host: &Host) {
    let connection = match establish(caller).await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::warn!("a caller was refused: {error:#}");
            return;
        }
    };
    let ended = converse(&connection, peer, host).await;
    host.broadcast(|| Command::Leave(peer)).await.ok();
    match ended {
        Ok(()) => tracing::info!(peer = peer.0, "a control node has left"),
        Err(error) => tracing::warn!(
            peer = peer.0,
            "a control node's connection ended: {error:#}"
        ),
    }
    connection.close("end of conversation");
}

async fn establish(caller: Accepting) -> Result<Connection> {
    let connection = caller.establish().await.context("shaking hands")?;
    let is_node = matches!(connection.peer(), Some(carillon_link::Peer::Node(_)));
    if connection.service() != Service::Media || !is_node {
        connection.close("media control is for control nodes");
        bail!("it is no control node, or wants another service");
    }
    Ok(connection)
}

async fn converse(connection: &Connection, peer: Peer, host: &Host) -> Result<()> {
    let opened = tokio::time::timeout(HELLO_TIMEOUT, greet(connection, host)).await;
    let (mut sender, mut receiver, node) = opened.context("waiting for its hello")??;
    tracing::info!(
        peer = peer.0,
        node = node.id,
        software = node.software,
        "a control node is connected"
    );
    let (replies, mut said) = mpsc::channel(MAX_REPLIES);
    let overflowed = Arc::new(Notify::new());
    let ear = Ear {
        replies,
        overflowed: Arc::clone(&overflowed),
    };
    host.broadcast(|| Command::Join {
        peer,
        ear: ear.clone(),
    })
    .await?;
    drop(ear);
    let mut gather = Gather::new(host.threads.len());
    loop {
        tokio::select! {
            frame = receiver.recv(), if !gather.is_full() => {
                let Some(frame) = ended(frame)? else { return Ok(()) };
                let ToServer::Request(request) = decode(&frame)? else { bail!("a second hello") };
                if is_for_all(&request) {
                    gather.ask();
                }
                host.dispatch(peer, request).await?;
            }
            () = overflowed.notified() => bail!("it does not read its replies"),
            reply = said.recv() => {
                let Said { thread, reply } = reply.context("the packet threads are gone")?;
                if let Some(reply) = gather.hear(thread, reply) {
                    tell(&mut sender, reply).await?;
                }
            }
        }
    }
}

/// A connection that is gone is the end, not an error.
fn ended(frame: Result<Option<Bytes>, LinkError>) -> Result<Option<Bytes>> {
    match frame {
        Ok(frame) => Ok(frame),
        Err(LinkError::Closed(reason)) => {
            tracing::debug!(reason, "a control connection is closed");
            Ok(None)
        }
        Err(error) => Err(error).context("reading a request"),
    }
}

async fn tell(sender: &mut FrameSender, reply: Reply) -> Result<()> {
    let frame = encode(&ToClient::Reply(reply))?;
    sender.send(frame.into()).await.context("sending a reply")
}

async fn greet(
    connection: &Connection,
    host: &Host,
) -> Result<(FrameSender, FrameReceiver, NodeName)> {
    let Incoming::Both(mut sender, mut receiver) = connection.accept().await? else {
        bail!("its stream goes one way only");
    };
    let frame = receiver.recv().await?.context("it left without a hello")?;
    let ToServer::Hello(hello) = decode(&frame)? else {
        bail!("it began without a hello")
    };
    let version = agree(&hello);
    let answer = ServerHello {
        version: version.unwrap_or(0),
        node: host.node.clone(),
        instance: host.instance,
        load: host.shared.load(),
    };
    sender
        .send(encode(&ToClient::Hello(answer))?.into())
        .await?;
    if version.is_none() {
        sender.finish();
        // The answer is to arrive before the connection ends.
        receiver.recv().await.ok();
        bail!(
            "it speaks versions {} to {} only",
            hello.oldest_version,
            hello.version
        );
    }
    Ok((sender, receiver, hello.node))
}
