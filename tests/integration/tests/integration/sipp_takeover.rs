//! SIPp's phones follow the node that has taken their calls over, and hang up there.

use anyhow::{Result, ensure};
use carillon_integration::records;
use carillon_testkit::sipp::{Scenario, Sipp, row, row_calling};
use carillon_testkit::{Account, TestLab, eventually};
use std::net::SocketAddr;
use std::time::Duration;

const CALLS: u32 = 10;
const FIRST_CALLER: u32 = 2_001;
const FIRST_CALLEE: u32 = 2_101;
const CALLER_PORT: u16 = 5_070;
const CALLEE_PORT: u16 = 5_080;
const RING_MS: u32 = 200;
/// Long enough for a heir to be heard of, and more than a second after the kill.
const TALK_MS: u32 = 2_000;
const SOON: Duration = Duration::from_secs(15);

fn all_are_up(lab: &TestLab) -> Result<()> {
    let api = lab.api(2)?;
    eventually("all calls are answered", SOON, || {
        let calls = api.get("/api/v1/calls?limit=100")?;
        let items = calls["items"].as_array().into_iter().flatten();
        let up = items.filter(|call| call["state"] == "answered").count();
        Ok((up == CALLS as usize).then_some(()))
    })
}

#[test]
fn every_call_goes_on_at_the_heir_and_a_bye_is_answered_there() -> Result<()> {
    let callers: Vec<Account> = (FIRST_CALLER..FIRST_CALLER + CALLS)
        .map(Account::of)
        .collect();
    let callees: Vec<Account> = (FIRST_CALLEE..FIRST_CALLEE + CALLS)
        .map(Account::of)
        .collect();
    let lab = TestLab::with_company(
        (FIRST_CALLER..FIRST_CALLER + CALLS).chain(FIRST_CALLEE..FIRST_CALLEE + CALLS),
    )?;
    let here = SocketAddr::new(lab.phone_address()?.ip(), CALLER_PORT);
    let there = SocketAddr::new(lab.phone_address()?.ip(), CALLEE_PORT);
    for (accounts, local) in [(&callers, here), (&callees, there)] {
        let rows = accounts.iter().map(row).collect();
        let scenario = Scenario::register(3_600, 0);
        let counted = Sipp::new(scenario, local, lab.sip(1)?, rows, 50).run()?;
        counted.assert_clean(u64::from(CALLS));
    }
    let callee = Scenario::callee_followed(RING_MS);
    let answering = Sipp::answering(callee, there, CALLS as usize).start()?;
    let pairs = callers.iter().zip(&callees);
    let rows = pairs.map(|(caller, callee)| row_calling(caller, &callee.number));
    let caller = Scenario::caller_followed(TALK_MS);
    let calling = Sipp::new(caller, here, lab.sip(1)?, rows.collect(), 20).start()?;
    all_are_up(&lab)?;
    lab.kill("control1")?;
    calling.finish()?.assert_clean(u64::from(CALLS));
    answering.finish()?.assert_clean(u64::from(CALLS));
    let told = eventually("every call has its record", SOON, || {
        let told = records(&lab, 2)?;
        Ok((told.len() == CALLS as usize).then_some(told))
    })?;
    ensure!(
        told.iter().all(|record| record.status == "answered"),
        "{told:?}"
    );
    Ok(())
}
