//! Phones know nothing but the floating address of node 1, and node 1 is killed: what they send into the gap, to the address
//! of the dead, is answered by the survivor that takes it over. Its machine lives on, with the address still on it.

use anyhow::{Context, Result, ensure};
use carillon_integration::{BOB, CAROL, Talk, Two, records};
use carillon_sip::{Message, Method};
use carillon_testkit::phone::{Dialog, offer};
use carillon_testkit::{Phone, TestLab, eventually};
use std::thread;
use std::time::{Duration, Instant};

/// A phone repeats what it asks for 32 s; this is for a machine that does other things too.
const SOON: Duration = Duration::from_secs(20);
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const SLICE: Duration = Duration::from_millis(50);
/// The owner of all calls here, since all phones come by its address.
const OWNER: &str = "control1";

fn talking() -> Result<(Two, Talk)> {
    let mut two = Two::on_floating(1, 1)?;
    let mut talk = two.talk()?;
    talk.both_hear(0x11, 0x22)?;
    let floating = two.lab.sip_floating(1)?;
    for dialog in [&talk.alice, &talk.bob] {
        ensure!(
            dialog.target() == Some(floating),
            "the Contact is no floating address: {dialog:?}"
        );
    }
    Ok((two, talk))
}

/// Sends a request to the floating address of the dead, again and again as RFC 3261 §17.1 says, until it has its final
/// answer. What comes from the heir meanwhile is answered as phones do: an INVITE with `glare`.
fn insist(phone: &mut Phone, lab: &TestLab, request: &Message, glare: u16) -> Result<Message> {
    insist_and_hear(phone, lab, request, glare).map(|(answer, _)| answer)
}

/// The same, and the final responses to other requests that have come meanwhile.
fn insist_and_hear(
    phone: &mut Phone,
    lab: &TestLab,
    request: &Message,
    glare: u16,
) -> Result<(Message, Vec<Message>)> {
    let mut heard = Vec::new();
    let floating = lab.sip_floating(1)?;
    let deadline = Instant::now() + SOON;
    let (mut pause, mut again_at) = (T1, Instant::now());
    while Instant::now() < deadline {
        if Instant::now() >= again_at {
            phone.turn_to(floating)?;
            phone.send(request)?;
            again_at = Instant::now() + pause;
            pause = (pause * 2).min(T2);
        }
        let Some(message) = phone.receive(SLICE)? else {
            continue;
        };
        if message.status().is_some_and(|code| code >= 200) {
            if message.cseq()? == request.cseq()? {
                phone.turn_to(floating)?;
                return Ok((message, heard));
            }
            heard.push(message);
            continue;
        }
        match message.method() {
            Some(&Method::Invite) => answer_there(phone, &message, glare)?,
            Some(&Method::Update) => answer_there(phone, &message, 200)?,
            Some(_) | None => {}
        }
    }
    anyhow::bail!("no answer in {SOON:?}:\n{}", phone.ladder())
}

/// To where the request says that its sender is.
fn answer_there(phone: &mut Phone, request: &Message, code: u16) -> Result<()> {
    if let Some(Method::Invite | Method::Update) = request.method() {
        let source = Dialog::of_callee(request, &phone.answer_to(request, 481, None)?)?;
        phone.turn_to(source.target().context("the heir names an address")?)?;
    }
    phone.respond(request, code, None)?;
    Ok(())
}

/// Follows the heir, and agrees to all it asks, until it asks `last`.
fn goes_along(
    phone: &mut Phone,
    dialog: &mut Dialog,
    sdp: &str,
    last: impl Fn(&Message) -> bool,
) -> Result<Message> {
    let deadline = Instant::now() + 2 * SOON;
    while Instant::now() < deadline {
        let Some(message) = phone.receive(SLICE)? else {
            continue;
        };
        match message.method() {
            Some(&Method::Invite) => {
                dialog.follow(&message)?;
                phone.turn_to(dialog.target().context("the heir names an address")?)?;
                phone.respond(&message, 200, Some(sdp))?;
            }
            Some(&Method::Ack) | None => {}
            Some(_) => drop(phone.respond(&message, 200, None)?),
        }
        if last(&message) {
            return Ok(message);
        }
    }
    anyhow::bail!("what was waited for did not come:\n{}", phone.ladder())
}

fn survivor_has_it(lab: &TestLab) -> Result<usize> {
    eventually("a survivor has the address", SOON, || {
        let holders = lab.holders_of_address(1);
        Ok(holders.first().copied().filter(|_| holders.len() == 1))
    })
}

/// The node comes back and has its address again, on its interface and nowhere else.
fn returns(lab: &mut TestLab) -> Result<()> {
    lab.start(OWNER)?;
    lab.until_addresses_are_at_home(&[1, 2, 3])?;
    let floating = lab.sip_floating(1)?.ip().to_string();
    for node in 1..=3 {
        let output = lab
            .on_host(&format!("control{node}"), "ip")
            .args(["-brief", "address", "show", "dev", "eth0"])
            .output()?;
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            shown.contains(&format!("{floating}/")) == (node == 1),
            "control{node}: {shown}"
        );
    }
    Ok(())
}

#[test]
fn a_bye_into_the_gap_arrives_at_the_heir_of_the_address() -> Result<()> {
    let (mut two, mut talk) = talking()?;
    let bobs = offer(talk.bob_audio.local()?, 1, "sendrecv");
    let bye = two.alice.request_in(&mut talk.alice, Method::Bye, None)?;
    two.lab.kill(OWNER)?;
    let killed = Instant::now();
    let (answer, heard) = thread::scope(|scope| {
        let (bob, dialog) = (&mut two.bob, &mut talk.bob);
        let heard = scope.spawn(move || {
            goes_along(bob, dialog, &bobs, |message| {
                message.method() == Some(&Method::Bye)
            })
        });
        // A phone that has hung up knows of no call any more (research of phones: 481, 488 or 491).
        let answer = insist(&mut two.alice, &two.lab, &bye, 481);
        (answer, heard.join())
    });
    let answer = answer?;
    println!("the BYE is answered {:?} after the kill", killed.elapsed());
    ensure!(answer.status() == Some(200), "{answer:?}");
    heard.map_err(|_| anyhow::anyhow!("bob's thread panicked"))??;
    let holder = survivor_has_it(&two.lab)?;
    ensure!(holder != 1);
    let taken = "carillon_floating_address_takeovers_total";
    ensure!(two.lab.metric(&format!("control{holder}"), taken)? == 1.0);
    let shown = two.lab.api(holder)?.get("/api/v1/nodes")?;
    let nodes = shown["items"].as_array().context("nodes")?;
    let first = nodes.iter().find(|node| node["name"] == OWNER);
    let first = first.context("node 1 is known")?;
    ensure!(
        first["floating_holder"] == first_id(nodes, holder)?,
        "{shown}"
    );
    let records = eventually("the call record", SOON, || {
        let records = records(&two.lab, holder)?;
        Ok((!records.is_empty()).then_some(records))
    })?;
    ensure!(
        records.len() == 1 && records[0].status == "answered",
        "{records:?}"
    );

    returns(&mut two.lab)?;
    // By the same address, at the node that is at home there again.
    two.alice.turn_to(two.lab.sip_floating(1)?)?;
    two.alice.register()
}

fn first_id(nodes: &[serde_json::Value], number: usize) -> Result<serde_json::Value> {
    let name = format!("control{number}");
    let node = nodes.iter().find(|node| node["name"] == name.as_str());
    Ok(node.context("the holder is known")?["id"].clone())
}

#[test]
fn a_cancel_into_the_gap_arrives_at_the_heir_of_the_address() -> Result<()> {
    // Bob rings by a node that lives: nothing disturbs him.
    let mut two = Two::on_floating(1, 2)?;
    let (invite, _audio) = two.alice_calls(BOB)?;
    let ringing = two.bob.expect(&Method::Invite)?;
    two.bob.respond(&ringing, 180, None)?;
    two.alice.hears_ringing(&invite)?;
    two.lab.kill(OWNER)?;
    let cancel = two.alice.cancel_of(&invite)?;
    let (answer, heard) = insist_and_hear(&mut two.alice, &two.lab, &cancel, 481)?;
    ensure!(answer.status() == Some(200), "{answer:?}");
    // It may come before the answer to the CANCEL: the two are sent by different sockets.
    let refusal = match heard.into_iter().next() {
        Some(refusal) => refusal,
        None => two.alice.response_to(&invite, SOON, |code| code == 487)?,
    };
    ensure!(refusal.status() == Some(487), "{refusal:?}");
    two.alice.ack_refusal(&invite, &refusal)?;
    let cancelled = two.bob.expect_within(&Method::Cancel, SOON)?;
    two.bob.respond(&cancelled, 200, None)?;
    two.bob.respond(&ringing, 487, None)?;
    two.bob.expect_within(&Method::Ack, SOON)?;
    returns(&mut two.lab)
}

#[test]
fn a_hold_into_the_gap_arrives_at_the_heir_of_the_address() -> Result<()> {
    let (mut two, mut talk) = talking()?;
    let bobs = offer(talk.bob_audio.local()?, 1, "sendrecv");
    let hold = offer(talk.alice_audio.local()?, 2, "sendonly");
    let hold = two
        .alice
        .request_in(&mut talk.alice, Method::Invite, Some(&hold))?;
    two.lab.kill(OWNER)?;
    let is_held = |message: &Message| {
        let body = String::from_utf8_lossy(&message.body).into_owned();
        message.method() == Some(&Method::Invite)
            && (body.contains("a=sendonly") || body.contains("a=inactive"))
    };
    let (answer, held) = thread::scope(|scope| {
        let (bob, dialog) = (&mut two.bob, &mut talk.bob);
        let held = scope.spawn(move || goes_along(bob, dialog, &bobs, is_held));
        // Its own INVITE is pending (RFC 3261 §14.2).
        let answer = insist(&mut two.alice, &two.lab, &hold, 491);
        (answer, held.join())
    });
    let answer = answer?;
    ensure!(answer.status() == Some(200), "{answer:?}");
    held.map_err(|_| anyhow::anyhow!("bob's thread panicked"))??;
    two.alice.ack(&talk.alice, hold.cseq()?.number)?;
    returns(&mut two.lab)
}

#[test]
fn a_phone_that_knows_only_the_address_of_the_dead_registers_and_calls() -> Result<()> {
    let mut two = Two::on_floating(1, 1)?;
    two.lab.kill(OWNER)?;
    survivor_has_it(&two.lab)?;
    two.alice.register()?;
    let mut talk = two.talk()?;
    talk.both_hear(0x33, 0x44)?;
    let bye = two.alice.hang_up(&mut talk.alice)?;
    ensure!(bye.status() == Some(200), "{bye:?}");
    two.bob.hears_hang_up()?;
    let (unanswered, _audio) = two.alice_calls(CAROL)?;
    ensure!(two.alice.is_refused(&unanswered)? >= 400);
    returns(&mut two.lab)
}
