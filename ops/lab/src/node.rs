//! What the lab tells a node, and what it must learn from the first one.

use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::description::Admin;
use crate::namespace::{DEVICE, NET_BITS};
use crate::place::Kind;

const API_PORT: u16 = 8443;
const SIP_PORT: u16 = 5060;
const METRICS_PORT: u16 = 9464;

/// Authorities of carriers, as PEM, if whoever asked for the lab has put this file into its folder before.
const TRUSTED: &str = "trusted.pem";

/// The account that the first start makes.
const ADMIN: &str = "admin";
/// What the first start prints before the password.
const PASSWORD_LABEL: &str = "administrator password: ";

/// A cluster that takes a member in, or chooses a leader, may refuse for a while; it says so, and is asked again.
const TOKEN_WITHIN: Duration = Duration::from_secs(15);
const TOKEN_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// One machine of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    /// What others take over when it goes.
    pub(crate) floating: Option<Ipv4Addr>,
}

impl Node {
    pub(crate) fn api(&self) -> String {
        format!("https://{}:{API_PORT}", self.address)
    }

    pub(crate) fn sip(&self) -> String {
        format!("{}:{SIP_PORT}", self.address)
    }

    pub(crate) fn metrics(&self) -> String {
        format!("http://{}:{METRICS_PORT}/metrics", self.address)
    }

    /// Writes the file for `carillon node --config`. A join token makes it a member of a cluster that is there.
    pub(crate) fn write_config(&self, dir: &Path, join: Option<&str>) -> Result<()> {
        let role = match self.kind {
            Kind::Control => "control",
            Kind::Media => "media",
            Kind::Phone => bail!("{} is a phone and no node", self.name),
        };
        let mut text = String::new();
        writeln!(text, "name = {:?}", self.name)?;
        writeln!(text, "roles = [{role:?}]")?;
        writeln!(text, "data = {:?}", data(dir, &self.name))?;
        writeln!(text, "address = \"{}\"", self.address)?;
        if let Some(floating) = self.floating {
            writeln!(text, "\n[floating]\naddress = \"{floating}/{NET_BITS}\"")?;
            writeln!(text, "interface = {DEVICE:?}")?;
        }
        if let Some(token) = join {
            writeln!(text, "\n[cluster]\njoin = {token:?}")?;
        }
        let trusted = dir.join(TRUSTED);
        if self.kind == Kind::Control && trusted.exists() {
            writeln!(text, "\n[sip]\ntrusted = {trusted:?}")?;
        }
        let path = config(dir, &self.name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }
}

/// Where a node that listens at `address` answers `/ready`.
pub(crate) fn probe(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((address, METRICS_PORT))
}

pub(crate) fn config(dir: &Path, name: &str) -> PathBuf {
    dir.join("config").join(format!("{name}.toml"))
}

pub(crate) fn log(dir: &Path, name: &str) -> PathBuf {
    dir.join("logs").join(format!("{name}.log"))
}

fn data(dir: &Path, name: &str) -> PathBuf {
    dir.join("data").join(name)
}

/// The cluster's authority, as the first node leaves it in its data.
pub(crate) fn authority(dir: &Path, first: &Node) -> PathBuf {
    data(dir, &first.name).join("ca.pem")
}

/// The administrator's account: the first start of a cluster prints its password once, into the log here.
pub(crate) fn admin(dir: &Path, first: &Node) -> Result<Admin> {
    let path = log(dir, &first.name);
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let password = text
        .lines()
        .find_map(|line| line.split_once(PASSWORD_LABEL))
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .with_context(|| format!("find the administrator's password in {}", path.display()))?;
    Ok(Admin {
        user: ADMIN.to_owned(),
        password: password.to_owned(),
    })
}

/// `carillon ctl` as the administrator, towards one node.
pub(crate) fn ctl(program: &Path, node_api: &str, authority: &Path, admin: &Admin) -> Command {
    let mut command = Command::new(program);
    command
        .args(["ctl", "--url", node_api, "--ca"])
        .arg(authority)
        .env("CARILLON_USER", &admin.user)
        .env("CARILLON_PASSWORD", &admin.password);
    command
}

/// A fresh token, which lets one more machine in.
pub(crate) fn join_token(mut ctl: Command, node: &Node) -> Result<String> {
    let role = match node.kind {
        Kind::Control => "control",
        Kind::Media => "media",
        Kind::Phone => bail!("{} is a phone and no node", node.name),
    };
    ctl.args(["token", role]);
    let started = Instant::now();
    loop {
        let output = ctl
            .output()
            .context("ask the first node for a join token")?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        let refusal = format!("no join token for {}: {}", node.name, why.trim());
        if started.elapsed() >= TOKEN_WITHIN {
            bail!("{refusal}");
        }
        eprintln!("lab: {refusal}; asking again");
        thread::sleep(TOKEN_AGAIN_AFTER);
    }
}
