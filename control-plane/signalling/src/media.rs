//! Connections to the media servers: one each, made again when it breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use carillon_cluster::Administration;
use carillon_link::{
    Connection, Credentials, Endpoint, FrameReceiver, FrameSender, LinkError, Peer, Service,
};
use carillon_model::{
    Command, MediaCommand, MediaServer, MediaServerId, MediaState, NodeId, SiteId, State,
};
use carillon_protocol as protocol;
use carillon_protocol::{ClientHello, NodeName, Reply, Request, ToClient, ToServer};
use carillon_telemetry::Metrics;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::limits::{MEDIA_QUEUE_REQUESTS_MAX, QUEUE_MESSAGES_MAX};
use crate::pulse::{Beat, Knocker, Pulse, TICK};

const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// Share of a site's sessions, and RTP ports, of a server of which nothing else is known.
const USUAL_WEIGHT: u32 = 100;
const USUAL_PORTS: (u16, u16) = (10_000, 20_000);
/// Nobody waits for the end of a session: it is asked for together with what is asked next, or at the next tick. So many are held back at most.
const RELEASES_MAX: usize = 64;
/// For the greeting after the handshake.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);

/// What media servers tell the brain.
#[derive(Debug)]
pub(crate) enum MediaEvent {
    Up(MediaServerId),
    /// And how long nothing had been heard of it.
    Down(MediaServerId, Duration),
    Reply(MediaServerId, Reply),
}

/// All media servers of the cluster, as this node is connected to them.
pub(crate) struct MediaServers {
    node: NodeId,
    callers: Callers,
    metrics: Metrics,
    events: mpsc::Sender<MediaEvent>,
    servers: BTreeMap<MediaServerId, Server>,
}

/// A port of ours towards media servers with IPv4 addresses and one towards those with IPv6, each once there is one.
struct Callers {
    credentials: Arc<Credentials>,
    ipv4: Option<Endpoint>,
    ipv6: Option<Endpoint>,
}

impl Callers {
    fn towards(&mut self, server: SocketAddr) -> Result<Endpoint, LinkError> {
        let known = match server {
            SocketAddr::V4(_) => &mut self.ipv4,
            SocketAddr::V6(_) => &mut self.ipv6,
        };
        if let Some(endpoint) = known {
            return Ok(endpoint.clone());
        }
        let endpoint = Endpoint::caller(server, Arc::clone(&self.credentials))?;
        Ok(known.insert(endpoint).clone())
    }
}

struct Server {
    described: Arc<MediaServer>,
    peer: Option<Peer>,
    requests: mpsc::Sender<Request>,
    _stop: DropGuard,
}

impl MediaServers {
    pub(crate) fn new(
        node: NodeId,
        credentials: Arc<Credentials>,
        metrics: Metrics,
    ) -> (Self, mpsc::Receiver<MediaEvent>) {
        let (events, received) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let servers = Self {
            node,
            callers: Callers {
                credentials,
                ipv4: None,
                ipv6: None,
            },
            metrics,
            events,
            servers: BTreeMap::new(),
        };
        (servers, received)
    }

    /// Connects to servers that are new in the state, leaves those that are gone or moved. The
    /// `administration` knows by which certificate a server was let in.
    pub(crate) fn follow(&mut self, state: &State, administration: &Administration) {
        let moved = |held: &Server, now: &MediaServer| {
            held.described.control != now.control || held.peer != identity(administration, now)
        };
        self.servers.retain(|id, held| {
            let now = state.media_servers().get(id);
            now.is_some_and(|now| !moved(held, now))
        });
        for described in state.media_servers().values() {
            if self.servers.contains_key(&described.id) {
                continue;
            }
            let Some(peer) = identity(administration, described) else {
                continue;
            };
            let endpoint = match self.callers.towards(described.control) {
                Ok(endpoint) => endpoint,
                Err(error) => {
                    tracing::debug!(server = %described.name, %error, "no port towards it");
                    continue;
                }
            };
            let (requests, queue) = mpsc::channel(MEDIA_QUEUE_REQUESTS_MAX);
            let stop = CancellationToken::new();
            let keeper = Keeper {
                node: self.node,
                server: Arc::clone(described),
                peer,
                endpoint,
                metrics: self.metrics.clone(),
                events: self.events.clone(),
            };
            let stopped = stop.clone();
            tokio::spawn(async move {
                let _ = stopped.run_until_cancelled_owned(keeper.keep(queue)).await;
            });
            let server = Server {
                described: Arc::clone(described),
                peer: Some(peer),
                requests,
                _stop: stop.drop_guard(),
            };
            self.servers.insert(described.id, server);
        }
    }

    /// Sends a request; without a connection it is lost, and the brain knows that the server is down.
    pub(crate) fn request(&self, server: MediaServerId, request: Request) {
        let Some(known) = self.servers.get(&server) else {
            tracing::debug!(%server, "request to a media server that is not there");
            return;
        };
        if known.requests.try_send(request).is_err() {
            tracing::warn!(%server, "a media server is too slow: request dropped");
        }
    }
}

/// Which certificate the server of this name has: the last one that was let in by it.
fn identity(administration: &Administration, server: &MediaServer) -> Option<Peer> {
    let known = administration
        .media
        .iter()
        .rev()
        .find(|(_, member)| member.name == server.name);
    known.map(|(id, _)| Peer::Media(*id))
}

/// Commands that make servers known which were let in and are in no site yet.
pub(crate) fn unannounced(state: &State, administration: &Administration) -> Vec<Command> {
    let mut names = BTreeSet::new();
    let unknown = administration.media.values().rev().filter(|member| {
        names.insert(&member.name) && state.media_server_by_name(&member.name).is_none()
    });
    let announced = unknown.map(|member| MediaServer {
        id: MediaServerId(0),
        name: member.name.clone(),
        site: SiteId(0),
        control: member.address,
        address: member.address.ip(),
        address_v6: None,
        weight: USUAL_WEIGHT,
        ports: USUAL_PORTS,
        state: MediaState::Active,
    });
    announced
        .map(|server| Command::Media(MediaCommand::Put(server)))
        .collect()
}

/// Keeps one connection.
struct Keeper {
    node: NodeId,
    server: Arc<MediaServer>,
    peer: Peer,
    endpoint: Endpoint,
    metrics: Metrics,
    events: mpsc::Sender<MediaEvent>,
}

impl Keeper {
    async fn keep(self, mut requests: mpsc::Receiver<Request>) {
        let mut backoff = FIRST_BACKOFF;
        while !requests.is_closed() {
            match self.greet().await {
                Ok((connection, sender, receiver, drains)) => {
                    backoff = FIRST_BACKOFF;
                    // What was asked of the connection before belongs to nobody any more.
                    while requests.try_recv().is_ok() {}
                    tracing::info!(server = %self.server.name, "media server connected");
                    self.metrics.media.servers_connected.increment();
                    self.tell(MediaEvent::Up(self.server.id)).await;
                    if drains {
                        let event = protocol::Event::Draining { sessions: 0 };
                        self.tell(MediaEvent::Reply(self.server.id, Reply::Event(event)))
                            .await;
                    }
                    let mut pulse = Pulse::new(Instant::now());
                    let end = self
                        .converse(sender, receiver, &mut requests, &mut pulse)
                        .await;
                    connection.close("conversation over");
                    self.metrics.media.servers_connected.decrement();
                    if let Err(error) = end {
                        tracing::warn!(server = %self.server.name, "media server lost: {error:#}");
                    }
                    let silent = pulse.silent(Instant::now());
                    self.tell(MediaEvent::Down(self.server.id, silent)).await;
                }
                Err(error) => {
                    tracing::debug!(server = %self.server.name, "no media server: {error:#}");
                }
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    /// Connects; says at last whether the server is about to stop.
    async fn greet(&self) -> anyhow::Result<(Connection, FrameSender, FrameReceiver, bool)> {
        let connection = self
            .endpoint
            .connect(self.server.control, self.peer, Service::Media)
            .await?;
        let (mut sender, mut receiver) = connection.open().await?;
        let hello = ToServer::Hello(ClientHello {
            version: protocol::VERSION,
            oldest_version: protocol::OLDEST_VERSION,
            node: NodeName {
                id: self.node.0,
                software: concat!("carillon/", env!("CARGO_PKG_VERSION")).to_owned(),
            },
        });
        sender.send(encoded(&hello)?).await?;
        let answer = timeout(HELLO_TIMEOUT, receiver.recv())
            .await
            .context("wait for the greeting")??
            .context("the media server closed the stream")?;
        match protocol::decode::<ToClient>(&answer)? {
            ToClient::Hello(hello) if hello.version == 0 => {
                bail!("the media server speaks no version of ours")
            }
            ToClient::Hello(hello) => Ok((connection, sender, receiver, hello.load.draining)),
            ToClient::Reply(_) => bail!("the media server did not greet"),
        }
    }

    /// Until the connection breaks, the server falls silent, or nobody needs it any more.
    async fn converse(
        &self,
        mut sender: FrameSender,
        mut receiver: FrameReceiver,
        requests: &mut mpsc::Receiver<Request>,
        pulse: &mut Pulse,
    ) -> anyhow::Result<()> {
        let knocker = Knocker::new(self.server.control).await?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut releases = Vec::new();
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(release @ Request::Release { .. }) if releases.len() < RELEASES_MAX => {
                        releases.push(release);
                    }
                    Some(request) => {
                        self.ask_all(&mut sender, &mut releases).await?;
                        self.ask(&mut sender, request).await?;
                    }
                    None => return self.ask_all(&mut sender, &mut releases).await,
                },
                frame = receiver.recv() => match frame? {
                    Some(frame) => {
                        pulse.heard(Instant::now());
                        self.hear(&frame).await?;
                    }
                    None => bail!("the media server closed the stream"),
                },
                refused = knocker.refused() => return Err(refused).context("its port is closed"),
                _ = ticks.tick() => {
                    self.ask_all(&mut sender, &mut releases).await?;
                    match pulse.feel(Instant::now()) {
                        Beat::Ask => {
                            knocker.knock();
                            self.ask(&mut sender, Request::Ping).await?;
                        }
                        Beat::Wait => {}
                        Beat::Gone(silent) => {
                            bail!("it has been silent for {} ms", silent.as_millis())
                        }
                    }
                }
            }
        }
    }

    async fn ask_all(
        &self,
        sender: &mut FrameSender,
        requests: &mut Vec<Request>,
    ) -> anyhow::Result<()> {
        for request in requests.drain(..) {
            self.ask(sender, request).await?;
        }
        Ok(())
    }

    async fn ask(&self, sender: &mut FrameSender, request: Request) -> anyhow::Result<()> {
        sender.send(encoded(&ToServer::Request(request))?).await?;
        Ok(())
    }

    async fn hear(&self, frame: &Bytes) -> anyhow::Result<()> {
        match protocol::decode::<ToClient>(frame)? {
            ToClient::Reply(Reply::Pong(_)) => {}
            ToClient::Reply(reply) => self.tell(MediaEvent::Reply(self.server.id, reply)).await,
            ToClient::Hello(_) => bail!("the media server greeted twice"),
        }
        Ok(())
    }

    async fn tell(&self, event: MediaEvent) {
        // Fails only when the brain has stopped.
        let _ = self.events.send(event).await;
    }
}

fn encoded(message: &ToServer) -> anyhow::Result<Bytes> {
    Ok(Bytes::from(protocol::encode(message)?))
}
