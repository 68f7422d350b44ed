//! Hosts of their own: network namespaces on a private bridge, made with `ip` of iproute2.

use anyhow::{Context, Result, bail};
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use crate::command::Signal;
use crate::place::Net;
use crate::process;

/// A link address that no host of the bridge has.
const NOBODY: &str = "02:00:00:00:00:fe";
/// A host's only interface, and the prefix of the net that all hosts are in.
pub(crate) const DEVICE: &str = "eth0";
pub(crate) const NET_BITS: u8 = 16;
const END_WITHIN: Duration = Duration::from_secs(10);

/// The bridge of one lab; all names of the machine that it takes are made from the net's second octet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bridge {
    net: Net,
}

impl Bridge {
    pub(crate) fn new(net: Net) -> Self {
        Self { net }
    }

    fn name(self) -> String {
        format!("carillon{}", self.net.second)
    }

    fn namespace(self, host: &str) -> String {
        format!("carillon{}-{host}", self.net.second)
    }

    /// The end of a host's cable at the bridge; names of devices have at most 15 letters.
    fn port(self, host: &str) -> String {
        format!("c{}{host}", self.net.second)
    }

    pub(crate) fn exists(self) -> bool {
        ip(&["link", "show", &self.name()]).is_ok()
    }

    pub(crate) fn make(self) -> Result<()> {
        let name = self.name();
        ip(&["link", "add", &name, "type", "bridge"]).context("make a bridge; this needs root")?;
        ip(&[
            "address",
            "add",
            &format!("{}/{NET_BITS}", self.net.host()),
            "dev",
            &name,
        ])?;
        ip(&["link", "set", &name, "up"])
    }

    pub(crate) fn add_host(self, host: &str, address: Ipv4Addr) -> Result<()> {
        let (namespace, port) = (self.namespace(host), self.port(host));
        ip(&["netns", "add", &namespace])?;
        ip(&[
            "link", "add", &port, "type", "veth", "peer", "name", DEVICE, "netns", &namespace,
        ])?;
        ip(&["link", "set", &port, "master", &self.name(), "up"])?;
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        ip(&[
            "-n",
            &namespace,
            "address",
            "add",
            &format!("{address}/{NET_BITS}"),
            "dev",
            DEVICE,
        ])?;
        ip(&["-n", &namespace, "link", "set", DEVICE, "up"])?;
        ip(&[
            "-n",
            &namespace,
            "route",
            "add",
            "default",
            "via",
            &self.net.host().to_string(),
        ])
    }

    /// A command whose program and arguments are still to be added, to run on that host.
    pub(crate) fn inside(self, host: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(host)]);
        command
    }

    /// Removes the bridge and all its hosts, as far as they are there, and ends what still runs on them: a phone outlives
    /// whoever started it and died.
    pub(crate) fn remove(self) -> Result<()> {
        let listed = ip_output(&["netns", "list"])?;
        let prefix = self.namespace("");
        for namespace in listed
            .lines()
            .filter_map(|line| line.split_whitespace().next())
        {
            if namespace.starts_with(&prefix) {
                end_all(namespace)?;
                ip(&["netns", "delete", namespace])?;
            }
        }
        if self.exists() {
            ip(&["link", "delete", &self.name()])?;
        }
        Ok(())
    }

    /// From now on, what `host` sends to `address` is lost.
    pub(crate) fn misdirect(self, host: &str, address: Ipv4Addr) -> Result<()> {
        let (namespace, address) = (self.namespace(host), address.to_string());
        ip(&[
            "-n",
            &namespace,
            "neighbour",
            "replace",
            &address,
            "lladdr",
            NOBODY,
            "dev",
            DEVICE,
            "nud",
            "permanent",
        ])
    }

    pub(crate) fn redirect(self, host: &str, address: Ipv4Addr) -> Result<()> {
        let known = ip_output(&[
            "-n",
            &self.namespace(host),
            "neighbour",
            "show",
            "nud",
            "permanent",
        ])?;
        let address = address.to_string();
        if known
            .lines()
            .any(|line| line.split_whitespace().next() == Some(&address))
        {
            ip(&[
                "-n",
                &self.namespace(host),
                "neighbour",
                "delete",
                &address,
                "dev",
                DEVICE,
            ])?;
        }
        Ok(())
    }

    pub(crate) fn redirect_all(self, host: &str) -> Result<()> {
        ip(&[
            "-n",
            &self.namespace(host),
            "neighbour",
            "flush",
            "dev",
            DEVICE,
            "nud",
            "permanent",
        ])
    }
}

fn end_all(namespace: &str) -> Result<()> {
    let listed = ip_output(&["netns", "pids", namespace])?;
    for pid in listed.lines().filter_map(|line| line.trim().parse().ok()) {
        // It may have ended by itself meanwhile.
        if process::send(pid, Signal::Kill).is_ok() {
            process::wait_for_end(pid, END_WITHIN)?;
        }
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<()> {
    ip_output(arguments).map(|_| ())
}

fn ip_output(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .context("start ip; it comes with Debian's package iproute2")?;
    if !output.status.success() {
        bail!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
