//! `cargo xtask test`: every test there is, cheapest ring first.

use anyhow::Result;
use clap::{Args, ValueEnum};
use std::process::{Command, Stdio};

use crate::cargo::{CARILLON, Cargo, succeed, with_namespaces};
use crate::debian;
use crate::run;
use crate::workspace::Workspace;

const SEEDS: u64 = 200;
const FUZZ_SECONDS: u64 = 10;

/// The short form of the chaos: every fault once, under a low load. What depends on how fast the machine is, is printed and
/// not judged.
const CHAOS: [&str; 7] = [
    "--without-times",
    "--faults=14",
    "--minutes=20",
    "--seed=1",
    "--calls=4",
    "--visitors=3",
    "--idle-lines=6",
];

#[derive(Args, Default)]
pub(crate) struct Options {
    /// One ring instead of all
    #[arg(long, value_enum)]
    only: Option<Ring>,
    /// Tests whose name contains this
    filter: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ring {
    /// Unit and property tests of every crate, and their doc tests
    Unit,
    /// The whole cluster in one thread and virtual time
    Simulation,
    /// The parsers under mutated input
    Fuzz,
    /// Real processes, real sockets, real phones
    Integration,
    /// A cluster under load in which one thing after another breaks
    Chaos,
}

pub(crate) fn test(workspace: &Workspace, options: &Options) -> Result<()> {
    let wanted = |ring| options.only.is_none_or(|only| only == ring);
    let phones: &[&str] = match wanted(Ring::Integration) || wanted(Ring::Unit) {
        true => &debian::PHONES,
        false => &[],
    };
    debian::ensure(&[&debian::BUILD, phones])?;
    let cargo = Cargo::with_rocksdb(workspace)?;
    let filter = options.filter.as_deref();
    if wanted(Ring::Unit) {
        heading("unit and property tests");
        unit(&cargo, filter)?;
    }
    if wanted(Ring::Fuzz) && filter.is_none() {
        heading("fuzz targets");
        run::fuzz(workspace, FUZZ_SECONDS)?;
    }
    if wanted(Ring::Simulation) && filter.is_none() {
        heading("simulation");
        run::simulate(workspace, &["--seeds".to_owned(), SEEDS.to_string()])?;
    }
    if wanted(Ring::Integration) {
        heading("integration: real processes, sockets and phones");
        integration(&cargo, filter)?;
    }
    if wanted(Ring::Chaos) && filter.is_none() {
        heading("chaos: a cluster under load, and faults");
        run::chaos(workspace, &CHAOS.map(str::to_owned))?;
    }
    eprintln!("\nxtask: all tests passed");
    Ok(())
}

fn heading(ring: &str) {
    eprintln!("\n==== {ring}");
}

fn unit(cargo: &Cargo<'_>, filter: Option<&str>) -> Result<()> {
    let scope = [
        "--locked",
        "--workspace",
        "--exclude",
        "carillon-integration",
    ];
    if has_nextest() {
        let mut arguments = vec!["nextest", "run"];
        arguments.extend(scope);
        arguments.extend(["--no-tests", "pass"]);
        arguments.extend(filter);
        cargo.run(&arguments)?;
    } else {
        let mut arguments = vec!["test", "--lib", "--bins", "--tests", "--examples"];
        arguments.extend(scope);
        arguments.extend(filter);
        cargo.run(&arguments)?;
    }
    if filter.is_some() {
        return Ok(());
    }
    let mut arguments = vec!["test", "--doc"];
    arguments.extend(scope);
    cargo.run(&arguments)
}

/// One test at a time: each has the machine, and the lab's addresses, to itself.
fn integration(cargo: &Cargo<'_>, filter: Option<&str>) -> Result<()> {
    cargo.build(CARILLON)?;
    let mut arguments = if has_nextest() {
        vec![
            "nextest",
            "run",
            "--locked",
            "--workspace",
            "--test",
            "integration",
            "--test-threads",
            "1",
        ]
    } else {
        vec!["test", "--locked", "--workspace", "--test", "integration"]
    };
    arguments.extend(filter);
    if !has_nextest() {
        arguments.extend(["--", "--test-threads", "1"]);
    }
    succeed(&mut with_namespaces(&cargo.command(&arguments))?)
}

fn has_nextest() -> bool {
    Command::new("cargo-nextest")
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
