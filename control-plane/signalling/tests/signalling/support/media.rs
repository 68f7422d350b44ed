//! A media server that makes every session so, without a packet.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use carillon_link::{Endpoint, Incoming, Service};
use carillon_protocol::{
    Load, Local, NodeName, Reply, Request, ServerHello, ToClient, ToServer, VERSION, decode, encode,
};
use tokio::sync::mpsc;

use super::Node;

/// Starts one, lets it into the cluster, and returns what is asked of it.
pub async fn start(node: &Node, name: &str) -> mpsc::UnboundedReceiver<Request> {
    let probe = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = probe.local_addr().unwrap();
    let credentials = node.cluster.enrol_media(name, address).await.unwrap();
    let endpoint = Endpoint::on_socket(probe, Arc::clone(&credentials), &[Service::Media]).unwrap();
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(accepting) = endpoint.accept().await {
            let asked = asked.clone();
            tokio::spawn(async move {
                let connection = accepting.establish().await.unwrap();
                if let Ok(Incoming::Both(sender, receiver)) = connection.accept().await {
                    converse(sender, receiver, asked).await;
                }
            });
        }
    });
    requests
}

async fn converse(
    mut sender: carillon_link::FrameSender,
    mut receiver: carillon_link::FrameReceiver,
    asked: mpsc::UnboundedSender<Request>,
) {
    while let Ok(Some(frame)) = receiver.recv().await {
        let answer = match decode::<ToServer>(&frame).unwrap() {
            ToServer::Hello(_) => ToClient::Hello(ServerHello {
                version: VERSION,
                node: NodeName {
                    id: 1,
                    software: "yes".to_owned(),
                },
                instance: 1,
                load: Load::default(),
            }),
            ToServer::Request(request) => {
                // It is pinged all the time, whatever the story is about.
                if request != Request::Ping {
                    let _ = asked.send(request.clone());
                }
                ToClient::Reply(answer(request))
            }
        };
        let frame = Bytes::from(encode(&answer).unwrap());
        if sender.send(frame).await.is_err() {
            return;
        }
    }
}

fn answer(request: Request) -> Reply {
    match request {
        Request::Put(descriptor) => Reply::Established {
            session: descriptor.session,
            revision: descriptor.revision,
            terminations: descriptor
                .terminations
                .iter()
                .map(|termination| {
                    let port = 20_000 + 2 * u16::from(termination.id);
                    Local {
                        id: termination.id,
                        rtp: SocketAddr::from(([127, 0, 0, 1], port)),
                        rtcp: SocketAddr::from(([127, 0, 0, 1], port + 1)),
                    }
                })
                .collect(),
        },
        Request::Release { session, .. } => Reply::Released {
            session,
            quality: Vec::new(),
        },
        Request::Inventory { .. } => Reply::Inventory {
            sessions: Vec::new(),
            more: false,
        },
        Request::Drain | Request::Resume | Request::Ping => Reply::Pong(Load::default()),
    }
}
