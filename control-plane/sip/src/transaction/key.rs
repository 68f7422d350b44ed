//! Names of transactions, and the node that a branch or a tag of ours belongs to.

use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use carillon_model::NodeId;
use serde::{Deserialize, Serialize};

use crate::{Message, Method, Via};

/// What every branch of RFC 3261 begins with.
const MAGIC_COOKIE: &str = "z9hG4bK";
/// What the tags of our nodes begin with.
const TAG_PREFIX: &str = "cn";

/// A client transaction; the user of the layer chooses it, at random, so that no two processes choose the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientKey(pub u64);

/// A server transaction, by what its requests have in common (RFC 3261 §17.2.3). The same on every node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerKey(Arc<str>);

impl ServerKey {
    /// The transaction of a request; for an ACK that of its INVITE. Nothing for a response or a request without a
    /// readable Via.
    pub fn of(request: &Message) -> Option<Self> {
        let method = request.method()?;
        let method = if *method == Method::Ack {
            &Method::Invite
        } else {
            method
        };
        Self::with_method(request, &request.via().ok()?, method)
    }

    /// The transaction of the INVITE that a CANCEL is about (RFC 3261 §9.2).
    pub fn cancelled_by(cancel: &Message) -> Option<Self> {
        Self::with_method(cancel, &cancel.via().ok()?, &Method::Invite)
    }

    fn with_method(request: &Message, via: &Via, method: &Method) -> Option<Self> {
        let mut key = String::with_capacity(96);
        let (host, port) = (via.sent_by().to_ascii_lowercase(), via.port_or_default());
        match via.branch().filter(|branch| has_cookie(branch)) {
            Some(branch) => write!(key, "{branch} {host}:{port} {method}"),
            None => {
                // RFC 2543 peers: the To tag is left out, because an ACK has one that its INVITE had not.
                let from = request.from().ok()?;
                let cseq = request.cseq().ok()?.number;
                let (uri, call_id) = (request.uri()?.as_str(), request.call_id()?);
                let tag = from.tag().unwrap_or_default();
                let branch = via.branch().unwrap_or_default();
                write!(
                    key,
                    "{branch} {host}:{port} {method} {cseq} {tag} {uri} {call_id}"
                )
            }
        }
        .expect("a String takes everything");
        Some(Self(key.into()))
    }
}

fn has_cookie(branch: &str) -> bool {
    branch.len() > MAGIC_COOKIE.len()
        && branch
            .get(..MAGIC_COOKIE.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE))
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The branch of a request of ours.
pub fn branch(node: NodeId, key: ClientKey) -> String {
    format!("{MAGIC_COOKIE}{:x}.{:016x}", node.0, key.0)
}

/// The node that wrote a branch, and its transaction. A hint: anybody can write such a branch.
pub fn branch_owner(branch: &str) -> Option<(NodeId, ClientKey)> {
    let (node, key) = branch.strip_prefix(MAGIC_COOKIE)?.split_once('.')?;
    let key = (key.len() == 16).then(|| u64::from_str_radix(key, 16).ok())??;
    Some((NodeId(u64::from_str_radix(node, 16).ok()?), ClientKey(key)))
}

/// A tag of ours: `random` is the part that nobody can guess.
pub fn tag(node: NodeId, random: &str) -> String {
    format!("{TAG_PREFIX}{:x}.{random}", node.0)
}

/// The node that wrote a tag. A hint: anybody can write such a tag.
pub fn tag_owner(tag: &str) -> Option<NodeId> {
    let (node, _) = tag.strip_prefix(TAG_PREFIX)?.split_once('.')?;
    u64::from_str_radix(node, 16).ok().map(NodeId)
}
