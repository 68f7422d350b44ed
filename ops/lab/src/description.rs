//! `lab.json`: what runs where. Scripts and tests read it, the lab's own commands too.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// A lab that was started.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Lab {
    pub control: Vec<Control>,
    pub media: Vec<Media>,
    /// Hosts for phones; only with namespaces.
    #[serde(default)]
    pub phones: Vec<Phone>,
    pub admin: Admin,
    /// The cluster's authority, a PEM file.
    pub ca: PathBuf,
    /// The first half of every address.
    pub net: String,
    #[serde(default)]
    pub namespaces: bool,
    /// The process that keeps the user namespace, where the lab was started without root.
    #[serde(default)]
    pub holder: Option<u32>,
}

/// A control node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Control {
    pub name: String,
    pub address: Ipv4Addr,
    /// The address that another node takes over when this one goes; with --floating only.
    #[serde(default)]
    pub floating: Option<Ipv4Addr>,
    pub pid: u32,
    /// `address:port` of SIP over UDP and TCP.
    pub sip: String,
    /// Base URL of the REST interface.
    pub api: String,
    /// URL of the metrics.
    pub metrics: String,
}

/// A media server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Media {
    pub name: String,
    pub address: Ipv4Addr,
    pub pid: u32,
    /// URL of the metrics.
    pub metrics: String,
}

/// A host on which a phone can run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Phone {
    pub name: String,
    pub address: Ipv4Addr,
}

/// The account that the cluster made at its first start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Admin {
    pub user: String,
    pub password: String,
}

impl Lab {
    /// Reads the lab of a folder.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("lab.json");
        let text = fs::read(&path).with_context(|| {
            format!(
                "read {}; `carillon lab up --dir {}` starts a lab there",
                path.display(),
                dir.display()
            )
        })?;
        serde_json::from_slice(&text).with_context(|| format!("understand {}", path.display()))
    }

    /// A reader sees the old file or the new one, never half of it.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let partial = dir.join("lab.json.partial");
        fs::write(&partial, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("write {}", partial.display()))?;
        fs::rename(&partial, dir.join("lab.json")).context("name lab.json")
    }

    /// The process id of a node, to read and to set.
    pub(crate) fn pid_mut(&mut self, name: &str) -> Result<&mut u32> {
        let control = self
            .control
            .iter_mut()
            .map(|node| (&node.name, &mut node.pid));
        let media = self
            .media
            .iter_mut()
            .map(|server| (&server.name, &mut server.pid));
        match control.chain(media).find(|(known, _)| *known == name) {
            Some((_, pid)) => Ok(pid),
            None => bail!("{name} is none of the lab's processes"),
        }
    }

    /// Name and process id of every process.
    pub fn processes(&self) -> impl Iterator<Item = (&str, u32)> {
        let control = self
            .control
            .iter()
            .map(|node| (node.name.as_str(), node.pid));
        control.chain(
            self.media
                .iter()
                .map(|server| (server.name.as_str(), server.pid)),
        )
    }

    /// Name and address of every host.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, Ipv4Addr)> {
        let control = self
            .control
            .iter()
            .map(|node| (node.name.as_str(), node.address));
        let media = self
            .media
            .iter()
            .map(|server| (server.name.as_str(), server.address));
        let phones = self
            .phones
            .iter()
            .map(|phone| (phone.name.as_str(), phone.address));
        control.chain(media).chain(phones)
    }

    pub(crate) fn address(&self, name: &str) -> Result<Ipv4Addr> {
        match self.hosts().find(|(known, _)| *known == name) {
            Some((_, address)) => Ok(address),
            None => bail!("{name} is none of the lab's hosts"),
        }
    }
}
