//! Becoming a member: a machine shows a token and a key of its own, and gets a certificate and a number.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::connection::{Connection, Incoming};
use crate::{Credentials, Endpoint, JoinSecret, JoinToken, KeyRequest, LinkError, NodeId, Peer};

/// A join waits for a commit of the cluster.
const ENROL_TIMEOUT: Duration = Duration::from_secs(10);

/// What wants to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// A control node that will be reached at `address`.
    Node {
        /// Its name for people.
        name: String,
        /// Its cluster address.
        address: SocketAddr,
    },
    /// A media server.
    Media {
        /// Its name for people.
        name: String,
        /// Where it is controlled.
        address: SocketAddr,
    },
}

/// A request to join, as the cluster sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolment {
    /// The right to join.
    pub secret: JoinSecret,
    /// Who asks.
    pub subject: Subject,
    /// PKCS #10, DER: the key to certify, and the proof that the asker holds it.
    pub request: Vec<u8>,
}

/// A control node and where it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Which node.
    pub node: NodeId,
    /// Its cluster address.
    pub address: SocketAddr,
}

/// The cluster's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolled {
    /// The new member.
    pub peer: Peer,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// The authority's certificate, DER.
    pub authority: Vec<u8>,
    /// The control nodes.
    pub contacts: Vec<Contact>,
}

/// Joins the cluster of `token`: tries its addresses in turn. The same machine may ask again with the same token
/// and the same `key` when it did not get the answer.
pub async fn enrol(
    token: &JoinToken,
    subject: Subject,
    key: KeyRequest,
) -> Result<(Arc<Credentials>, Vec<Contact>), LinkError> {
    let enrolment = Enrolment {
        secret: token.secret.clone(),
        subject,
        request: key.request_der().to_vec(),
    };
    let mut last = LinkError::JoinRefused("the token names no address".to_owned());
    for address in &token.addresses {
        match ask(*address, token, &enrolment).await {
            Ok(enrolled) => {
                let credentials =
                    key.complete(enrolled.peer, enrolled.certificate, enrolled.authority)?;
                if credentials.fingerprint() != token.authority {
                    return Err(LinkError::Identity(
                        "another cluster's authority".to_owned(),
                    ));
                }
                return Ok((Arc::new(credentials), enrolled.contacts));
            }
            Err(error @ LinkError::JoinRefused(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(%address, %error, "cannot join there");
                last = error;
            }
        }
    }
    Err(last)
}

async fn ask(
    address: SocketAddr,
    token: &JoinToken,
    enrolment: &Enrolment,
) -> Result<Enrolled, LinkError> {
    let endpoint = Endpoint::stranger(address)?;
    let connection = endpoint.connect_to_join(address, token.authority).await?;
    let answer = connection.request(encode(enrolment), ENROL_TIMEOUT).await;
    connection.close("done");
    let answer: Result<Enrolled, String> = decode(&answer?)?;
    answer.map_err(LinkError::JoinRefused)
}

/// Answers one machine that wants to join: `decide` asks the cluster.
pub async fn serve_enrolment<F>(
    connection: Connection,
    decide: impl FnOnce(Enrolment) -> F,
) -> Result<(), LinkError>
where
    F: Future<Output = Result<Enrolled, String>>,
{
    let serve = async {
        let Incoming::Both(mut sender, mut receiver) = connection.accept().await? else {
            return Err(LinkError::Malformed("a join needs an answer".to_owned()));
        };
        let frame = receiver.recv().await?;
        let frame = frame.ok_or_else(|| LinkError::Closed("no request".to_owned()))?;
        let answer = decide(decode(&frame)?).await;
        sender.send(encode(&answer)).await?;
        sender.finish();
        connection.closed().await;
        Ok(())
    };
    let served = tokio::time::timeout(ENROL_TIMEOUT, serve).await;
    connection.close("done");
    served.unwrap_or(Err(LinkError::Timeout))
}

fn encode(value: &impl Serialize) -> Bytes {
    rmp_serde::to_vec_named(value)
        .expect("join messages have no map with foreign keys")
        .into()
}

fn decode<'a, T: Deserialize<'a>>(frame: &'a [u8]) -> Result<T, LinkError> {
    rmp_serde::from_slice(frame).map_err(|error| LinkError::Malformed(error.to_string()))
}
