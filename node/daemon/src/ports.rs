//! Which ports are open, for people and for tests.

use std::net::SocketAddr;

use serde::Serialize;

use crate::greeting::say;

/// The open ports of a node.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Ports {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sip: Vec<Sip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dns: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_control: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metrics: Option<SocketAddr>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Sip {
    pub(crate) transport: &'static str,
    pub(crate) address: SocketAddr,
}

impl Ports {
    pub(crate) fn print(&self) {
        let line = serde_json::to_string(self).expect("addresses are plain data");
        say(&format!("{line}\n"));
    }
}
