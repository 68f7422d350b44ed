//! The cluster under test, as its administrator sees it.

use anyhow::{Context, Result};
use carillon_testkit::{Account, Api, LabOptions, TestLab, eventually};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// A cluster that nothing ails any more serves by then, on a busy machine too.
const HEALED_WITHIN: Duration = Duration::from_secs(60);
/// The first of the lines.
pub(crate) const FIRST_LINE: u32 = 2_000;

/// A cluster whose processes have hosts of their own; all phones are on this machine's own address of the bridge.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) lab: TestLab,
    pub(crate) host: IpAddr,
    apis: Vec<Api>,
}

impl Stage {
    pub(crate) fn up(lines: u32) -> Result<Self> {
        let lab = TestLab::up(LabOptions {
            namespaces: true,
            ..LabOptions::default()
        })?;
        let accounts: Vec<Account> = (0..lines)
            .map(|line| Account::of(FIRST_LINE + line))
            .collect();
        lab.found_company(&accounts)?;
        let first = lab.lab.control.first().context("a control node")?;
        let [one, two, ..] = first.address.octets();
        Ok(Self {
            host: IpAddr::V4(Ipv4Addr::new(one, two, 0, 1)),
            apis: (1..=lab.lab.control.len())
                .map(|node| lab.api(node))
                .collect::<Result<_>>()?,
            lab,
        })
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
