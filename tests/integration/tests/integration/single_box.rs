//! `carillon node` alone: a whole PBX in one process, and what it says to a file that is wrong.

use anyhow::{Context, Result, ensure};
use carillon_integration::{ALICE, BOB, Talk};
use carillon_sip::Method;
use carillon_testkit::lab::program;
use carillon_testkit::phone::{Audio, offer, rtp_target};
use carillon_testkit::{Account, Api, Phone, eventually};
use serde_json::json;
use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
/// The node, ended with the test; every port is one of an address of its own.
struct Pbx {
    process: Child,
    folder: TempDir,
    address: IpAddr,
}

impl Drop for Pbx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Pbx {
    /// Starts a node without a file, in an empty folder.
    fn start(address: IpAddr) -> Result<Self> {
        Self::start_with(tempfile::tempdir()?, address, &[])
    }

    /// The same in a folder of the story's choice, with more in its environment.
    fn start_with(folder: TempDir, address: IpAddr, more: &[(&str, &str)]) -> Result<Self> {
        Ok(Self {
            process: spawn(folder.path(), address, more)?,
            folder,
            address,
        })
    }

    /// kill -9, and a new start on what is left in the folder.
    fn again(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.process = spawn(self.folder.path(), self.address, &[])?;
        Ok(())
    }

    fn said(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("said"))?)
    }

    /// The password that the first start prints.
    fn password(&self) -> Result<String> {
        let said = eventually("the node greets", SOON, || {
            let said = self.said()?;
            Ok(said.contains("carillon ctl apply").then_some(said))
        })?;
        let password = said
            .lines()
            .find_map(|line| line.split_once("administrator password: "))
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .context("the password is printed")?;
        Ok(password.to_owned())
    }

    fn url(&self) -> String {
        format!("https://{}", SocketAddr::new(self.address, 8443))
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("carillon-data/ca.pem")
    }

    fn api(&self, password: &str) -> Result<Api> {
        eventually("the interface answers", SOON, || {
            let api = Api::login(&self.url(), &self.authority(), "admin", password)?;
            Ok(Some(api))
        })
    }

    /// What `carillon ctl` answers.
    fn ctl(&self, password: &str, words: &[&str]) -> Result<String> {
        let output = Command::new(program()?)
            .args(["ctl", "--url", &self.url(), "--ca"])
            .arg(self.authority())
            .args(words)
            .current_dir(self.folder.path())
            .env("CARILLON_USER", "admin")
            .env("CARILLON_PASSWORD", password)
            .output()?;
        let wrong = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{words:?}: {wrong}");
        Ok(String::from_utf8(output.stdout)?)
    }

    fn phone(&self, number: u32, at: IpAddr) -> Result<Phone> {
        let node = SocketAddr::new(self.address, 5060);
        let mut phone = Phone::udp(&Account::of(number), SocketAddr::new(at, 0), node)?;
        phone.register()?;
        Ok(phone)
    }
}

fn spawn(folder: &Path, address: IpAddr, more: &[(&str, &str)]) -> Result<Child> {
    let said = fs::File::create(folder.join("said"))?;
    Command::new(program()?)
        .arg("node")
        .current_dir(folder)
        .env("CARILLON_ADDRESS", address.to_string())
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .stdout(said)
        .stderr(fs::File::create(folder.join("log"))?)
        .spawn()
        .context("start carillon node")
}

/// Two phones at these addresses call each other, hear each other, and hang up.
fn a_call_works(pbx: &Pbx, at: [IpAddr; 2]) -> Result<()> {
    let (mut alice, mut bob) = (pbx.phone(ALICE, at[0])?, pbx.phone(BOB, at[1])?);
    let alice_audio = Audio::bind(SocketAddr::new(at[0], 0))?;
    let bob_audio = Audio::bind(SocketAddr::new(at[1], 0))?;
    let offered = offer(alice_audio.local()?, 1, "sendrecv");
    let invite = alice.invite(&BOB.to_string(), Some(&offered))?;
    let ringing = bob.expect(&Method::Invite)?;
    let answered = offer(bob_audio.local()?, 1, "sendrecv");
    let (bobs, _) = bob.accept(&ringing, &answered)?;
    let (alices, answer) = alice.connect(&invite)?;
    let mut talk = Talk {
        alice: alices,
        bob: bobs,
        alice_audio,
        bob_audio,
        alice_sends_to: rtp_target(&answer)?,
        bob_sends_to: rtp_target(&ringing)?,
    };
    ensure!(talk.alice_sends_to.ip() == pbx.address, "media by the node");
    talk.both_hear(0x11, 0x22)?;
    let bye = bob.request_in(&mut talk.bob, Method::Bye, None)?;
    bob.send(&bye)?;
    alice.hears_hang_up()?;
    bob.response_to(&bye, SOON, |code| code == 200)?;
    Ok(())
}

#[test]
fn a_node_without_a_file_is_a_pbx_that_says_what_to_do_next() -> Result<()> {
    let mut pbx = Pbx::start([127, 99, 1, 1].into())?;
    let password = pbx.password()?;
    let api = pbx.api(&password)?;
    api.found_company(&[Account::of(ALICE), Account::of(BOB)])?;
    a_call_works(&pbx, [[127, 99, 3, 1].into(), [127, 99, 3, 2].into()])?;

    // A second start prints no password, and everything is still there.
    pbx.again()?;
    let api = pbx.api(&password)?;
    assert_eq!(api.get("/1.1/users?limit=1")?["total"], 2);
    let said = pbx.said()?;
    ensure!(
        !said.contains("password"),
        "the password is shown once, not twice: {said}"
    );
    Ok(())
}

#[test]
fn phones_with_ipv6_hear_each_other_by_a_node_that_has_nothing_else() -> Result<()> {
    let here = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let pbx = Pbx::start(here)?;
    let api = pbx.api(&pbx.password()?)?;
    api.found_company(&[Account::of(ALICE), Account::of(BOB)])?;
    a_call_works(&pbx, [here, here])
}

#[test]
fn sip_and_rest_show_the_certificate_of_a_file_where_there_is_one() -> Result<()> {
    let address = IpAddr::from([127, 99, 1, 4]);
    let folder = tempfile::tempdir()?;
    let own = rcgen::generate_simple_self_signed([address.to_string()])?;
    fs::write(folder.path().join("own.pem"), own.cert.pem())?;
    fs::write(
        folder.path().join("own.key"),
        own.signing_key.serialize_pem(),
    )?;
    let files = [
        ("CARILLON_SIP__CERTIFICATE", "own.pem"),
        ("CARILLON_SIP__KEY", "own.key"),
        ("CARILLON_API__CERTIFICATE", "own.pem"),
        ("CARILLON_API__KEY", "own.key"),
    ];
    let pbx = Pbx::start_with(folder, address, &files)?;
    let password = pbx.password()?;
    let own = pbx.folder.path().join("own.pem");
    let api = Api::login(&pbx.url(), &own, "admin", &password)?;
    api.found_company(&[Account::of(ALICE)])?;
    let sip = SocketAddr::new(address, 5061);
    Phone::tls(&Account::of(ALICE), sip, &own)?.register()?;

    // The cluster's authority has not signed it.
    let other = pbx.authority();
    let refused =
        Phone::tls(&Account::of(ALICE), sip, &other).and_then(|mut phone| phone.register());
    ensure!(refused.is_err(), "a phone that trusts another authority");
    Ok(())
}

#[test]
fn what_is_exported_can_be_applied_and_changes_nothing() -> Result<()> {
    let pbx = Pbx::start([127, 99, 1, 3].into())?;
    let password = pbx.password()?;
    let api = pbx.api(&password)?;
    api.found_company(&[Account::of(ALICE), Account::of(BOB)])?;
    let exported = pbx.ctl(&password, &["export"])?;
    for what in ["users:", &ALICE.to_string(), &BOB.to_string()] {
        ensure!(exported.contains(what), "{what} is not in\n{exported}");
    }
    fs::write(pbx.folder.path().join("company.yaml"), &exported)?;
    let apply = ["apply", "--file", "company.yaml", "--dry-run"];
    assert_eq!(pbx.ctl(&password, &apply)?.trim(), "nothing to change");

    // What was changed meanwhile is as in the file again.
    let first = || Ok::<_, anyhow::Error>(api.get("/1.1/users?limit=1")?["items"][0].clone());
    let before = first()?;
    let path = format!("/1.1/users/{}", before["id"]);
    api.put(&path, &json!({"firstname": "Somebody"}))?;
    pbx.ctl(&password, &["apply", "--file", "company.yaml"])?;
    assert_eq!(first()?["firstname"], before["firstname"]);
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
