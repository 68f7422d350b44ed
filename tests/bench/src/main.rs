//! `cargo xtask bench`: Carillon beside Kamailio and rtpengine, in the same run, at the same rates, the servers pinned to one core and the
//! load to the other. It prints CPU time per operation and ratios; it judges nothing.

mod cpu;
mod kamailio;
mod process;
mod rtpengine;
mod sipp;
mod stream;

use anyhow::{Context, Result, bail};
use clap::Parser;
use std::time::Duration;

use kamailio::Kamailio;
use rtpengine::Rtpengine;
use sipp::{Load, PHONES, Sipp};
use stream::{Phones, Relayed};

#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    about = "Measure CPU time per registration, call and relayed packet beside Kamailio and rtpengine"
)]
struct Options {
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
    /// Relayed calls of the packet measure, two streams of 50 packets a second each
    #[arg(long, default_value_t = 200)]
    relayed_calls: u32,
    /// Seconds of talk of the packet measure
    #[arg(long, default_value_t = 10)]
    talk_seconds: u64,
}

/// CPU time per operation in microseconds.
struct Row {
    what: &'static str,
    peer: &'static str,
    per_operation_us: f64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let folder = tempfile::tempdir().context("make a folder for the run")?;
    let mut rows = Vec::new();
    proxy_alone(&options, folder.path(), &mut rows)?;
    proxy_with_media(&options, folder.path(), &mut rows)?;
    relay_of_rtpengine(&options, folder.path(), &mut rows)?;
    for row in &rows {
        println!(
            "{:<24} {:<24} {:>9.1} µs",
            row.what, row.peer, row.per_operation_us
        );
    }
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

fn proxy_alone(options: &Options, folder: &std::path::Path, rows: &mut Vec<Row>) -> Result<()> {
    let kamailio = Kamailio::start(folder, false)?;
    let server = format!("{}:5060", kamailio::ADDRESS);
    let sipp = Sipp::new(folder);
    let pids = kamailio.pids()?;
    let before = cpu::spent(&pids)?;
    sipp.register(&server, options.registration_load())?;
    let registered = cpu::spent(&pids)?;
    rows.push(Row {
        what: "registration with digest",
        peer: "Kamailio",
        per_operation_us: per_operation_us(registered - before, options.registrations.into()),
    });
    let _answering = sipp.answer()?;
    sipp.call(&server, options.call_load())?;
    rows.push(Row {
        what: "call with digest",
        peer: "Kamailio, no media",
        per_operation_us: per_operation_us(cpu::spent(&pids)? - registered, options.calls.into()),
    });
    Ok(())
}

fn proxy_with_media(
    options: &Options,
    folder: &std::path::Path,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let rtpengine = Rtpengine::start(folder)?;
    let kamailio = Kamailio::start(folder, true)?;
    let server = format!("{}:5060", kamailio::ADDRESS);
    let sipp = Sipp::new(folder);
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
    rows.push(Row {
        what: "call with digest",
        peer: "Kamailio + rtpengine",
        per_operation_us: per_operation_us(cpu::spent(&pids)? - before, options.calls.into()),
    });
    Ok(())
}

fn relay_of_rtpengine(
    options: &Options,
    folder: &std::path::Path,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let rtpengine = Rtpengine::start(folder)?;
    let phones = Phones::bind(PHONES)?;
    let ports = (
        phones.caller.local_addr()?.port(),
        phones.callee.local_addr()?.port(),
    );
    let pids = rtpengine.pids()?;
    let resident = cpu::resident_kib(&pids)?;
    let mut calls = Vec::new();
    for number in 0..options.relayed_calls {
        let (caller_sends_to, callee_sends_to) = rtpengine.call(number, PHONES, PHONES, ports)?;
        let address = kamailio::ADDRESS.parse()?;
        calls.push(Relayed {
            caller_sends_to: (std::net::IpAddr::V4(address), caller_sends_to).into(),
            callee_sends_to: (std::net::IpAddr::V4(address), callee_sends_to).into(),
        });
    }
    phones.talk(&calls, Duration::from_secs(2))?; // let it learn the phones' addresses first
    let before = cpu::spent(&pids)?;
    let flowed = phones.talk(&calls, Duration::from_secs(options.talk_seconds))?;
    let spent = cpu::spent(&pids)? - before;
    if flowed.received * 100 < flowed.sent * 99 {
        bail!(
            "rtpengine passed {} of {} packets on: the machine is too busy to measure",
            flowed.received,
            flowed.sent
        );
    }
    eprintln!(
        "rtpengine: {} KiB a call",
        (cpu::resident_kib(&pids)? - resident) / u64::from(options.relayed_calls)
    );
    rows.push(Row {
        what: "relayed packet",
        peer: "rtpengine",
        per_operation_us: per_operation_us(spent, flowed.received),
    });
    Ok(())
}
