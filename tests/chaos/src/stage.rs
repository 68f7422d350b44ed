//! The cluster under test, as its administrator sees it.

use anyhow::{Context, Result};
use carillon_testkit::wait::talk_for;
use carillon_testkit::{Account, Api, Carrier, LabOptions, TestLab, eventually};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::disk::SmallDisk;
use crate::trunk;

/// A cluster that nothing ails any more serves by then, on a busy machine too.
const HEALED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The first of the lines.
pub(crate) const FIRST_LINE: u32 = 2_000;

/// A cluster whose processes have hosts of their own; all phones are on this machine's own address of the bridge.
#[derive(Debug)]
pub(crate) struct Stage {
    // Gone before its lab is, whose folder it lies in.
    disk: Option<SmallDisk>,
    pub(crate) carrier: Carrier,
    pub(crate) lab: TestLab,
    pub(crate) host: IpAddr,
    apis: Vec<Api>,
}

impl Stage {
    /// A cluster with so many lines, and with a carrier; on demand a node has a small disk.
    pub(crate) fn up(lines: u32, small_disk: bool) -> Result<Self> {
        let mut lab = TestLab::up(LabOptions {
            namespaces: true,
            ..LabOptions::default()
        })?;
        let accounts: Vec<Account> = (0..lines)
            .map(|line| Account::of(FIRST_LINE + line))
            .collect();
        lab.found_company(&accounts)?;
        let first = lab.lab.control.first().context("a control node")?;
        let [one, two, ..] = first.address.octets();
        let host = IpAddr::V4(Ipv4Addr::new(one, two, 0, 1));
        let count = lab.lab.control.len();
        let apis: Vec<Api> = (1..=count)
            .map(|node| lab.api(node))
            .collect::<Result<_>>()?;
        let carrier = trunk::open(&apis[0], host)?;
        let disk = match small_disk {
            true => Some(SmallDisk::under(&mut lab, count)?),
            false => None,
        };
        let stage = Self {
            disk,
            carrier,
            lab,
            host,
            apis,
        };
        stage.trunk_owner()?;
        Ok(stage)
    }

    pub(crate) fn nodes(&self) -> usize {
        self.lab.lab.control.len()
    }

    /// The interface of a node, counted from 1. The token outlasts the process that gave it.
    pub(crate) fn api(&self, node: usize) -> &Api {
        &self.apis[node - 1]
    }

    pub(crate) fn name(&self, node: usize) -> String {
        self.lab.lab.control[node - 1].name.clone()
    }

    /// All processes, control nodes first.
    pub(crate) fn names(&self) -> Vec<String> {
        let all = self.lab.lab.processes();
        all.map(|(name, _)| name.to_owned()).collect()
    }

    /// The nodes among these whose process runs.
    pub(crate) fn running(&self, nodes: &[usize]) -> Result<Vec<usize>> {
        let mut running = Vec::new();
        for node in nodes {
            if self.lab.is_running(&self.name(*node))? {
                running.push(*node);
            }
        }
        Ok(running)
    }

    /// Names of nodes by the address that they send SIP from.
    pub(crate) fn nodes_by_address(&self) -> BTreeMap<SocketAddr, String> {
        let nodes = 1..=self.nodes();
        nodes
            .filter_map(|node| Some((self.lab.sip(node).ok()?, self.name(node))))
            .collect()
    }

    /// The node whose disk can be filled.
    pub(crate) fn node_with_small_disk(&self) -> Option<usize> {
        self.disk.as_ref().map(|disk| disk.node)
    }

    pub(crate) fn fill_disk(&self) -> Result<()> {
        let disk = self.disk.as_ref().context("a small disk")?;
        let name = self.name(disk.node);
        let mut processes = self.lab.lab.processes();
        let (_, writer) = processes
            .find(|(process, _)| *process == name)
            .with_context(|| format!("there is no process {name}"))?;
        disk.fill(writer)
    }

    pub(crate) fn empty_disk(&self) -> Result<()> {
        self.disk.as_ref().context("a small disk")?.empty()
    }

    /// Since when one of the nodes that are well leads, if one does before `until`.
    pub(crate) fn led_by_others(&self, victims: &[usize], until: Instant) -> Option<Instant> {
        while Instant::now() < until {
            let well = (1..=self.nodes()).filter(|node| !victims.contains(node));
            for node in well {
                let leads = self.lab.metric(&self.name(node), "carillon_raft_is_leader");
                if leads.is_ok_and(|value| value == 1.0) {
                    return Some(Instant::now());
                }
            }
            talk_for(LOOK_EVERY);
        }
        None
    }

    /// The node that registered last at the carrier.
    pub(crate) fn trunk_owner(&self) -> Result<usize> {
        let last = eventually("the trunk is registered", HEALED_WITHIN, || {
            Ok(self.carrier.account().last().cloned())
        })?;
        self.node_at(last.from).context("a node of ours registers")
    }

    /// The node that sends SIP from an address.
    pub(crate) fn node_at(&self, address: SocketAddr) -> Option<usize> {
        (1..=self.nodes()).find(|node| self.lab.sip(*node).is_ok_and(|own| own == address))
    }

    /// The node that leads, counted from 1.
    pub(crate) fn leader(&self) -> Result<usize> {
        eventually("somebody leads", HEALED_WITHIN, || Ok(self.lab.leader()))
    }

    /// The node that owns the most calls.
    pub(crate) fn owner(&self) -> Result<usize> {
        let calls = self.api(1).get("/api/v1/calls?limit=10000")?;
        let calls = calls["items"].as_array().context("a list of calls")?;
        let owned = |node: &usize| {
            let name = self.name(*node);
            calls
                .iter()
                .filter(|call| call["owner"] == name.as_str())
                .count()
        };
        (1..=self.nodes())
            .max_by_key(owned)
            .context("a node that owns calls")
    }

    /// Contacts, as a node has them.
    pub(crate) fn contacts(&self, node: usize) -> Result<BTreeSet<String>> {
        let listed = self.api(node).get("/api/v1/registrations?limit=100000")?;
        let listed = listed["items"].as_array().context("a list of contacts")?;
        let contacts = listed
            .iter()
            .filter_map(|binding| binding["contact"].as_str());
        Ok(contacts.map(str::to_owned).collect())
    }

    /// Waits until every node serves and all have the same.
    pub(crate) fn until_healed(&self) -> Result<()> {
        self.leader()?;
        eventually("all nodes have the same", HEALED_WITHIN, || {
            let first = self.contacts(1)?;
            for node in 2..=self.nodes() {
                let there = self.contacts(node)?;
                anyhow::ensure!(
                    there == first,
                    "node 1 has {} contacts and node {node} has {}",
                    first.len(),
                    there.len()
                );
            }
            Ok(Some(()))
        })
    }

    /// How many answered calls the records of a node tell of, by caller and callee.
    pub(crate) fn answered(&self, node: usize) -> Result<BTreeMap<(String, String), usize>> {
        let records = self.api(node).get("/1.1/call_logs?limit=1000000")?;
        let records = records["items"].as_array().context("a list of records")?;
        let mut counted = BTreeMap::new();
        for record in records
            .iter()
            .filter(|record| record["call_status"] == "answered")
        {
            let number = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
            let lines = (number("source_extension"), number("destination_extension"));
            *counted.entry(lines).or_default() += 1;
        }
        Ok(counted)
    }
}
