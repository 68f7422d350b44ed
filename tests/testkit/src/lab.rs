//! A cluster for one test: `carillon lab up` in a folder of its own, on addresses of its own, ended with the test.

use anyhow::{Context, Result, bail};
use carillon_lab::Lab;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

use crate::api::Api;
use crate::net::{NETS_OF_PEOPLE, NETS_OF_TESTS, Net};
use crate::phone::{Account, Phone, Wire};
use crate::wait::{eventually, was_in_vain};

/// A follower has applied what the leader acknowledged.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(30);
/// Floating addresses are where they belong.
const AT_HOME_WITHIN: Duration = Duration::from_secs(20);
const SIP_PORT: u16 = 5060;
const SIP_TLS_PORT: u16 = 5061;

/// What a test wants.
#[derive(Debug, Clone, Copy)]
pub struct LabOptions {
    pub control: u8,
    pub media: u8,
    pub namespaces: bool,
    /// A collector on this machine that all nodes send traces to.
    pub collector: Option<SocketAddr>,
    /// Each control node has an address that others take over; needs namespaces.
    pub floating: bool,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            control: 3,
            media: 2,
            namespaces: false,
            collector: None,
            floating: false,
        }
    }
}

impl LabOptions {
    fn command(self, program: &Path, dir: &Path, net: &Net) -> Command {
        let mut command = Command::new(program);
        command.args(["lab", "up", "--dir"]).arg(dir);
        command.args([
            "--control",
            &self.control.to_string(),
            "--media",
            &self.media.to_string(),
            "--net",
            net.text(),
        ]);
        if self.namespaces {
            command.arg("--namespaces");
        }
        if let Some(collector) = self.collector {
            let endpoint = format!("http://{collector}");
            command.env("CARILLON_TELEMETRY__TRACES__ENDPOINT", endpoint);
        }
        if self.floating {
            command.arg("--floating");
        }
        command
    }
}

/// The cluster of one test.
#[derive(Debug)]
pub struct TestLab {
    /// What runs where.
    pub lab: Lab,
    folder: Folder,
    program: PathBuf,
    next_phone: AtomicU16,
    _net: Net,
}

/// Where a lab lives.
#[derive(Debug)]
enum Folder {
    /// Gone with the test, unless it fails.
    Passing(TempDir),
    /// Chosen and kept by whoever asked for the lab.
    Lasting(PathBuf),
}

impl TestLab {
    /// Starts a cluster and waits until it is ready.
    pub fn up(options: LabOptions) -> Result<Self> {
        Self::up_trusting(options, None)
    }

    /// The same with nodes that trust carriers whose certificates this authority has signed.
    pub fn up_trusting(options: LabOptions, authority_pem: Option<&str>) -> Result<Self> {
        let program = program()?;
        let folder = tempfile::Builder::new()
            .prefix("carillon-test-")
            .tempdir()?;
        if let Some(pem) = authority_pem {
            fs::write(folder.path().join("trusted.pem"), pem)?;
        }
        let net = Net::take(&program, NETS_OF_TESTS, options.namespaces, folder.path())?;
        succeed(&mut options.command(&program, folder.path(), &net))?;
        Self::of(program, Folder::Passing(folder), net)
    }

    /// Starts a cluster on the addresses that people know, in a folder that stays, and loads a company; its progress is
    /// printed.
    pub fn up_for_people(options: LabOptions, dir: &Path, company: &Path) -> Result<Self> {
        let program = program()?;
        let net = Net::take(&program, NETS_OF_PEOPLE, options.namespaces, dir)?;
        let mut command = options.command(&program, dir, &net);
        command.arg("--load").arg(company).stdout(Stdio::null());
        let status = command
            .status()
            .with_context(|| format!("start {}", program.display()))?;
        if !status.success() {
            bail!("the lab did not start: {status}");
        }
        Self::of(program, Folder::Lasting(dir.to_owned()), net)
    }

    fn of(program: PathBuf, folder: Folder, net: Net) -> Result<Self> {
        let mut started = Self {
            lab: Lab::default(),
            folder,
            program,
            next_phone: AtomicU16::new(0),
            _net: net,
        };
        started.lab = Lab::read(started.dir())?;
        Ok(started)
    }

    /// Three control nodes and two media servers on loopback, with a line for each number.
    pub fn with_company(numbers: impl IntoIterator<Item = u32>) -> Result<Self> {
        let lab = Self::up(LabOptions::default())?;
        let accounts: Vec<Account> = numbers.into_iter().map(Account::of).collect();
        lab.found_company(&accounts)?;
        Ok(lab)
    }

    /// Makes users with lines at node 1, and waits until every node knows them.
    pub fn found_company(&self, accounts: &[Account]) -> Result<()> {
        let first = self.api(1)?;
        first.found_company(accounts)?;
        let made = first.get("/1.1/users?limit=1")?["total"].clone();
        for node in 2..=self.lab.control.len() {
            let api = self.api(node)?;
            eventually(
                &format!("node {node} knows all users"),
                CAUGHT_UP_WITHIN,
                || Ok((api.get("/1.1/users?limit=1")?["total"] == made).then_some(())),
            )?;
        }
        Ok(())
    }

    /// The lab's folder.
    pub fn dir(&self) -> &Path {
        match &self.folder {
            Folder::Passing(folder) => folder.path(),
            Folder::Lasting(folder) => folder,
        }
    }

    /// SIP of control node `number`, counted from 1.
    pub fn sip(&self, number: usize) -> Result<SocketAddr> {
        Ok(SocketAddr::from((self.control_address(number)?, SIP_PORT)))
    }

    /// SIP over TLS of control node `number`.
    pub fn sip_tls(&self, number: usize) -> Result<SocketAddr> {
        Ok(SocketAddr::from((
            self.control_address(number)?,
            SIP_TLS_PORT,
        )))
    }

    /// SIP at the floating address of control node `number`.
    pub fn sip_floating(&self, number: usize) -> Result<SocketAddr> {
        let node = number
            .checked_sub(1)
            .and_then(|index| self.lab.control.get(index));
        let floating = node.and_then(|node| node.floating);
        let floating = floating.with_context(|| format!("control node {number} does not float"))?;
        Ok(SocketAddr::from((floating, SIP_PORT)))
    }

    /// An address of this machine that a lab with namespaces reaches; the port is the kernel's choice.
    fn host_address(&self) -> Result<SocketAddr> {
        const NET: u8 = 0;
        const HOST: u8 = 1;
        let [first, second, ..] = self.control_address(1)?.octets();
        Ok(SocketAddr::from((
            Ipv4Addr::new(first, second, NET, HOST),
            0,
        )))
    }

    fn control_address(&self, number: usize) -> Result<Ipv4Addr> {
        let node = number
            .checked_sub(1)
            .and_then(|index| self.lab.control.get(index));
        Ok(node
            .with_context(|| format!("there is no control node {number}"))?
            .address)
    }

    /// The REST interface of control node `number`, as the administrator.
    pub fn api(&self, number: usize) -> Result<Api> {
        let node = number
            .checked_sub(1)
            .and_then(|index| self.lab.control.get(index));
        let node = node.with_context(|| format!("there is no control node {number}"))?;
        Api::login(
            &node.api,
            &self.lab.ca,
            &self.lab.admin.user,
            &self.lab.admin.password,
        )
    }

    /// An address on loopback that no other phone of this lab has; with namespaces, this machine's. The port is the kernel's
    /// choice.
    pub fn phone_address(&self) -> Result<SocketAddr> {
        if self.lab.namespaces {
            return self.host_address();
        }
        const HOSTS: u16 = 250;
        const FIRST_NET: u16 = 3;
        let number = self.next_phone.fetch_add(1, Ordering::Relaxed);
        let net = u8::try_from(FIRST_NET + number / HOSTS).context("addresses for phones")?;
        let host = u8::try_from(1 + number % HOSTS)?;
        let [first, second, ..] = self.control_address(1)?.octets();
        Ok(SocketAddr::from((
            Ipv4Addr::new(first, second, net, host),
            0,
        )))
    }

    /// A scripted phone over UDP towards control node `node`; not registered yet.
    pub fn phone(&self, number: u32, node: usize) -> Result<Phone> {
        Phone::udp(&Account::of(number), self.phone_address()?, self.sip(node)?)
    }

    /// A scripted phone over TCP.
    pub fn phone_tcp(&self, number: u32, node: usize) -> Result<Phone> {
        Ok(Phone::new(
            &Account::of(number),
            Wire::tcp(self.phone_address()?, self.sip(node)?)?,
        ))
    }

    /// A scripted phone over TLS, which checks the node's certificate.
    pub fn phone_tls(&self, number: u32, node: usize) -> Result<Phone> {
        Phone::tls(&Account::of(number), self.sip_tls(node)?, &self.lab.ca)
    }

    /// `carillon lab kill NAME`, with SIGKILL.
    pub fn kill(&self, name: &str) -> Result<()> {
        self.run(["kill", name])
    }

    /// `carillon lab start NAME`, and waits until it is ready.
    pub fn start(&mut self, name: &str) -> Result<()> {
        self.start_together(&[name.to_owned()])
    }

    /// Starts several processes at once, as after a power cut, and waits until they are ready.
    pub fn start_together(&mut self, names: &[String]) -> Result<()> {
        self.run(std::iter::once("start").chain(names.iter().map(String::as_str)))?;
        self.lab = Lab::read(self.dir())?;
        Ok(())
    }

    /// Runs a lab command on this lab.
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut command = Command::new(&self.program);
        command
            .arg("lab")
            .args(arguments)
            .arg("--dir")
            .arg(self.dir());
        succeed(&mut command)
    }

    /// A command that runs on one of the lab's hosts (with namespaces).
    pub fn on_host(&self, host: &str, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["lab", "exec", host, "--dir"])
            .arg(self.dir())
            .arg("--")
            .arg(program);
        command
    }

    /// The number that a node's metrics give for a series, labels included in the name; 0 where the series is absent.
    pub fn metric(&self, node: &str, series: &str) -> Result<f64> {
        let text = self.metrics(node)?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(line.map_or(Ok(0.0), |value| value.trim().parse())?)
    }

    /// A node's metrics as they are served.
    pub fn metrics(&self, node: &str) -> Result<String> {
        let control = self
            .lab
            .control
            .iter()
            .map(|node| (&node.name, &node.metrics));
        let media = self
            .lab
            .media
            .iter()
            .map(|server| (&server.name, &server.metrics));
        let (_, url) = control
            .chain(media)
            .find(|(name, _)| *name == node)
            .with_context(|| format!("{node} has no metrics"))?;
        crate::http::get_plain(url)
    }

    /// What a process has written to its log.
    pub fn log(&self, node: &str) -> Result<String> {
        let path = self.dir().join("logs").join(format!("{node}.log"));
        let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Whether a process runs.
    pub fn is_running(&self, node: &str) -> Result<bool> {
        let mut processes = self.lab.processes();
        let (_, pid) = processes
            .find(|(name, _)| *name == node)
            .with_context(|| format!("there is no process {node}"))?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // One that has ended and was not yet waited for is still listed.
        let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
        Ok(state.is_some_and(|state| !state.starts_with(['Z', 'X'])))
    }

    /// The resident memory of a process, in bytes.
    pub fn memory(&self, node: &str) -> Result<u64> {
        let (_, pid) = self
            .lab
            .processes()
            .find(|(name, _)| *name == node)
            .with_context(|| format!("there is no process {node}"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("a process has memory")?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes * 1024)
    }

    /// The number of the control node that leads, counted from 1, when one does. Who is dead leads nothing.
    pub fn leader(&self) -> Option<usize> {
        let leads = |name: &str| {
            self.metric(name, "carillon_raft_is_leader")
                .is_ok_and(|value| value == 1.0)
        };
        let place = self.lab.control.iter().position(|node| leads(&node.name))?;
        Some(place + 1)
    }

    /// Waits until each of these control nodes has its floating address, and no other says that it has it.
    pub fn until_addresses_are_at_home(&self, homes: &[usize]) -> Result<()> {
        for home in homes {
            let what = format!("control{home} has its floating address");
            let only = vec![*home];
            eventually(&what, AT_HOME_WITHIN, || {
                Ok((self.holders_of_address(*home) == only).then_some(()))
            })?;
        }
        Ok(())
    }

    /// The control nodes that say that they have the floating address of `home`, counted from 1. The dead say nothing.
    pub fn holders_of_address(&self, home: usize) -> Vec<usize> {
        let series = format!("carillon_floating_address_held{{home=\"control{home}\"}}");
        let holds = |number: &usize| {
            self.metric(&format!("control{number}"), &series)
                .is_ok_and(|held| held == 1.0)
        };
        (1..=self.lab.control.len()).filter(holds).collect()
    }

    /// Calls that are under way, as node 1 knows them.
    pub fn live_calls(&self) -> Result<usize> {
        let calls = self.api(1)?.get("/api/v1/calls?limit=1")?;
        let total = calls["total"].as_u64().context("a number of calls")?;
        Ok(usize::try_from(total)?)
    }

    /// Waits until no call is left on the cluster.
    pub fn until_no_call_is_left(&self, limit: Duration) -> Result<()> {
        eventually("no call is left", limit, || {
            Ok((self.live_calls()? == 0).then_some(()))
        })
    }
}

/// Lines of each log that a failed test shows.
const LAST_LINES: usize = 40;

impl Drop for TestLab {
    fn drop(&mut self) {
        let failed = thread::panicking() || was_in_vain();
        // A leader that ends together with all others looks for an heir for two seconds; no test waits for that.
        for (name, _) in self.lab.processes() {
            let _ = self.kill(name);
        }
        if let Err(error) = self.run(["down"]) {
            eprintln!("the lab did not end: {error:#}");
        }
        let keep = failed || env::var_os("CARILLON_KEEP_LABS").is_some();
        let Folder::Passing(folder) = &mut self.folder else {
            return;
        };
        if keep {
            folder.disable_cleanup(true);
            eprintln!("the lab's logs stay in {}", folder.path().display());
        }
        if failed {
            self.show_last_lines();
        }
    }
}

impl TestLab {
    /// Where a test fails on a machine that is gone afterwards, its output is all that is left.
    fn show_last_lines(&self) {
        for (name, _) in self.lab.processes() {
            let log = self.log(name).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            eprintln!("-- {name}\n{}", last.join("\n"));
        }
    }
}

/// The program under test: `$CARILLON`, or the one beside the test in the target folder.
pub fn program() -> Result<PathBuf> {
    if let Some(program) = env::var_os("CARILLON") {
        return Ok(PathBuf::from(program));
    }
    let test = env::current_exe().context("find the test program")?;
    let folder = test
        .ancestors()
        .find(|folder| folder.join("carillon").is_file());
    let folder =
        folder.context("no carillon beside the test; cargo build -p carillon-daemon makes it")?;
    Ok(folder.join("carillon"))
}

pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
