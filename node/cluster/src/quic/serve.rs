//! Takes connections and streams of other nodes, and of machines that want to join.

use std::sync::Arc;

use carillon_link::{
    Connection, Endpoint, Enrolled, Enrolment, FrameReceiver, FrameSender, Incoming, LinkError,
    NodeId, Peer, Service, serve_enrolment,
};
use futures_util::{StreamExt, stream};

use super::peers::QuicTransport;
use super::{snapshot, tell};
use crate::Replicated;
use crate::message::{Kind, Message};
use crate::replica::Replica;
use openraft_rt_tokio::TokioRuntime;

/// Machines that ask to join at the same time.
const MAX_JOINING: usize = 16;

type Node<M> = Replica<M, TokioRuntime, QuicTransport>;

/// Serves until the endpoint is closed. `enrol` asks the cluster about a machine that wants to join.
pub(crate) async fn serve<M, E, F>(endpoint: Endpoint, replica: Node<M>, enrol: E)
where
    M: Replicated,
    E: Fn(Enrolment) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Enrolled, String>> + Send + 'static,
{
    let joining = Arc::new(tokio::sync::Semaphore::new(MAX_JOINING));
    while let Some(accepting) = endpoint.accept().await {
        let (replica, enrol, joining) = (replica.clone(), enrol.clone(), joining.clone());
        tokio::spawn(async move {
            let connection = match accepting.establish().await {
                Ok(connection) => connection,
                Err(error) => return tracing::debug!(%error, "a caller was turned away"),
            };
            match (connection.service(), connection.peer()) {
                (Service::Join, _) => {
                    let Ok(_permit) = joining.try_acquire() else {
                        return connection.close("too many machines are joining");
                    };
                    if let Err(error) = serve_enrolment(connection, enrol).await {
                        tracing::debug!(%error, "a join ended early");
                    }
                }
                (Service::Cluster, Some(Peer::Node(from))) => {
                    serve_node(connection, from, replica).await
                }
                (Service::Cluster | Service::Media, _) => {
                    connection.close("this is for control nodes")
                }
            }
        });
    }
}

async fn serve_node<M: Replicated>(connection: Connection, from: NodeId, replica: Node<M>) {
    loop {
        if replica.administration().expelled.contains(&from) {
            tracing::warn!(%from, address = %connection.remote_address(), "a removed node calls");
            return connection.close("this node was removed from the cluster");
        }
        let replica = replica.clone();
        match connection.accept().await {
            Ok(Incoming::Both(sender, receiver)) => {
                tokio::spawn(async move {
                    if let Err(error) = serve_stream(from, replica, sender, receiver).await {
                        tracing::debug!(%from, %error, "a stream ended early");
                    }
                });
            }
            Ok(Incoming::OneWay(receiver)) => {
                tokio::spawn(async move {
                    if let Err(error) = tell::receive(from, &replica, receiver).await {
                        tracing::debug!(%from, %error, "messages ended early");
                    }
                });
            }
            Err(error) => return tracing::debug!(%from, %error, "a connection ended"),
        }
    }
}

async fn serve_stream<M: Replicated>(
    from: NodeId,
    replica: Node<M>,
    mut sender: FrameSender,
    mut receiver: FrameReceiver,
) -> Result<(), LinkError> {
    let malformed = || LinkError::Malformed("a message that this version does not know".to_owned());
    let Some(frame) = receiver.recv().await? else {
        return Ok(());
    };
    let message = Message::from_frame(frame).ok_or_else(malformed)?;
    match message.kind {
        Kind::AppendStream => serve_append(from, &replica, sender, receiver).await,
        Kind::Snapshot => {
            snapshot::receive(&replica, from, message.body, &mut sender, &mut receiver).await
        }
        Kind::Append
        | Kind::Vote
        | Kind::PreVote
        | Kind::TransferLeader
        | Kind::Propose
        | Kind::Change
        | Kind::Read
        | Kind::Ask
        | Kind::Tell => {
            let answer = replica.serve(from, message).await.ok_or_else(malformed)?;
            sender.send(answer).await?;
            sender.finish();
            Ok(())
        }
    }
}

async fn serve_append<M: Replicated>(
    from: NodeId,
    replica: &Node<M>,
    mut sender: FrameSender,
    receiver: FrameReceiver,
) -> Result<(), LinkError> {
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let frame = receiver.recv().await.ok().flatten()?;
        Some((frame, receiver))
    });
    let mut answers = std::pin::pin!(replica.append_stream(from, frames));
    while let Some(answer) = answers.next().await {
        sender.send(answer).await?;
    }
    sender.finish();
    Ok(())
}
