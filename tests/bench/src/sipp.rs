//! SIPp as the load: registrations and calls with digest.

use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{LOAD_CORE, Running};

/// Where the phones are.
pub(crate) const PHONES: &str = "127.0.3.2";
/// The port of the answering phones: the one that every phone registers.
pub(crate) const ANSWER_PORT: u16 = 5070;
const CALL_PORT: u16 = 5071;
/// First of the phones' numbers; lower half calls, upper half answers.
pub(crate) const FIRST_NUMBER: u32 = 20_000;

const REGISTER: &str = include_str!("../scenarios/register.xml");
const CALL: &str = include_str!("../scenarios/call.xml");
const ANSWER: &str = include_str!("../scenarios/answer.xml");

/// What is asked of a server: how often, how fast, how long.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) phones: u32,
    pub(crate) count: u32,
    pub(crate) per_second: u32,
    pub(crate) hold_ms: u32,
}

/// How a server knows the phone with this number.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    pub(crate) username: fn(u32) -> String,
    pub(crate) password: fn(u32) -> String,
}

impl Names {
    fn credentials(self, number: u32) -> String {
        format!(
            "[authentication username={} password={}]",
            (self.username)(number),
            (self.password)(number)
        )
    }
}

pub(crate) struct Sipp {
    folder: PathBuf,
    names: Names,
}

impl Sipp {
    pub(crate) fn new(folder: &Path, names: Names) -> Self {
        Self {
            folder: folder.to_owned(),
            names,
        }
    }

    /// Every phone registers, again and again until `count`; fails when one registration fails.
    pub(crate) fn register(&self, server: &str, load: Load) -> Result<()> {
        let mut lines = "SEQUENTIAL\n".to_owned();
        for number in FIRST_NUMBER..FIRST_NUMBER + load.phones {
            let (name, credentials) = (
                (self.names.username)(number),
                self.names.credentials(number),
            );
            writeln!(lines, "{name};{credentials};{ANSWER_PORT}")?;
        }
        self.run("register", REGISTER, &lines, server, load)
    }

    /// The lower half of the phones calls the upper half; fails when one call fails.
    pub(crate) fn call(&self, server: &str, load: Load) -> Result<()> {
        let half = load.phones / 2;
        let mut lines = "SEQUENTIAL\n".to_owned();
        for number in FIRST_NUMBER..FIRST_NUMBER + half {
            let (name, credentials) = (
                (self.names.username)(number),
                self.names.credentials(number),
            );
            writeln!(lines, "{name};{credentials};{}", number + half)?;
        }
        let scenario = CALL.replace("HOLD_MS", &load.hold_ms.to_string());
        self.run("call", &scenario, &lines, server, load)
    }

    /// The phones that answer, until dropped.
    pub(crate) fn answer(&self) -> Result<Running> {
        let scenario = self.folder.join("answer.xml");
        fs::write(&scenario, ANSWER)?;
        let file = scenario.to_string_lossy();
        let port = ANSWER_PORT.to_string();
        let arguments = ["-sf", &file, "-i", PHONES, "-p", &port, "-nostdin", "-aa"];
        Running::start(
            LOAD_CORE,
            "sipp",
            &arguments,
            &self.folder.join("answer.log"),
        )
    }

    fn run(&self, name: &str, scenario: &str, lines: &str, server: &str, load: Load) -> Result<()> {
        let scenario_file = self.folder.join(format!("{name}.xml"));
        let lines_file = self.folder.join(format!("{name}.csv"));
        let log = self.folder.join(format!("{name}.log"));
        fs::write(&scenario_file, scenario)?;
        fs::write(&lines_file, lines)?;
        let output = fs::File::create(&log)?;
        let status = Command::new("taskset")
            .args(["-c", LOAD_CORE, "sipp", server, "-sf"])
            .arg(&scenario_file)
            .arg("-inf")
            .arg(&lines_file)
            .args(["-i", PHONES, "-p", &CALL_PORT.to_string()])
            .args([
                "-r",
                &load.per_second.to_string(),
                "-m",
                &load.count.to_string(),
            ])
            .args([
                "-l",
                "100000",
                "-nostdin",
                "-timeout",
                "300",
                "-timeout_error",
            ])
            .stdout(output.try_clone()?)
            .stderr(output)
            .stdin(Stdio::null())
            .status()
            .context("run sipp")?;
        if !status.success() {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let tail: Vec<&str> = text
                .lines()
                .filter(|line| line.contains("-->") || line.contains("<--") || line.contains("all"))
                .collect();
            bail!(
                "SIPp's {name} scenario at {server} failed ({status}):\n{}",
                tail.join("\n")
            );
        }
        Ok(())
    }
}
