//! Control nodes.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Epoch, FloatingAddress, NodeId, Transport};

/// Where a node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// On its way in.
    #[default]
    Joining,
    /// Takes calls.
    Active,
    /// Takes no new calls and lets its own finish.
    Draining,
    /// Said goodbye.
    Left,
}

/// An address at which a node takes SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipListener {
    /// By what.
    pub transport: Transport,
    /// Where, as others see it.
    pub address: SocketAddr,
}

/// A control node as it describes itself to the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlNode {
    /// Its Raft id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Its address towards phones.
    pub address: IpAddr,
    /// Where it takes SIP.
    #[serde(default)]
    pub sip: Vec<SipListener>,
    /// The address that others hold while it is away.
    #[serde(default)]
    pub floating: Option<FloatingAddress>,
    /// Where it takes HTTPS.
    #[serde(default)]
    pub api: Option<SocketAddr>,
    /// Where the other nodes reach it.
    pub cluster: SocketAddr,
    /// Where it stands.
    #[serde(default)]
    pub state: NodeState,
    /// Grows with every start of its process; written by apply.
    #[serde(default)]
    pub epoch: Epoch,
    /// The version it runs.
    #[serde(default)]
    pub version: String,
}
