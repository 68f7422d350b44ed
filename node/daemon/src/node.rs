//! One node from its start to its end.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use carillon_relay::MediaServer;
use carillon_telemetry::{Exposition, Metrics};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::config::{Config, Role};
use crate::control::Control;
use crate::data::DataFolder;
use crate::ports::Ports;
use crate::{exit, greeting, media};

/// How often a node asks itself whether its disk still works.
const DUTY_INTERVAL: Duration = Duration::from_millis(500);

/// What `/ready` says until the roles are up.
const STARTING: &str = "starting";

type Readiness = dyn Fn() -> Result<(), String> + Send + Sync;

/// Why a node ends.
enum End {
    Asked,
    OutOfDuty(String),
}

/// A node whose roles are up.
struct Node {
    control: Option<Control>,
    media: Option<MediaServer>,
    _data: DataFolder,
}

pub(crate) async fn run(config: Config, print_ports: bool) -> anyhow::Result<ExitCode> {
    let telemetry = carillon_telemetry::start(&config.telemetry, &config.name)?;
    raise_descriptor_limit();
    let outcome = serve(&config, print_ports).await;
    // The last spans leave on a thread that may wait.
    let _ = tokio::task::spawn_blocking(move || telemetry.shutdown()).await;
    outcome
}

async fn serve(config: &Config, print_ports: bool) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let metrics = Metrics::new();
    let ready: Arc<OnceLock<Box<Readiness>>> = Arc::default();
    let asked = Arc::clone(&ready);
    let readiness = move || match asked.get() {
        Some(readiness) => readiness(),
        None => Err(STARTING.to_owned()),
    };
    let exposition = Exposition::bind(
        config.telemetry.metrics,
        metrics.clone(),
        Arc::new(readiness),
    )
    .await?;
    let mut ports = Ports {
        metrics: Some(exposition.local_addr()?),
        ..Ports::default()
    };
    tokio::spawn(exposition.run());
    let node = tokio::select! {
        started = Node::start(config, &metrics, &mut ports) => started?,
        // Nothing is there yet that would have to be drained.
        () = signals.asked_to_end() => return Ok(ExitCode::SUCCESS),
    };
    // Set once: nobody else fills it.
    let _ = ready.set(node.readiness());
    if print_ports {
        ports.print();
    }
    greeting::greet(config, &ports, node.password());
    match node.duty(&mut signals).await {
        End::Asked => {
            node.leave(config, &mut signals).await;
            Ok(ExitCode::SUCCESS)
        }
        End::OutOfDuty(why) => {
            tracing::error!(why, "the node goes out of duty");
            Ok(ExitCode::from(exit::OUT_OF_DUTY))
        }
    }
}

impl Node {
    async fn start(config: &Config, metrics: &Metrics, ports: &mut Ports) -> anyhow::Result<Self> {
        let data = DataFolder::open(&config.data)?;
        if !config.has(Role::Control) {
            let server = media::start_alone(config, &data, metrics).await?;
            ports.media_control = Some(server.addresses().control);
            return Ok(Self {
                control: None,
                media: Some(server),
                _data: data,
            });
        }
        let control = Control::start(config, &data, metrics, ports).await?;
        let media = match config.has(Role::Media) {
            true => Some(media::start_beside(config, &data, &control.cluster, metrics).await?),
            false => None,
        };
        ports.media_control = media.as_ref().map(|server| server.addresses().control);
        Ok(Self {
            control: Some(control),
            media,
            _data: data,
        })
    }

    fn password(&self) -> Option<&str> {
        self.control
            .as_ref()
            .and_then(|control| control.password.as_deref())
    }

    fn readiness(&self) -> Box<Readiness> {
        match &self.control {
            Some(control) => {
                let cluster = control.cluster.clone();
                Box::new(move || Control::readiness(&cluster))
            }
            None => Box::new(|| Ok(())),
        }
    }

    /// Until somebody asks the node to end, or its disk does.
    async fn duty(&self, signals: &mut Signals) -> End {
        let mut look = tokio::time::interval(DUTY_INTERVAL);
        loop {
            tokio::select! {
                () = signals.asked_to_end() => return End::Asked,
                _ = look.tick() => {
                    let Some(control) = &self.control else { continue };
                    if let Some(why) = control.out_of_duty() {
                        return End::OutOfDuty(why);
                    }
                }
            }
        }
    }

    /// Nothing new, a while for what there is, then goodbye to the cluster.
    async fn leave(mut self, config: &Config, signals: &mut Signals) {
        tracing::info!("asked to end: others begin what is new from now on");
        let patience = Duration::from_secs(config.cluster.drain_s);
        let drained = tokio::select! {
            drained = timeout(patience, self.drain()) => drained.is_ok(),
            () = signals.asked_to_end() => false,
        };
        tracing::info!(drained, "stopping");
        if let Some(control) = self.control {
            control.stop().await;
        }
        if let Some(media) = self.media {
            media.shutdown().await;
        }
    }

    async fn drain(&mut self) {
        if let Some(control) = &mut self.control {
            control.drain().await;
        }
        if let Some(media) = &self.media {
            media.drain().await;
        }
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn asked_to_end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Each connection is a descriptor; the usual limit of 1024 is for other programs.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
