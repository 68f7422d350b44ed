//! Two thousand phones and a thousand calls between lines that are registered on different nodes: none fails, each leaves
//! one record, nothing is left over.

use anyhow::Result;
use carillon_integration::{Record, records};
use carillon_testkit::sipp::{Scenario, Sipp, Sockets, row, row_calling};
use carillon_testkit::{Account, TestLab, eventually};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const FIRST: u32 = 10_001;
const LINES: u32 = 2_000;
const CALLS: usize = 1_000;
const CALLS_A_SECOND: u32 = 20;
const REGISTRATIONS_A_SECOND: u32 = 100;
const TALK_MS: u32 = 2_000;
const CALLER_PORT: u16 = 5_070;
const CALLEE_PORT: u16 = 5_080;
const REST_PORT: u16 = 5_090;

/// Lines in three thirds: the first calls from node 1, the second answers at node 2, the rest is registered at node 3.
struct Company {
    callers: Vec<Account>,
    callees: Vec<Account>,
    others: Vec<Account>,
}

impl Company {
    fn new() -> Self {
        let mut accounts: Vec<Account> = (FIRST..FIRST + LINES).map(Account::of).collect();
        let others = accounts.split_off(2 * LINES as usize / 3);
        let callees = accounts.split_off(accounts.len() / 2);
        Self {
            callers: accounts,
            callees,
            others,
        }
    }

    fn all(&self) -> Vec<Account> {
        [&self.callers, &self.callees, &self.others]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Who calls whom: every caller and every callee in turn.
    fn calls(&self) -> Vec<String> {
        let callees = self.callees.iter().cycle();
        let pairs = self.callers.iter().cycle().zip(callees).take(CALLS);
        pairs
            .map(|(caller, callee)| row_calling(caller, &callee.number))
            .collect()
    }
}

fn rows(accounts: &[Account]) -> Vec<String> {
    accounts.iter().map(row).collect()
}

fn at(lab: &TestLab, port: u16) -> Result<SocketAddr> {
    Ok(SocketAddr::new(lab.phone_address()?.ip(), port))
}

/// Nothing may be left: no live call on any node, no session on any media server.
fn assert_clean(lab: &TestLab) -> Result<()> {
    lab.until_no_call_is_left(Duration::from_secs(45))?;
    for node in &lab.lab.control {
        eventually(
            "no active call in the metrics",
            Duration::from_secs(15),
            || Ok((lab.metric(&node.name, "carillon_calls_active")? == 0.0).then_some(())),
        )?;
    }
    for server in &lab.lab.media {
        eventually("no media session is left", Duration::from_secs(15), || {
            Ok((lab.metric(&server.name, "carillon_media_sessions_active")? == 0.0).then_some(()))
        })?;
    }
    Ok(())
}

fn assert_one_record_a_call(lab: &TestLab) -> Result<()> {
    for node in 1..=3 {
        let all = eventually("all call records", Duration::from_secs(15), || {
            let all = records(lab, node)?;
            Ok((all.len() >= CALLS).then_some(all))
        })?;
        assert_eq!(all.len(), CALLS, "node {node}");
        let mut outcomes: BTreeMap<(String, u64), usize> = BTreeMap::new();
        for Record { status, sip, .. } in &all {
            *outcomes.entry((status.clone(), *sip)).or_default() += 1;
        }
        assert_eq!(
            outcomes,
            BTreeMap::from([(("answered".to_owned(), 200), CALLS)]),
            "node {node}"
        );
    }
    Ok(())
}

#[test]
fn a_thousand_calls_over_udp() -> Result<()> {
    let company = Company::new();
    let lab = TestLab::up(Default::default())?;
    lab.found_company(&company.all())?;
    let (caller, callee, rest) = (
        at(&lab, CALLER_PORT)?,
        at(&lab, CALLEE_PORT)?,
        at(&lab, REST_PORT)?,
    );

    let register = |accounts: &[Account], local, node| -> Result<_> {
        let scenario = Scenario::register(3600, 0);
        Sipp::new(
            scenario,
            local,
            lab.sip(node)?,
            rows(accounts),
            REGISTRATIONS_A_SECOND,
        )
        .start()
    };
    let registering = [
        (
            register(&company.callers, caller, 1)?,
            company.callers.len(),
        ),
        (
            register(&company.callees, callee, 2)?,
            company.callees.len(),
        ),
        (register(&company.others, rest, 3)?, company.others.len()),
    ];
    for (running, phones) in registering {
        running.finish()?.assert_clean(phones as u64);
    }
    for node in 1..=3 {
        let registered = lab.api(node)?.get("/api/v1/registrations?limit=1")?["total"].as_u64();
        assert_eq!(registered, Some(u64::from(LINES)), "node {node}");
    }

    let answering = Sipp::answering(Scenario::callee(50), callee, CALLS).start()?;
    let calling = Sipp::new(
        Scenario::caller(TALK_MS),
        caller,
        lab.sip(1)?,
        company.calls(),
        CALLS_A_SECOND,
    );
    calling.run()?.assert_clean(CALLS as u64);
    answering.finish()?.assert_clean(CALLS as u64);
    assert_one_record_a_call(&lab)?;
    assert_clean(&lab)
}

#[test]
fn a_thousand_calls_over_tcp() -> Result<()> {
    let company = Company::new();
    let lab = TestLab::up(Default::default())?;
    lab.found_company(&company.all())?;
    let (caller, callee, rest) = (
        at(&lab, CALLER_PORT)?,
        at(&lab, CALLEE_PORT)?,
        at(&lab, REST_PORT)?,
    );

    // A phone on TCP is reached over the connection that it opened, so it stays while the calls last, and answers there.
    let stay_ms = 150_000;
    let register = |accounts: &[Account], local, node| -> Result<_> {
        let scenario = Scenario::register(3600, stay_ms);
        let mut run = Sipp::new(
            scenario,
            local,
            lab.sip(node)?,
            rows(accounts),
            REGISTRATIONS_A_SECOND,
        );
        run.sockets = Sockets::Tcp;
        run.answering = Some(Scenario::callee(50));
        run.start()
    };
    let callees = register(&company.callees, callee, 2)?;
    let others = register(&company.others, rest, 3)?;
    let mut callers = Sipp::new(
        Scenario::register(3600, 0),
        caller,
        lab.sip(1)?,
        rows(&company.callers),
        REGISTRATIONS_A_SECOND,
    );
    callers.sockets = Sockets::Tcp;
    callers.run()?.assert_clean(company.callers.len() as u64);
    eventually("all phones are registered", Duration::from_secs(60), || {
        let registered = lab.api(1)?.get("/api/v1/registrations?limit=1")?["total"].as_u64();
        Ok((registered == Some(u64::from(LINES))).then_some(()))
    })?;

    let mut calling = Sipp::new(
        Scenario::caller(TALK_MS),
        caller,
        lab.sip(1)?,
        company.calls(),
        CALLS_A_SECOND,
    );
    calling.sockets = Sockets::TcpPerCall;
    calling.run()?.assert_clean(CALLS as u64);
    for running in [callees, others] {
        let counted = running.stop()?;
        assert_eq!((counted.failed, counted.unexpected), (0, 0), "{counted:#?}");
        // Nobody counts what answers calls here; SIPp names every message that it did not expect.
        assert_eq!(counted.errors, "");
    }
    assert_one_record_a_call(&lab)?;
    assert_clean(&lab)
}
