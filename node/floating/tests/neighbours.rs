//! An interface in a network namespace of its own, and a neighbour in another that believes what it is told.

use std::env;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use carillon_floating::Interface;

/// Set for the test that runs inside of the namespaces.
const INSIDE: &str = "CARILLON_FLOATING_INSIDE";
const SOON: Duration = Duration::from_secs(10);
const FORMER_HOLDER: &str = "02:00:00:00:00:fe";

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    let (out, err) = (
        output.stdout,
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    ensure!(output.status.success(), "{program} {arguments:?}: {err}");
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn ip(arguments: &str) -> Result<String> {
    run("ip", &arguments.split_whitespace().collect::<Vec<_>>())
}

/// Runs one test of this program again, as root of namespaces of its own.
fn inside(test: &str) -> Result<bool> {
    if env::var_os(INSIDE).is_some() {
        return Ok(true);
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--"])
        .arg(env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .context("start unshare")?;
    let told = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&told)
    );
    Ok(false)
}

/// A host on the other end of the cable.
struct Neighbour(Child);

impl Neighbour {
    /// `near` is here and has these addresses; the neighbour has an interface in the same networks.
    fn connect() -> Result<Self> {
        let host = Command::new("unshare")
            .args(["--net", "--", "sleep", "infinity"])
            .stdout(Stdio::null())
            .spawn()?;
        let host = Self(host);
        let own = std::fs::read_link("/proc/self/ns/net")?;
        let there = format!("/proc/{}/ns/net", host.0.id());
        until("the neighbour has a namespace", || {
            Ok(std::fs::read_link(&there)? != own)
        })?;
        ip(&format!(
            "link add near type veth peer name far netns {}",
            host.0.id()
        ))?;
        ip("address add 10.9.0.1/24 dev near")?;
        ip("address add 2001:db8::1/64 dev near nodad")?;
        ip("link set near up")?;
        host.ip("address add 10.9.0.2/24 dev far")?;
        host.ip("address add 2001:db8::2/64 dev far nodad")?;
        host.ip("link set far up")?;
        Ok(host)
    }

    fn ip(&self, arguments: &str) -> Result<String> {
        let target = format!("--net=/proc/{}/ns/net", self.0.id());
        let mut all = vec![target.as_str(), "ip"];
        all.extend(arguments.split_whitespace());
        run("nsenter", &all)
    }

    /// It has spoken with the former holder a moment ago.
    fn believes_the_former_holder(&self, address: IpAddr) -> Result<()> {
        self.ip(&format!(
            "neighbour replace {address} lladdr {FORMER_HOLDER} dev far nud reachable"
        ))
        .map(drop)
    }

    fn knows(&self, address: IpAddr) -> Result<String> {
        self.ip(&format!("neighbour show {address} dev far"))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Each look starts a process: that is pause enough between two.
fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        if holds()? {
            return Ok(());
        }
    }
    bail!("{what}: not within {SOON:?}")
}

fn has(address: IpAddr) -> Result<bool> {
    Ok(ip("-oneline address show dev near")?.contains(&format!(" {address}/")))
}

#[test]
fn an_address_comes_is_announced_and_goes() -> Result<()> {
    if !inside("an_address_comes_is_announced_and_goes")? {
        return Ok(());
    }
    let neighbour = Neighbour::connect()?;
    let mac = link_address()?;
    for address in ["10.9.0.101", "2001:db8::65"] {
        let address: IpAddr = address.parse()?;
        let mut interface = Interface::open("near", address)?;
        neighbour.believes_the_former_holder(address)?;
        interface.add(address, Duration::from_secs(100))?;
        // Again: it is the same address, for longer.
        interface.add(address, Duration::from_secs(100))?;
        ensure!(has(address)?, "{address} is not there");
        let before = neighbour.knows(address)?;
        ensure!(before.contains(FORMER_HOLDER), "{before}");
        until("the neighbour believes it", || {
            interface.announce(address)?;
            Ok(!neighbour.knows(address)?.contains(FORMER_HOLDER))
        })?;
        let known = neighbour.knows(address)?;
        ensure!(known.contains(&mac), "{known} {mac}");
        interface.remove(address)?;
        interface.remove(address)?;
        ensure!(!has(address)?, "{address} is there still");
        // What the machine begins does not start from it while it is there.
        interface.add(address, Duration::from_secs(100))?;
        let way = if address.is_ipv4() {
            "10.9.0.2"
        } else {
            "2001:db8::2"
        };
        let route = ip(&format!("route get {way}"))?;
        ensure!(!route.contains(&address.to_string()), "{route}");
    }
    Ok(())
}

fn link_address() -> Result<String> {
    let shown = ip("-brief link show dev near")?;
    let mac = shown.split_whitespace().nth(2);
    Ok(mac.context("a link has an address")?.to_owned())
}

#[test]
fn an_address_that_nobody_renews_goes_by_itself() -> Result<()> {
    if !inside("an_address_that_nobody_renews_goes_by_itself")? {
        return Ok(());
    }
    let _neighbour = Neighbour::connect()?;
    let address: IpAddr = "10.9.0.101".parse()?;
    let mut interface = Interface::open("near", address)?;
    interface.add(address, Duration::from_secs(1))?;
    ensure!(has(address)?);
    drop(interface);
    until("the kernel takes it away", || Ok(!has(address)?))
}

#[test]
fn a_neighbour_that_has_an_address_says_so() -> Result<()> {
    if !inside("a_neighbour_that_has_an_address_says_so")? {
        return Ok(());
    }
    let neighbour = Neighbour::connect()?;
    let address: IpAddr = "10.9.0.101".parse()?;
    let mut interface = Interface::open("near", address)?;
    let taken = || interface.is_taken(address, Duration::from_millis(300));
    ensure!(!taken()?, "nobody has it");
    neighbour.ip("address add 10.9.0.101/32 dev far")?;
    until("the neighbour has it", || Ok(taken()?))?;
    neighbour.ip("address del 10.9.0.101/32 dev far")?;
    interface.add(address, Duration::from_secs(100))?;
    ensure!(
        !interface.is_taken(address, Duration::from_millis(300))?,
        "it is here"
    );
    Ok(())
}

#[test]
fn an_interface_that_is_not_there_and_one_that_may_not_be_changed_are_errors() -> Result<()> {
    let address: IpAddr = "10.9.0.101".parse()?;
    let absent = Interface::open("carillon-nowhere", address);
    ensure!(absent.is_err());
    // Loopback is no Ethernet, whoever asks.
    ensure!(Interface::open("lo", address).is_err());
    Ok(())
}
