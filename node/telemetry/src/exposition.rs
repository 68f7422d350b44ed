use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Metrics;

/// More scrapers than this at once wait.
const CONNECTIONS_MAX: usize = 32;
const HEAD_OCTETS_MAX: usize = 8 * 1024;
/// One request and its answer.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether the node should be given work, or why not.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The HTTP port for Prometheus and for whoever places and restarts processes.
pub struct Exposition {
    listener: TcpListener,
    metrics: Metrics,
    ready: Readiness,
}

impl Exposition {
    pub async fn bind(
        address: SocketAddr,
        metrics: Metrics,
        ready: Readiness,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen for metrics on {address}"))?;
        Ok(Self {
            listener,
            metrics,
            ready,
        })
    }

    pub fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.listener
            .local_addr()
            .context("read the metrics address")
    }

    /// Serves until the task is dropped.
    pub async fn run(self) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let slot = Arc::clone(&slots)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a scraper could not be accepted");
                    // Out of file descriptors: they come back when others close.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let metrics = self.metrics.clone();
            let ready = Arc::clone(&self.ready);
            tokio::spawn(async move {
                let _ = timeout(EXCHANGE_TIMEOUT, exchange(stream, &metrics, &ready)).await;
                drop(slot);
            });
        }
    }
}

async fn exchange(
    mut stream: TcpStream,
    metrics: &Metrics,
    ready: &Readiness,
) -> std::io::Result<()> {
    let Some(path) = requested_path(&mut stream).await? else {
        return Ok(());
    };
    let (status, kind, body) = answer(&path, metrics, ready);
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}

/// Path of a GET; `None` when the peer left or talks something else.
async fn requested_path(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() >= HEAD_OCTETS_MAX || stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let text = String::from_utf8_lossy(&head);
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    let path = match (words.next(), words.next()) {
        (Some("GET" | "HEAD"), Some(target)) => target.split('?').next().map(str::to_owned),
        _ => None,
    };
    Ok(path)
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(
    path: &str,
    metrics: &Metrics,
    ready: &Readiness,
) -> (&'static str, &'static str, Vec<u8>) {
    match path {
        "/metrics" => (
            "200 OK",
            "text/plain; version=0.0.4; charset=utf-8",
            metrics.render(),
        ),
        "/live" => ("200 OK", TEXT, b"live\n".to_vec()),
        "/ready" => match ready() {
            Ok(()) => ("200 OK", TEXT, b"ready\n".to_vec()),
            Err(reason) => (
                "503 Service Unavailable",
                TEXT,
                format!("{reason}\n").into_bytes(),
            ),
        },
        _ => ("404 Not Found", TEXT, b"/metrics, /live, /ready\n".to_vec()),
    }
}
