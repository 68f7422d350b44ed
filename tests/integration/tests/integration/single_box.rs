//! `carillon node` alone: a whole PBX in one process, and what it says to a file that is wrong.

use anyhow::{Context, Result, ensure};
use carillon_integration::{ALICE, BOB};
use carillon_sip::Method;
use carillon_testkit::lab::program;
use carillon_testkit::phone::offer;
use carillon_testkit::{Account, Api, Phone, eventually};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const ADDRESS: &str = "127.99.1.1";

/// The node, ended with the test.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a node without a file, in an empty folder; every port is one of an address of its own.
fn start(folder: &Path) -> Result<Node> {
    let said = fs::File::create(folder.join("said"))?;
    let child = Command::new(program()?)
        .arg("node")
        .current_dir(folder)
        .env("CARILLON_ADDRESS", ADDRESS)
        .stdin(Stdio::null())
        .stdout(said)
        .stderr(fs::File::create(folder.join("log"))?)
        .spawn()
        .context("start carillon node")?;
    Ok(Node(child))
}

fn sip() -> Result<SocketAddr> {
    Ok(format!("{ADDRESS}:5060").parse()?)
}

fn phone(number: u32, host: u8) -> Result<Phone> {
    Phone::udp(
        &Account::of(number),
        SocketAddr::from(([127, 99, 3, host], 0)),
        sip()?,
    )
}

#[test]
fn a_node_without_a_file_is_a_pbx_that_says_what_to_do_next() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = start(folder.path())?;
    let said = eventually("the node greets", SOON, || {
        let said = fs::read_to_string(folder.path().join("said"))?;
        Ok(said.contains("carillon ctl apply").then_some(said))
    })?;
    let password = said
        .lines()
        .find_map(|line| line.split_once("administrator password: "))
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .context("the password is printed")?;
    let authority = folder.path().join("carillon-data/ca.pem");
    let api = eventually("the interface answers", SOON, || {
        Ok(Some(Api::login(
            &format!("https://{ADDRESS}:8443"),
            &authority,
            "admin",
            password,
        )?))
    })?;
    api.found_company(&[Account::of(ALICE), Account::of(BOB)])?;

    let (mut alice, mut bob) = (phone(ALICE, 1)?, phone(BOB, 2)?);
    alice.register()?;
    bob.register()?;
    let invite = alice.invite(&BOB.to_string(), Some(&offer(alice.local(), 1, "sendrecv")))?;
    let ringing = bob.expect(&Method::Invite)?;
    let (mut bobs, _) = bob.accept(&ringing, &offer(bob.local(), 1, "sendrecv"))?;
    alice.connect(&invite)?;
    let bye = bob.request_in(&mut bobs, Method::Bye, None)?;
    bob.send(&bye)?;
    alice.hears_hang_up()?;
    bob.response_to(&bye, SOON, |code| code == 200)?;
    drop(node);

    // A second start prints no password, and everything is still there.
    let _again = start(folder.path())?;
    let api = eventually("the interface answers again", SOON, || {
        Ok(Some(Api::login(
            &format!("https://{ADDRESS}:8443"),
            &authority,
            "admin",
            password,
        )?))
    })?;
    assert_eq!(api.get("/1.1/users?limit=1")?["total"], 2);
    let said = fs::read_to_string(folder.path().join("said"))?;
    ensure!(
        !said.contains("password"),
        "the password is shown once, not twice: {said}"
    );
    Ok(())
}

#[test]
fn a_file_that_is_wrong_is_refused_whole_and_no_port_is_bound() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("node.toml");
    fs::write(
        &file,
        "roles = ['queen']\ncolour = 'blue'\naddress = '127.99.1.2'\n[sip]\nlisten = ['udp:nowhere']\n",
    )?;
    let output = Command::new(program()?)
        .args(["node", "--config"])
        .arg(&file)
        .current_dir(folder.path())
        .output()?;
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8_lossy(&output.stderr);
    for field in ["roles", "colour", "sip.listen"] {
        ensure!(said.contains(field), "{field} is not named: {said}");
    }
    UdpSocket::bind("127.99.1.2:5060").context("the port is free")?;
    ensure!(
        !folder.path().join("carillon-data").exists(),
        "a refused node leaves no data"
    );
    Ok(())
}
