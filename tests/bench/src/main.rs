//! `cargo xtask bench`: Carillon beside Kamailio and rtpengine, in the same run, at the same rates, the servers pinned to one core and the
//! load to the other, one after the other in some rounds. It prints medians of CPU time per operation and of the rounds' ratios; it judges
//! nothing.

mod carillon;
mod cpu;
mod kamailio;
mod process;
mod rtpengine;
mod sipp;
mod stream;
mod table;

use anyhow::{Context, Result};
use carillon_testkit::Account;
use clap::Parser;
use std::collections::VecDeque;
use std::time::Duration;

use carillon::{Carillon, Standing};
use kamailio::Kamailio;
use rtpengine::Rtpengine;
use sipp::{Load, Names, PHONES, Sipp};
use stream::{Phones, Relayed};
use table::Table;

#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    about = "Measure CPU time per registration, call and relayed packet beside Kamailio and rtpengine"
)]
struct Options {
    /// Rounds, in each of which everything is measured; memory in the first only
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Registered phones; the lower half calls the upper half
    #[arg(long, default_value_t = 1000)]
    phones: u32,
    /// Registrations measured
    #[arg(long, default_value_t = 5000)]
    registrations: u32,
    /// Registrations a second
    #[arg(long, default_value_t = 500)]
    registration_rate: u32,
    /// Calls measured
    #[arg(long, default_value_t = 2000)]
    calls: u32,
    /// Calls a second
    #[arg(long, default_value_t = 100)]
    call_rate: u32,
    /// How long a call stands, in milliseconds
    #[arg(long, default_value_t = 1000)]
    hold_ms: u32,
    /// Calls of the packet measure, which stand alone: two streams of 50 packets a second each
    #[arg(long, default_value_t = 200)]
    relayed_calls: u32,
    /// Standing calls of the memory measure; what the second half of them adds is counted, so that what a server sets aside
    /// once is not, and so many that buffers which fill and are emptied weigh little
    #[arg(long, default_value_t = 1600)]
    standing_calls: u32,
    /// Seconds that each half of the standing calls has stood when memory is measured: transactions are kept for 32 s
    /// (RFC 6026), which is of a call's beginning and not of its standing
    #[arg(long, default_value_t = 40)]
    settle_seconds: u64,
    /// Seconds of talk of the packet measure
    #[arg(long, default_value_t = 10)]
    talk_seconds: u64,
    /// Measure Carillon alone, without the peers that it is compared with
    #[arg(long)]
    alone: bool,
}

const REGISTRATION: &str = "registration with digest";
const CALL: &str = "call with digest";
const PACKET: &str = "relayed packet";
const MEMORY: &str = "memory of a standing call";

const OF_KAMAILIO: Names = Names {
    username: |number| number.to_string(),
    password: |_| kamailio::PASSWORD.to_owned(),
};
const OF_CARILLON: Names = Names {
    username: |number| Account::of(number).username,
    password: |number| Account::of(number).password,
};

fn main() -> Result<()> {
    let options = Options::parse();
    let folder = tempfile::tempdir().context("make a folder for the run")?;
    let mut table = Table::default();
    for round in 1..=options.rounds {
        eprintln!("bench: round {round} of {}", options.rounds);
        let memory = round == 1;
        if !options.alone {
            eprintln!("bench: Kamailio alone");
            proxy_alone(&options, folder.path(), &mut table)?;
            eprintln!("bench: Kamailio with rtpengine");
            proxy_with_media(&options, folder.path(), &mut table)?;
            eprintln!("bench: rtpengine alone");
            relay_of_rtpengine(&options, memory, folder.path(), &mut table)?;
        }
        eprintln!("bench: Carillon, registrations and calls");
        carillon_signalling(&options, folder.path(), &mut table)?;
        eprintln!("bench: Carillon, relayed packets");
        carillon_relay(&options, memory, &mut table)?;
    }
    print!("{table}");
    Ok(())
}

impl Options {
    fn registration_load(&self) -> Load {
        Load {
            phones: self.phones,
            count: self.registrations,
            per_second: self.registration_rate,
            hold_ms: 0,
        }
    }

    fn call_load(&self) -> Load {
        Load {
            phones: self.phones,
            count: self.calls,
            per_second: self.call_rate,
            hold_ms: self.hold_ms,
        }
    }
}

fn per_operation_us(spent: Duration, operations: u64) -> f64 {
    let operations = f64::from(u32::try_from(operations.max(1)).unwrap_or(u32::MAX));
    spent.as_secs_f64() * 1e6 / operations
}

fn proxy_alone(options: &Options, folder: &std::path::Path, table: &mut Table) -> Result<()> {
    let kamailio = Kamailio::start(folder, false)?;
    let server = format!("{}:5060", kamailio::ADDRESS);
    let sipp = Sipp::new(folder, OF_KAMAILIO);
    let pids = kamailio.pids()?;
    let before = cpu::spent(&pids)?;
    sipp.register(&server, options.registration_load())?;
    let registered = cpu::spent(&pids)?;
    let spent_us = per_operation_us(registered - before, options.registrations.into());
    table.us(REGISTRATION, "Kamailio", spent_us);
    let _answering = sipp.answer()?;
    sipp.call(&server, options.call_load())?;
    let spent_us = per_operation_us(cpu::spent(&pids)? - registered, options.calls.into());
    table.us(CALL, "Kamailio, no media", spent_us);
    Ok(())
}

fn proxy_with_media(options: &Options, folder: &std::path::Path, table: &mut Table) -> Result<()> {
    let rtpengine = Rtpengine::start(folder)?;
    let kamailio = Kamailio::start(folder, true)?;
    let server = format!("{}:5060", kamailio::ADDRESS);
    let sipp = Sipp::new(folder, OF_KAMAILIO);
    let once = Load {
        count: options.phones,
        ..options.registration_load()
    };
    sipp.register(&server, once)?;
    let mut pids = kamailio.pids()?;
    pids.extend(rtpengine.pids()?);
    let before = cpu::spent(&pids)?;
    let _answering = sipp.answer()?;
    sipp.call(&server, options.call_load())?;
    let spent_us = per_operation_us(cpu::spent(&pids)? - before, options.calls.into());
    table.us(CALL, "Kamailio + rtpengine", spent_us);
    Ok(())
}

fn relay_of_rtpengine(
    options: &Options,
    memory: bool,
    folder: &std::path::Path,
    table: &mut Table,
) -> Result<()> {
    let rtpengine = Rtpengine::start(folder)?;
    let phones = Phones::bind(PHONES)?;
    let ports = (
        phones.caller.local_addr()?.port(),
        phones.callee.local_addr()?.port(),
    );
    let address: std::net::IpAddr = kamailio::ADDRESS.parse()?;
    let pids = rtpengine.pids()?;
    let call = |number| {
        let (caller_sends_to, callee_sends_to) = rtpengine.call(number, PHONES, PHONES, ports)?;
        Ok(Relayed {
            caller_sends_to: (address, caller_sends_to).into(),
            callee_sends_to: (address, callee_sends_to).into(),
        })
    };
    let talking = 0..options.relayed_calls;
    let mut calls = talking.map(call).collect::<Result<Vec<Relayed>>>()?;
    let spent = per_packet_us(options, &phones, &calls, &pids, "rtpengine")?;
    table.us(PACKET, "rtpengine", spent);
    if memory {
        let [kib] = per_call_kib(options, 0, [&pids], &mut calls, call)?;
        table.kib(MEMORY, "rtpengine", kib);
    }
    Ok(())
}

/// Sets up so many calls more that all stand; the resident KiB that each of the second half added to each group of processes.
fn per_call_kib<T, const GROUPS: usize>(
    options: &Options,
    settle_seconds: u64,
    groups: [&[u32]; GROUPS],
    calls: &mut Vec<T>,
    mut call: impl FnMut(u32) -> Result<T>,
) -> Result<[f64; GROUPS]> {
    let resident = || -> Result<[u64; GROUPS]> {
        carillon_testkit::wait::talk_for(Duration::from_secs(settle_seconds));
        let mut kib = [0; GROUPS];
        for (kib, pids) in kib.iter_mut().zip(groups) {
            *kib = cpu::resident_kib(pids)?;
        }
        Ok(kib)
    };
    let mut up_to = |count: u32| -> Result<[u64; GROUPS]> {
        for number in u32::try_from(calls.len())?..count {
            calls.push(call(number)?);
        }
        resident()
    };
    let half = options.standing_calls / 2;
    let before = up_to(half)?;
    let after = up_to(options.standing_calls)?;
    let mut each = [0.0; GROUPS];
    for (each, (before, after)) in each.iter_mut().zip(before.into_iter().zip(after)) {
        let grown = u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX);
        *each = f64::from(grown) / f64::from(options.standing_calls - half);
    }
    Ok(each)
}

fn per_packet_us(
    options: &Options,
    phones: &Phones,
    calls: &[Relayed],
    pids: &[u32],
    relay: &str,
) -> Result<f64> {
    phones.talk(calls, Duration::from_secs(2))?; // let it learn the phones' addresses first
    let before = cpu::spent(pids)?;
    let flowed = phones.talk(calls, Duration::from_secs(options.talk_seconds))?;
    let spent = cpu::spent(pids)? - before;
    flowed.check(relay)?;
    Ok(per_operation_us(spent, flowed.received))
}

/// The owner's account is what the peers are compared with; the sum over the cluster stands beside it.
fn carillon_signalling(
    options: &Options,
    folder: &std::path::Path,
    table: &mut Table,
) -> Result<()> {
    let carillon = Carillon::start(options.phones)?;
    let server = carillon.server()?;
    let sipp = Sipp::new(folder, OF_CARILLON);
    let (owner, all) = (carillon.owner(), carillon.all());
    let (owner_before, all_before) = (cpu::spent(&owner)?, cpu::spent(&all)?);
    sipp.register(&server, options.registration_load())?;
    let (owner_registered, all_registered) = (cpu::spent(&owner)?, cpu::spent(&all)?);
    let mut add = |what, peer, spent, count: u32| {
        table.us(what, peer, per_operation_us(spent, count.into()));
    };
    let count = options.registrations;
    add(
        REGISTRATION,
        "Carillon",
        owner_registered - owner_before,
        count,
    );
    add(
        REGISTRATION,
        "Carillon, all processes",
        all_registered - all_before,
        count,
    );
    let mut with_media = owner;
    with_media.extend(carillon.media());
    let (before, all_before) = (cpu::spent(&with_media)?, cpu::spent(&all)?);
    let _answering = sipp.answer()?;
    sipp.call(&server, options.call_load())?;
    add(
        CALL,
        "Carillon",
        cpu::spent(&with_media)? - before,
        options.calls,
    );
    add(
        CALL,
        "Carillon, all processes",
        cpu::spent(&all)? - all_before,
        options.calls,
    );
    Ok(())
}

fn carillon_relay(options: &Options, memory: bool, table: &mut Table) -> Result<()> {
    let standing = match memory {
        true => options.standing_calls.max(options.relayed_calls),
        false => options.relayed_calls,
    };
    let carillon = Carillon::start(2 * standing)?;
    let phones = Phones::bind(PHONES)?;
    let rtp = (phones.caller.local_addr()?, phones.callee.local_addr()?);
    let media = carillon.media();
    let mut couples = (0..standing)
        .map(|number| carillon.couple(sipp::FIRST_NUMBER + 2 * number))
        .collect::<Result<VecDeque<_>>>()?;
    let mut call = |_| {
        let couple = couples.pop_front().context("a couple for each call")?;
        Carillon::call(couple, rtp)
    };
    let talking = 0..options.relayed_calls;
    let mut calls = talking.map(&mut call).collect::<Result<Vec<Standing>>>()?;
    let relayed: Vec<Relayed> = calls.iter().map(|call| call.relayed).collect();
    let spent = per_packet_us(options, &phones, &relayed, &media, "Carillon")?;
    table.us(PACKET, "Carillon", spent);
    if memory {
        let (settle, owner) = (options.settle_seconds, carillon.owner());
        let grown = per_call_kib(options, settle, [&owner, &media], &mut calls, call)?;
        let [by_owner, by_media] = grown;
        table.kib(MEMORY, "Carillon", by_owner + by_media);
        table.kib(MEMORY, "Carillon, media servers", by_media);
    }
    calls.into_iter().try_for_each(Standing::end)
}
