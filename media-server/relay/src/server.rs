//! The media server as a whole.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use carillon_link::{Credentials, Endpoint, Peer as Identity, Service};
use carillon_protocol::{Load, NodeName, Request};
use carillon_session::{Peer, Totals};
use carillon_telemetry::Metrics;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinHandle as TaskHandle;

use crate::config::Config;
use crate::conversation::{self, Host};
use crate::port_pool::Pools;
use crate::publish::{Reporter, Shared};
use crate::worker::{Command, Worker};

/// The server itself among those who ask.
const SELF: Peer = Peer(0);
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Descriptors that the process needs beside those for media.
const OTHER_DESCRIPTORS: u64 = 1024;
const STACK_OCTETS: usize = 256 * 1024;

/// A running media server. Dropping it stops it.
pub struct MediaServer {
    control: SocketAddr,
    endpoint: Endpoint,
    host: Arc<Host>,
    threads: Vec<JoinHandle<()>>,
    tasks: Vec<TaskHandle<()>>,
    reporter: Arc<Mutex<Reporter>>,
}

/// Where a media server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// By control nodes.
    pub control: SocketAddr,
    /// By phones.
    pub media: Vec<IpAddr>,
}

impl MediaServer {
    /// Binds the control port and starts the threads. To be called on a tokio runtime.
    pub async fn start(
        config: Config,
        credentials: Arc<Credentials>,
        metrics: Metrics,
    ) -> Result<Self> {
        let problems = config.problems();
        if !problems.is_empty() {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            bail!("the media settings cannot be used: {}", all.join("; "));
        }
        let Identity::Media(id) = credentials.peer() else {
            bail!(
                "a media server needs the certificate of one, this is that of {}",
                credentials.peer()
            );
        };
        let seed = getrandom::u64().context("asking the system for randomness")?;
        let count = thread_count(config.threads);
        let shared = Arc::new(Shared::new(Pools::new(&config, seed), count));
        raise_descriptor_limit(&shared);
        let endpoint = Endpoint::bind(config.control, credentials, &[Service::Media])
            .with_context(|| format!("binding {} for media control", config.control))?;
        let control = endpoint.local_address()?;
        let began = Instant::now();
        let (mut threads, mut mailboxes) = (Vec::new(), Vec::new());
        for index in 0..count {
            let (worker, mailbox) = Worker::new(
                index,
                config.limits(count),
                config.dscp,
                began,
                Arc::clone(&shared),
                metrics.clone(),
            )
            .context("preparing a packet thread")?;
            threads.push(spawn(index, worker, Arc::clone(&shared))?);
            mailboxes.push(mailbox);
        }
        let node = NodeName {
            id: id.into(),
            software: concat!("carillon ", env!("CARGO_PKG_VERSION")).into(),
        };
        let instance = getrandom::u64().context("asking the system for randomness")?;
        let host = Arc::new(Host {
            node,
            instance,
            shared: Arc::clone(&shared),
            threads: mailboxes,
        });
        let reporter = Arc::new(Mutex::new(Reporter::new(metrics)));
        let tasks = vec![
            tokio::spawn(conversation::accept(endpoint.clone(), Arc::clone(&host))),
            tokio::spawn(report(Arc::clone(&shared), Arc::clone(&reporter))),
            tokio::spawn(give_up_when_broken(endpoint.clone(), shared)),
        ];
        tracing::info!(%control, threads = count, "the media server is ready");
        Ok(Self {
            control,
            endpoint,
            host,
            threads,
            tasks,
            reporter,
        })
    }

    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            control: self.control,
            media: self.host.shared.pools.addresses().collect(),
        }
    }

    /// What has gone through since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.host.shared.totals()
    }

    #[must_use]
    pub fn load(&self) -> Load {
        self.host.shared.load()
    }

    /// Takes no new sessions and waits until the last one has ended. May be dropped: the server goes on draining.
    pub async fn drain(&self) {
        if self
            .host
            .broadcast(|| Command::Ask {
                peer: SELF,
                request: Request::Drain,
            })
            .await
            .is_err()
        {
            return;
        }
        loop {
            let emptied = self.host.shared.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            let load = self.load();
            if load.draining && load.sessions == 0 {
                return;
            }
            // Other threads may not have begun to drain when the first one tells that it is empty.
            tokio::time::timeout(REPORT_EVERY, emptied).await.ok();
        }
    }

    /// Ends all sessions and all connections.
    pub async fn shutdown(mut self) {
        self.tasks.iter().for_each(TaskHandle::abort);
        self.endpoint.close().await;
        self.host.broadcast(|| Command::Stop).await.ok();
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| drop(thread.join()));
        });
        joined.await.ok();
        report_once(&self.host.shared, &self.reporter);
    }
}

impl Drop for MediaServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(TaskHandle::abort);
        self.host.threads.iter().for_each(|thread| thread.stop());
    }
}

fn thread_count(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

fn spawn(index: usize, worker: Worker, shared: Arc<Shared>) -> Result<JoinHandle<()>> {
    let run = move || {
        let alarm = Alarm(shared);
        match worker.run() {
            Ok(()) => std::mem::forget(alarm),
            Err(error) => tracing::error!(%error, "a packet thread cannot go on"),
        }
    };
    std::thread::Builder::new()
        .name(format!("media-{index}"))
        .stack_size(STACK_OCTETS)
        .spawn(run)
        .context("starting a packet thread")
}

/// Goes off when a thread ends by an error or a panic.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.broken.notify_one();
    }
}

/// A server that has lost a thread has lost its sessions: control nodes are to see that it is gone.
async fn give_up_when_broken(endpoint: Endpoint, shared: Arc<Shared>) {
    shared.broken.notified().await;
    tracing::error!("a packet thread is gone; the media server goes out of duty");
    endpoint.close().await;
}

async fn report(shared: Arc<Shared>, reporter: Arc<Mutex<Reporter>>) {
    let mut every = tokio::time::interval(REPORT_EVERY);
    loop {
        every.tick().await;
        report_once(&shared, &reporter);
    }
}

fn report_once(shared: &Shared, reporter: &Mutex<Reporter>) {
    reporter
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .report(shared);
}

/// Each port is a descriptor; the usual limit of 1024 is for other programs.
fn raise_descriptor_limit(shared: &Shared) {
    let needed = 2 * shared.pools.pairs() as u64 + OTHER_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let possible = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(possible),
            maximum: limit.maximum,
        },
    );
    if raised.is_err() || possible < needed {
        tracing::warn!(
            possible,
            needed,
            "fewer descriptors than media ports; raise the limit of open files"
        );
    }
}
