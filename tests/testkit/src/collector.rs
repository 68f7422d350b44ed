//! A collector of traces: OTLP over gRPC, as much of it as a test needs.

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// One octet says whether a message is compressed, four how long it is.
const GRPC_PREFIX: usize = 5;
/// Names the node in what it sends.
const NODE: &str = "service.instance.id";

/// A span as a node has sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// Which node.
    pub node: String,
    /// The trace id, in hexadecimal digits.
    pub trace: String,
    pub name: String,
}

/// Takes spans until it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: Spans,
    _runtime: Runtime,
}

#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<Collected>>>);

impl Collector {
    /// On a port of the system's choice.
    pub fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let spans = Spans::default();
        let taken = spans.clone();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, taken.clone()));
            }
        });
        Ok(Self {
            address,
            spans,
            _runtime: runtime,
        })
    }

    /// Where nodes find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Collected> {
        let spans = self.spans.0.lock();
        spans.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Ends with the connection; whoever sends nonsense ends it, and the test finds no spans.
async fn serve(socket: TcpStream, spans: Spans) -> Result<()> {
    let mut connection = h2::server::handshake(socket).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, answer) = accepted?;
        tokio::spawn(export(request, answer, spans.clone()));
    }
    Ok(())
}

async fn export(
    request: Request<h2::RecvStream>,
    mut answer: SendResponse<Bytes>,
    spans: Spans,
) -> Result<()> {
    let mut body = request.into_body();
    let mut octets = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        octets.extend_from_slice(&chunk);
    }
    let message = octets.get(GRPC_PREFIX..).context("a message of gRPC")?;
    spans.take(ExportTraceServiceRequest::decode(message)?);
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .body(())?;
    let mut stream = answer.send_response(head, false)?;
    stream.send_data(Bytes::from_static(&[0; GRPC_PREFIX]), false)?;
    let done = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    stream.send_trailers(done)?;
    Ok(())
}

impl Spans {
    fn take(&self, request: ExportTraceServiceRequest) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for of_node in request.resource_spans {
            let node = node(of_node.resource.unwrap_or_default());
            let spans = of_node
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans);
            known.extend(spans.map(|span| Collected {
                node: node.clone(),
                trace: hex::encode(&span.trace_id),
                name: span.name,
            }));
        }
    }
}

fn node(resource: Resource) -> String {
    let mut attributes = resource.attributes.into_iter();
    let named = attributes.find(|attribute| attribute.key == NODE);
    let value = named.and_then(|named| named.value?.value);
    match value {
        Some(Value::StringValue(name)) => name,
        Some(_) | None => String::new(),
    }
}
