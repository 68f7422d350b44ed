//! Starting a whole cluster, and ending it.

use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::{Signal, Up};
use crate::description::{Control, Lab, Media, Phone};
use crate::namespace::Bridge;
use crate::node::{self, Node};
use crate::place::{BRIDGED, Kind, LOOPBACK, Net};
use crate::process;
use crate::ready::{self, Awaited};
use crate::rootless;

const CLUSTER_PORT: u16 = 7400;
/// A process that was asked to end gets this long to drain, then it is killed.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn up(options: &Up) -> Result<()> {
    let started = Instant::now();
    let default = if options.namespaces {
        BRIDGED
    } else {
        LOOPBACK
    };
    let net = Net::parse(
        options.net.as_deref().unwrap_or(default),
        options.namespaces,
    )?;
    let dir = prepare(&options.folder.dir)?;
    refuse_a_second_lab(net, options.namespaces)?;
    let outcome = start(options, net, &dir);
    if outcome.is_err() {
        tear_down(&dir, net, options.namespaces)?;
    }
    let lab = outcome?;
    eprintln!("lab: ready after {:.1} s", started.elapsed().as_secs_f64());
    // The lab runs, whether or not somebody reads this to its end.
    let _ = io::stdout().write_all(tell(&lab, &dir).as_bytes());
    Ok(())
}

fn start(options: &Up, net: Net, dir: &Path) -> Result<Lab> {
    let limit = Duration::from_secs(options.timeout);
    let number = |kind, count: u8| (1..=count).map(move |number| host(net, kind, number));
    let mut control: Vec<Node> = number(Kind::Control, options.control).collect();
    if options.floating {
        for (node, number) in control.iter_mut().zip(1..) {
            node.floating = Some(net.floating(number));
        }
    }
    let media: Vec<Node> = number(Kind::Media, options.media).collect();
    let phones = if options.namespaces {
        options.phones
    } else {
        0
    };
    let phones: Vec<Node> = number(Kind::Phone, phones).collect();
    // First of all: from here on `lab down` can end what there is, even when this start is interrupted.
    let mut lab = Lab {
        phones: phones.iter().map(describe_phone).collect(),
        net: net.to_string(),
        namespaces: options.namespaces,
        holder: rootless::holder(),
        ..Lab::default()
    };
    lab.write(dir)?;
    if options.namespaces {
        let bridge = Bridge::new(net);
        bridge.make()?;
        for host in control.iter().chain(&media).chain(&phones) {
            bridge.add_host(&host.name, host.address)?;
        }
    }
    first_node(&mut lab, dir, &control[0], limit)?;
    others(&mut lab, dir, &control, &media)?;
    await_ready(dir, &lab, &[], limit)?;
    if let Some(file) = &options.load {
        load(&lab, file)?;
    }
    Ok(lab)
}

fn host(net: Net, kind: Kind, number: u8) -> Node {
    Node {
        kind,
        name: kind.name(number),
        address: net.address(kind, number),
        floating: None,
    }
}

/// The first node makes the cluster, its authority and the administrator.
fn first_node(lab: &mut Lab, dir: &Path, first: &Node, limit: Duration) -> Result<()> {
    first.write_config(dir, None)?;
    let pid = launch(dir, &first.name, lab.namespaces.then_some(lab.net.as_str()))?;
    lab.control.push(describe_control(first, pid));
    lab.ca = node::authority(dir, first);
    lab.write(dir)?;
    await_ready(dir, lab, std::slice::from_ref(&first.name), limit)?;
    lab.admin = node::admin(dir, first)?;
    lab.write(dir)
}

fn others(lab: &mut Lab, dir: &Path, control: &[Node], media: &[Node]) -> Result<()> {
    let program = program()?;
    for node in control[1..].iter().chain(media) {
        let ctl = node::ctl(&program, &lab.control[0].api, &lab.ca, &lab.admin);
        let token = node::join_token(ctl, node)?;
        node.write_config(dir, Some(&token))?;
        let pid = launch(dir, &node.name, lab.namespaces.then_some(lab.net.as_str()))?;
        match node.kind {
            Kind::Control => lab.control.push(describe_control(node, pid)),
            Kind::Media => lab.media.push(describe_media(node, pid)),
            Kind::Phone => bail!("{} is a phone and no node", node.name),
        }
        lab.write(dir)?;
    }
    Ok(())
}

fn describe_control(node: &Node, pid: u32) -> Control {
    Control {
        name: node.name.clone(),
        address: node.address,
        floating: node.floating,
        pid,
        sip: node.sip(),
        api: node.api(),
        metrics: node.metrics(),
    }
}

fn describe_media(node: &Node, pid: u32) -> Media {
    Media {
        name: node.name.clone(),
        address: node.address,
        pid,
        metrics: node.metrics(),
    }
}

fn describe_phone(host: &Node) -> Phone {
    Phone {
        name: host.name.clone(),
        address: host.address,
    }
}

fn load(lab: &Lab, file: &Path) -> Result<()> {
    let mut ctl = node::ctl(&program()?, &lab.control[0].api, &lab.ca, &lab.admin);
    let status = ctl
        .arg("apply")
        .arg("--file")
        .arg(file)
        .status()
        .context("start carillon ctl apply")?;
    if !status.success() {
        bail!("{} was not loaded: {status}", file.display());
    }
    Ok(())
}

/// Starts one node from the configuration that lies in the folder.
pub(crate) fn launch(dir: &Path, name: &str, namespaces_of: Option<&str>) -> Result<u32> {
    let program = program()?;
    let mut command = match namespaces_of {
        Some(net) => {
            let mut command = Bridge::new(Net::parse(net, true)?).inside(name);
            command.arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .args(["node", "--config"])
        .arg(node::config(dir, name));
    process::spawn(command, &node::log(dir, name))
}

/// Waits for these processes, or for all when none is named.
pub(crate) fn await_ready(dir: &Path, lab: &Lab, names: &[String], limit: Duration) -> Result<()> {
    let awaited: Vec<Awaited> = lab
        .processes()
        .filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name))
        .map(|(name, pid)| {
            Ok(Awaited {
                name: name.to_owned(),
                pid,
                probe: node::probe(lab.address(name)?),
            })
        })
        .collect::<Result<_>>()?;
    ready::wait(dir, &awaited, limit)
}

pub(crate) fn down(dir: &Path) -> Result<()> {
    let dir = absolute(dir)?;
    let lab = Lab::read(&dir)?;
    tear_down(&dir, Net::parse(&lab.net, lab.namespaces)?, lab.namespaces)?;
    if let Some(holder) = lab.holder.filter(|holder| process::is_alive(*holder)) {
        process::send(holder, Signal::Term)?;
    }
    Ok(())
}

fn tear_down(dir: &Path, net: Net, namespaces: bool) -> Result<()> {
    let lab = Lab::read(dir).ok();
    let ours = |pid: &u32| process::belongs(*pid, dir);
    let pids: Vec<u32> = lab
        .iter()
        .flat_map(Lab::processes)
        .map(|(_, pid)| pid)
        .filter(ours)
        .collect();
    for pid in &pids {
        process::send(*pid, Signal::Cont)?;
        process::send(*pid, Signal::Term)?;
    }
    let deadline = Instant::now() + DRAIN_WITHIN;
    for pid in &pids {
        if process::wait_for_end(*pid, deadline.saturating_duration_since(Instant::now())).is_err()
        {
            process::send(*pid, Signal::Kill)?;
            process::wait_for_end(*pid, DRAIN_WITHIN)?;
        }
    }
    if namespaces {
        Bridge::new(net).remove()?;
    }
    Ok(())
}

/// An empty folder for a new cluster: an old one's data would make its nodes members of that.
fn prepare(dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let dir = absolute(dir)?;
    if dir.join("lab.json").exists() || dir.join("data").exists() {
        bail!(
            "{} holds a lab already; end it with `carillon lab down`, then remove the folder",
            dir.display()
        );
    }
    for part in ["config", "data", "logs"] {
        fs::create_dir_all(dir.join(part))
            .with_context(|| format!("create {part} in {}", dir.display()))?;
    }
    Ok(dir)
}

pub(crate) fn absolute(dir: &Path) -> Result<PathBuf> {
    dir.canonicalize()
        .with_context(|| format!("find the folder {}", dir.display()))
}

fn refuse_a_second_lab(net: Net, namespaces: bool) -> Result<()> {
    if namespaces {
        if Bridge::new(net).exists() {
            bail!(
                "a lab with namespaces runs on {net}; end it with `carillon lab down`, or choose another --net"
            );
        }
        return Ok(());
    }
    let first = net.address(Kind::Control, 1);
    UdpSocket::bind((first, CLUSTER_PORT)).map(|_| ()).with_context(|| {
        format!("{first}:{CLUSTER_PORT} is taken, by another lab perhaps; end that, or choose another --net")
    })
}

fn program() -> Result<PathBuf> {
    env::current_exe().context("find the carillon program")
}

fn tell(lab: &Lab, dir: &Path) -> String {
    let mut text = String::new();
    for node in &lab.control {
        text += &format!(
            "{:<9} SIP {:<16} REST {:<24} metrics {}\n",
            node.name, node.sip, node.api, node.metrics
        );
    }
    for server in &lab.media {
        text += &format!(
            "{:<9} {:<20} {:<29} metrics {}\n",
            server.name, server.address, "", server.metrics
        );
    }
    for phone in &lab.phones {
        text += &format!("{:<9} {}\n", phone.name, phone.address);
    }
    text += &format!(
        "administrator {} with password {}\nauthority {}\nlogs in {}\n",
        lab.admin.user,
        lab.admin.password,
        lab.ca.display(),
        dir.join("logs").display()
    );
    text
}
