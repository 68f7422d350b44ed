//! Connections that we open.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use carillon_model::{Flow, Transport};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::connections::Admitted;
use crate::limits::CONNECT_TIMEOUT;
use crate::sockets::{Inbound, NotSent, Sockets};
use crate::stream;

/// Begins to connect to the peer of `flow`; `first` and what follows wait in its queue.
pub(crate) fn dial(sockets: &Arc<Sockets>, flow: Flow, first: Bytes) -> Result<(), NotSent> {
    let local = sockets
        .listener(flow.transport, flow.peer)
        .unwrap_or(flow.local);
    let admitted = {
        let mut connections = sockets.connections();
        let admitted = connections
            .admit(flow.transport, local, flow.peer)
            .map_err(|_| NotSent)?;
        // A connection of our making is no stranger's.
        connections.settle(admitted.flow.connection);
        connections
            .write(admitted.flow.connection, first)
            .map_err(|_| NotSent)?;
        admitted
    };
    sockets.count_connections(flow.transport);
    tokio::spawn(connect(Arc::clone(sockets), flow, admitted));
    Ok(())
}

async fn connect(sockets: Arc<Sockets>, asked: Flow, admitted: Admitted) {
    let local = admitted.flow.local;
    let connecting = async {
        let socket = from_listener(local, asked.peer)?
            .connect(asked.peer)
            .await
            .with_context(|| format!("connect to {}", asked.peer))?;
        let _ = socket.set_nodelay(true);
        anyhow::Ok(socket)
    };
    let opened = match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(socket)) => match asked.transport {
            Transport::Tls => match encrypt(&sockets, socket, asked.peer).await {
                Ok(encrypted) => return stream::serve(sockets, encrypted, admitted).await,
                Err(error) => Err(error),
            },
            Transport::Tcp | Transport::Udp => {
                return stream::serve(sockets, socket, admitted).await;
            }
        },
        Ok(Err(error)) => Err(error),
        Err(late) => Err(late.into()),
    };
    if let Err(error) = opened as anyhow::Result<()> {
        tracing::debug!(peer = %asked.peer, "no connection: {error:#}");
    }
    sockets.connections().remove(admitted.flow.connection);
    sockets.count_connections(asked.transport);
    sockets.deliver(Inbound::SendFailed { flow: asked }).await;
}

/// A socket at the address of the listener, by which a carrier knows us; the port is any.
fn from_listener(local: SocketAddr, peer: SocketAddr) -> anyhow::Result<TcpSocket> {
    let socket = match peer {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.context("make a socket")?;
    if local.is_ipv4() == peer.is_ipv4() {
        socket
            .bind(SocketAddr::new(local.ip(), 0))
            .with_context(|| format!("connect from {}", local.ip()))?;
    }
    Ok(socket)
}

async fn encrypt(
    sockets: &Sockets,
    socket: TcpStream,
    peer: SocketAddr,
) -> anyhow::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let (connector, name) = sockets.tls.connector(peer);
    let encrypted = timeout(CONNECT_TIMEOUT, connector.connect(name, socket)).await??;
    Ok(encrypted)
}
