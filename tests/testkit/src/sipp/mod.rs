//! Load and strict call flows by SIPp, with scenarios of our own. SIPp is exact: a message that the scenario does not
//! expect fails the call.

mod scenario;
mod statistics;

pub use scenario::Scenario;
pub use statistics::Statistics;

use anyhow::{Context, Result, bail};
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

use crate::phone::Account;
use crate::wait::eventually;

/// How SIPp uses its sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sockets {
    /// One UDP socket for all calls.
    Udp,
    /// One TCP connection for all calls.
    Tcp,
    /// A TCP connection for each call.
    TcpPerCall,
}

/// One run of SIPp.
#[derive(Debug, Clone)]
pub struct Sipp {
    pub scenario: Scenario,
    /// What answers requests that belong to no call of `scenario`.
    pub answering: Option<Scenario>,
    pub local: SocketAddr,
    /// Where requests go; a scenario that only answers needs none.
    pub node: Option<SocketAddr>,
    pub sockets: Sockets,
    /// One row a call, taken in order.
    pub table: Vec<String>,
    pub calls: usize,
    /// New calls a second.
    pub rate: u32,
    /// After this much time the run counts as failed.
    pub limit: Duration,
}

impl Sipp {
    /// A run over UDP with a row of the table for each call.
    pub fn new(
        scenario: Scenario,
        local: SocketAddr,
        node: SocketAddr,
        table: Vec<String>,
        rate: u32,
    ) -> Self {
        let calls = table.len();
        Self {
            scenario,
            answering: None,
            local,
            node: Some(node),
            sockets: Sockets::Udp,
            table,
            calls,
            rate,
            limit: Duration::from_secs(120),
        }
    }

    /// A run that waits for `calls` calls and answers them.
    pub fn answering(scenario: Scenario, local: SocketAddr, calls: usize) -> Self {
        Self {
            scenario,
            answering: None,
            local,
            node: None,
            sockets: Sockets::Udp,
            table: Vec::new(),
            calls,
            rate: 1,
            limit: Duration::from_secs(180),
        }
    }

    /// Starts SIPp.
    pub fn start(&self) -> Result<Running> {
        let folder = tempfile::Builder::new()
            .prefix("carillon-sipp-")
            .tempdir()?;
        let path = |name: &str| folder.path().join(name);
        fs::write(path("scenario.xml"), self.scenario.text())?;
        let mut command = Command::new("sipp");
        command
            .current_dir(folder.path())
            .args(["-sf", "scenario.xml"]);
        if let Some(answering) = &self.answering {
            fs::write(path("answering.xml"), answering.text())?;
            command.args(["-oocsf", "answering.xml"]);
        }
        if !self.table.is_empty() {
            fs::write(
                path("table.csv"),
                format!("SEQUENTIAL\n{}\n", self.table.join("\n")),
            )?;
            command.args(["-inf", "table.csv"]);
        }
        let sockets = match self.sockets {
            Sockets::Udp => "u1",
            Sockets::Tcp => "t1",
            Sockets::TcpPerCall => "tn",
        };
        command
            .args(["-t", sockets])
            .args([
                "-i",
                &self.local.ip().to_string(),
                "-p",
                &self.local.port().to_string(),
            ])
            .args([
                "-m",
                &self.calls.to_string(),
                "-r",
                &self.rate.to_string(),
                "-l",
                "3000",
            ])
            .args([
                "-timeout",
                &format!("{}s", self.limit.as_secs()),
                "-timeout_error",
            ])
            .args([
                "-trace_stat",
                "-stf",
                "statistics.csv",
                "-fd",
                "1",
                "-trace_err",
                "-error_file",
                "errors.log",
            ])
            .args(["-nostdin", "-max_socket", "4000", "-buff_size", "4194304"]);
        if let Some(node) = self.node {
            command.arg(node.to_string());
        }
        let log = fs::File::create(path("screen.log"))?;
        let child = command
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .spawn()
            .context("start sipp; Debian's package sip-tester has it")?;
        Ok(Running {
            child,
            folder,
            name: self.scenario.name().to_owned(),
            deadline: Instant::now() + self.limit + Duration::from_secs(10),
        })
    }

    /// Runs SIPp to its end.
    pub fn run(&self) -> Result<Statistics> {
        self.start()?.finish()
    }
}

/// SIPp at work; it ends with this value.
#[derive(Debug)]
pub struct Running {
    child: Child,
    folder: TempDir,
    name: String,
    deadline: Instant,
}

impl Running {
    /// Waits for the end and counts.
    pub fn finish(mut self) -> Result<Statistics> {
        let limit = self.deadline.saturating_duration_since(Instant::now());
        let status = eventually(&format!("sipp {} ends", self.name), limit, || {
            Ok(self.child.try_wait()?)
        })?;
        let text =
            fs::read_to_string(self.folder.path().join("statistics.csv")).unwrap_or_default();
        let errors = self.errors();
        let Some(statistics) = Statistics::parse(&text, errors) else {
            let screen =
                fs::read_to_string(self.folder.path().join("screen.log")).unwrap_or_default();
            bail!(
                "sipp {} left no statistics ({status}): {}",
                self.name,
                screen.trim()
            );
        };
        Ok(statistics)
    }

    /// What has been counted so far.
    pub fn so_far(&self) -> Option<Statistics> {
        let text = fs::read_to_string(self.folder.path().join("statistics.csv")).ok()?;
        Statistics::parse(&text, String::new())
    }

    /// Ends it and counts what was done until now.
    pub fn stop(mut self) -> Result<Statistics> {
        self.child.kill()?;
        self.child.wait()?;
        let text = fs::read_to_string(self.folder.path().join("statistics.csv"))?;
        Statistics::parse(&text, self.errors()).context("sipp left no statistics")
    }

    fn errors(&self) -> String {
        let text = fs::read(self.folder.path().join("errors.log")).unwrap_or_default();
        faults(&String::from_utf8_lossy(&text))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or the test has failed and nobody waits for it any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The beginning of an error log, if there is more in it than that calls came in.
fn faults(log: &str) -> String {
    const HEADING: &str = "The following events occurred:";
    const CALL_CAME: &str = "Received out-of-call INVITE message, using the out-of-call scenario";
    const LINES: usize = 12;
    let rest = log.replace(HEADING, "").replace(CALL_CAME, "");
    // Nothing but the times of what is no fault.
    if !rest.contains(char::is_alphabetic) {
        return String::new();
    }
    log.lines().take(LINES).collect::<Vec<_>>().join("\n")
}

/// The row of a line that registers: name, password, domain.
pub fn row(account: &Account) -> String {
    let Account {
        username,
        password,
        domain,
        ..
    } = account;
    format!("{username};[authentication username={username} password={password}];{domain}")
}

/// The row of a line that calls another.
pub fn row_calling(account: &Account, number: &str) -> String {
    format!("{};{number}", row(account))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([127, 100, 0, host], port))
    }

    #[test]
    fn calls_that_come_in_are_no_fault_and_all_else_is() {
        let came = "The following events occurred:\n2026-11-20\t18:47:32.0\t1795200452.0: \
                    Received out-of-call INVITE message, using the out-of-call scenario";
        assert_eq!(faults(came), "");
        let fault = format!("{came}2026-11-20\t18:47:32.1\t1795200452.1: Unexpected UDP message");
        assert!(faults(&fault).contains("Unexpected"));
    }

    #[test]
    fn caller_and_callee_agree_with_each_other() {
        let callee = Scenario::callee(20);
        // A SIPp as callee asks for no password, so the challenge is put before its own scenario.
        let challenged = callee.behind_challenge();
        let answering = Sipp::answering(challenged, local(1, 15_060), 10)
            .start()
            .unwrap();
        let account = Account::of(1001);
        let table = (0..10).map(|_| row_calling(&account, "1002")).collect();
        let caller = Sipp::new(
            Scenario::caller(100),
            local(2, 15_061),
            local(1, 15_060),
            table,
            10,
        );
        let counted = caller.run().unwrap();
        counted.assert_clean(10);
        answering.finish().unwrap().assert_clean(10);
    }
}
