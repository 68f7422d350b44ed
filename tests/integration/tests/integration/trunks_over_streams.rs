//! A carrier over TCP and over TLS: it is registered at, called and calls by connections, and the owner is killed.

use anyhow::{Context, Result, ensure};
use carillon_integration::{ALICE, BOB, records};
use carillon_sip::Method;
use carillon_testkit::carrier::{Door, Notary, Registered};
use carillon_testkit::lab::LabOptions;
use carillon_testkit::phone::{Audio, Transport, offer};
use carillon_testkit::{Account, Carrier, Phone, TestLab, eventually};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::trunks::{DID, SOON, TAKEN_OVER_WITHIN, challenges, connect};

/// Alice and bob by UDP, and a carrier by connections.
struct Office {
    transport: Transport,
    alice: Phone,
    bob: Phone,
    carrier: Carrier,
    /// Where nodes connect to the carrier for calls.
    switch: Door,
    lab: TestLab,
}

impl Office {
    fn open(transport: Transport) -> Result<Self> {
        let notary = Notary::new()?;
        let pem = notary.pem();
        let lab = TestLab::up_trusting(LabOptions::default(), Some(&pem))?;
        lab.found_company(&[Account::of(ALICE), Account::of(BOB)])?;
        let host = lab.phone_address()?;
        let door = || match transport {
            Transport::Tls => Door::tls(host, &notary),
            Transport::Tcp | Transport::Udp => Door::tcp(host),
        };
        let switch = door()?;
        let carrier = Carrier::behind(door()?, "account", "for-registering")?;
        connect(&lab, carrier.address(), switch.address()?, name(transport))?;
        let mut alice = lab.phone(ALICE, 1)?;
        let mut bob = lab.phone(BOB, 2)?;
        alice.register()?;
        bob.register()?;
        Ok(Self {
            transport,
            alice,
            bob,
            carrier,
            switch,
            lab,
        })
    }

    fn registered(&self) -> Result<Registered> {
        eventually("the trunk is registered", SOON, || {
            Ok(self.carrier.account().last().cloned())
        })
    }

    /// The node at an address, and the contact by which the carrier reaches it.
    fn node_at(&self, address: IpAddr) -> Result<(usize, String)> {
        let own = |node: usize| -> Result<SocketAddr> {
            match self.transport {
                Transport::Tls => self.lab.sip_tls(node),
                Transport::Tcp | Transport::Udp => self.lab.sip(node),
            }
        };
        let node = (1..=3).find(|node| own(*node).is_ok_and(|own| own.ip() == address));
        let node = node.context("a node registers from the address of its listener")?;
        let contact = format!(
            "sip:0390000000@{};transport={}",
            own(node)?,
            name(self.transport)
        );
        Ok((node, contact))
    }

    fn knows_only(&self, registered: &Registered) -> Result<()> {
        let (_, contact) = self.node_at(registered.from.ip())?;
        let known = self.carrier.contacts();
        ensure!(known == [contact.clone()], "{known:?}, not {contact}");
        Ok(())
    }

    fn audio(&self) -> Result<(Audio, String)> {
        let audio = Audio::bind(self.lab.phone_address()?)?;
        let sdp = offer(audio.local()?, 1, "sendrecv");
        Ok((audio, sdp))
    }
}

fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
    }
}

/// A call out by a connection that alice's node opens, and one in by the same connection.
fn calls_both_ways(office: &mut Office) -> Result<()> {
    let (_here, own) = office.audio()?;
    let invite = office.alice.invite("0102030405", Some(&own))?;
    let (wire, _) = office.switch.accept(SOON)?;
    let account = Account {
        username: "0612345678".to_owned(),
        ..Account::of(9000)
    };
    let mut outside = Phone::new(&account, wire);
    let asked = challenges(&mut outside)?;
    outside.respond(&asked, 180, None)?;
    office.alice.hears_ringing(&invite)?;
    let (_there, sdp) = office.audio()?;
    outside.accept(&asked, &sdp)?;
    let (mut alice, _) = office.alice.connect(&invite)?;
    office.alice.hang_up(&mut alice)?;
    outside.hears_hang_up()?;

    let invite = outside.invite_request(DID, Some(&sdp))?;
    outside.send(&invite)?;
    let ringing = office.bob.expect(&Method::Invite)?;
    let from = ringing.from()?;
    ensure!(from.uri.user() == Some("0612345678"), "bob sees who calls");
    office.bob.respond(&ringing, 180, None)?;
    outside.hears_ringing(&invite)?;
    let (mut bob, _) = office.bob.accept(&ringing, &own)?;
    outside.connect(&invite)?;
    office.bob.hang_up(&mut bob)?;
    outside.hears_hang_up()?;
    eventually("both records are there", SOON, || {
        let told = records(&office.lab, 1)?;
        Ok((told.len() == 2).then_some(()))
    })
}

#[test]
fn a_carrier_is_reached_by_connections_and_a_survivor_opens_its_own() -> Result<()> {
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut office = Office::open(transport)?;
        let former = office.registered()?;
        office.knows_only(&former)?;
        calls_both_ways(&mut office)?;
        let (owner, _) = office.node_at(former.from.ip())?;
        let killed = Instant::now();
        office.lab.kill(&format!("control{owner}"))?;
        let later = eventually("a survivor registers", SOON, || {
            let last = office.carrier.account().last().cloned();
            Ok(last.filter(|last| last.epoch > former.epoch))
        })?;
        let after = later.at.saturating_duration_since(killed);
        println!(
            "{}: 200 of the carrier {after:?} after the kill",
            name(transport)
        );
        ensure!(after <= TAKEN_OVER_WITHIN, "only after {after:?}");
        office.knows_only(&later)?;
    }
    Ok(())
}

#[test]
fn a_carrier_whose_certificate_nobody_vouches_for_is_not_told_a_password() -> Result<()> {
    let lab = TestLab::with_company([ALICE, BOB])?;
    let stranger = Notary::new()?;
    let host = lab.phone_address()?;
    let carrier = Carrier::behind(Door::tls(host, &stranger)?, "account", "for-registering")?;
    connect(&lab, carrier.address(), carrier.address(), "tls")?;
    eventually("it is told that nobody answers", SOON, || {
        let trunk = lab.api(1)?.get("/api/v1/trunks")?["items"][0].clone();
        Ok((trunk["registration"] == "refused").then_some(()))
    })?;
    ensure!(carrier.account().is_empty(), "it was registered at");
    Ok(())
}
