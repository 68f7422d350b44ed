//! Connections that peers open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use carillon_model::Transport;
use carillon_telemetry::metrics::Refusal;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::connections::Admitted;
use crate::limits::FIRST_MESSAGE_TIMEOUT;
use crate::sockets::Sockets;
use crate::stream;

/// Out of file descriptors: they come back when others close.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Accepts until the task is dropped.
pub(crate) async fn accept(
    sockets: Arc<Sockets>,
    listener: TcpListener,
    transport: Transport,
    local: SocketAddr,
) {
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                continue;
            }
        };
        if sockets.is_silenced(peer.ip()) {
            continue;
        }
        let admitted = sockets.connections().admit(transport, local, peer);
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                sockets.metrics.sip.refused(refusal).increment();
                continue;
            }
        };
        sockets.count_connections(transport);
        let _ = socket.set_nodelay(true);
        tokio::spawn(serve(Arc::clone(&sockets), socket, transport, admitted));
    }
}

async fn serve(sockets: Arc<Sockets>, socket: TcpStream, transport: Transport, admitted: Admitted) {
    let acceptor = match transport {
        Transport::Tls => sockets.tls.acceptor.clone(),
        Transport::Tcp | Transport::Udp => None,
    };
    let Some(acceptor) = acceptor else {
        return stream::serve(sockets, socket, admitted).await;
    };
    let handshake = tokio::select! {
        handshake = timeout(FIRST_MESSAGE_TIMEOUT, acceptor.accept(socket)) => handshake,
        () = admitted.cut.cancelled() => return stream::failed(&sockets, &admitted, Refusal::Handshake).await,
    };
    match handshake {
        Ok(Ok(encrypted)) => stream::serve(sockets, encrypted, admitted).await,
        Ok(Err(_)) | Err(_) => stream::failed(&sockets, &admitted, Refusal::Handshake).await,
    }
}
