//! One connection to a known peer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rustls_pki_types::CertificateDer;

use crate::frame::{FrameReceiver, FrameSender};
use crate::{LinkError, Peer, Service};

/// A stream that the peer opened.
pub enum Incoming {
    /// Frames both ways: a request to answer, or a longer conversation.
    Both(FrameSender, FrameReceiver),
    /// Frames from the peer only.
    OneWay(FrameReceiver),
}

/// A connection to a peer whose identity has been verified. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    inner: quinn::Connection,
    peer: Option<Peer>,
    service: Service,
}

impl Connection {
    pub(crate) fn new(inner: quinn::Connection) -> Result<Self, LinkError> {
        let alpn = inner
            .handshake_data()
            .and_then(|data| data.downcast::<quinn::crypto::rustls::HandshakeData>().ok())
            .and_then(|data| data.protocol)
            .unwrap_or_default();
        let service = Service::of_alpn(&alpn)
            .ok_or_else(|| LinkError::Identity("the peer speaks no service of ours".to_owned()))?;
        let certificates = inner
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
        let peer = match certificates.as_deref().map(Vec::as_slice) {
            Some([leaf, ..]) => Some(Peer::of_certificate(leaf)?),
            _ => None,
        };
        if peer.is_none() && service != Service::Join {
            return Err(LinkError::Identity(
                "the peer shows no certificate".to_owned(),
            ));
        }
        Ok(Self {
            inner,
            peer,
            service,
        })
    }

    /// The peer's identity; `None` only for a machine that wants to join.
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// What the connection is for.
    pub fn service(&self) -> Service {
        self.service
    }

    /// The peer's address.
    pub fn remote_address(&self) -> SocketAddr {
        self.inner.remote_address()
    }

    /// Opens a stream for frames both ways.
    pub async fn open(&self) -> Result<(FrameSender, FrameReceiver), LinkError> {
        let (sender, receiver) = self.inner.open_bi().await.map_err(LinkError::closed)?;
        let limit = self.service.frame_limit();
        Ok((
            FrameSender::new(sender, limit),
            FrameReceiver::new(receiver, limit),
        ))
    }

    /// Opens a stream for frames to the peer.
    pub async fn open_one_way(&self) -> Result<FrameSender, LinkError> {
        let sender = self.inner.open_uni().await.map_err(LinkError::closed)?;
        Ok(FrameSender::new(sender, self.service.frame_limit()))
    }

    /// One request and its answer, on a stream of their own.
    pub async fn request(&self, request: Bytes, timeout: Duration) -> Result<Bytes, LinkError> {
        let exchange = async {
            let (mut sender, mut receiver) = self.open().await?;
            sender.send(request).await?;
            sender.finish();
            let answer = receiver.recv().await?;
            answer.ok_or_else(|| LinkError::Closed("the peer gave no answer".to_owned()))
        };
        tokio::time::timeout(timeout, exchange)
            .await
            .unwrap_or(Err(LinkError::Timeout))
    }

    /// The next stream that the peer opens.
    pub async fn accept(&self) -> Result<Incoming, LinkError> {
        let limit = self.service.frame_limit();
        tokio::select! {
            both = self.inner.accept_bi() => {
                let (sender, receiver) = both.map_err(LinkError::closed)?;
                Ok(Incoming::Both(FrameSender::new(sender, limit), FrameReceiver::new(receiver, limit)))
            }
            one_way = self.inner.accept_uni() => {
                let receiver = one_way.map_err(LinkError::closed)?;
                Ok(Incoming::OneWay(FrameReceiver::new(receiver, limit)))
            }
        }
    }

    /// Why the connection ended, if it has.
    pub fn close_reason(&self) -> Option<String> {
        self.inner.close_reason().map(|reason| reason.to_string())
    }

    /// Waits for the end.
    pub async fn closed(&self) {
        self.inner.closed().await;
    }

    /// Ends the connection.
    pub fn close(&self, reason: &str) {
        self.inner.close(0_u32.into(), reason.as_bytes());
    }
}
