//! A minute of what no phone would send: the torture corpora and damaged messages from a thousand sources, and damaged
//! copies of everything that real calls say. The node answers or drops it, keeps serving calls, and forgets it.

use anyhow::{Context, Result, ensure};
use carillon_integration::{Dice, KEPT_BY_ALLOCATOR, Two, Victims, memory_returns};
use carillon_testkit::phone::{Transport, connection};
use carillon_testkit::{Account, TestLab};
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
const CALL_EVERY: Duration = Duration::from_secs(10);
const FIRST_VICTIM: u32 = 1_100;
/// Many, so that no pair is taken for an attacker while its damaged copies are judged.
const PAIRS: u32 = 40;
/// Messages of one source: fewer than make a node deaf to it.
const MESSAGES_A_SOURCE: usize = 40;
const MESSAGES_A_ROUND: usize = 80;
/// What a node must have read at least for the minute to mean something.
const READ_AT_LEAST: f64 = 3_000.0;
const CALLS_AT_LEAST: usize = 40;

/// RFC 4475, RFC 5118 and messages of real phones, as the parser's own tests have them.
fn corpus() -> Result<Vec<Vec<u8>>> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                collect(&path, found)?
            } else {
                found.push(path)
            }
        }
        Ok(())
    }
    let mut files = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../control-plane/sip/tests/data"),
        &mut files,
    )?;
    files.sort();
    files.iter().map(|file| Ok(fs::read(file)?)).collect()
}

/// Sends from ever new addresses, half over UDP and half over TCP.
struct Attacker {
    node: SocketAddr,
    messages: Vec<Vec<u8>>,
    /// Ports of one address are enough to the node's rules: what counts there is the address.
    address: SocketAddr,
    udp: UdpSocket,
    tcp: Option<TcpStream>,
}

impl Attacker {
    fn new(lab: &TestLab) -> Result<Self> {
        let address = lab.phone_address()?;
        Ok(Self {
            node: lab.sip(1)?,
            messages: corpus()?,
            address,
            udp: UdpSocket::bind(address)?,
            tcp: None,
        })
    }

    fn move_to(&mut self, address: SocketAddr) -> Result<()> {
        self.address = address;
        self.udp = UdpSocket::bind(address)?;
        self.tcp = None;
        Ok(())
    }

    fn strike(&mut self, dice: &mut Dice) -> Result<()> {
        let message = &self.messages[dice.roll(self.messages.len())];
        let octets = if dice.roll(4) == 0 {
            message.clone()
        } else {
            dice.mutate(message)
        };
        if dice.roll(2) == 0 {
            self.udp.send_to(&octets, self.node)?;
            return Ok(());
        }
        let mut stream = match self.tcp.take() {
            Some(stream) => stream,
            // The node has closed what made no sense; a new connection must be welcome.
            None => connection(self.address, self.node)?,
        };
        if stream.write_all(&octets).is_ok() {
            self.tcp = Some(stream);
        }
        Ok(())
    }
}

fn victims(lab: &TestLab) -> Result<Vec<Victims>> {
    let numbers: Vec<u32> = (FIRST_VICTIM..FIRST_VICTIM + 2 * PAIRS).collect();
    let accounts: Vec<Account> = numbers.iter().copied().map(Account::of).collect();
    lab.found_company(&accounts)?;
    let pairs = numbers.chunks_exact(2).enumerate();
    pairs
        .map(|(place, pair)| {
            let transport = match place % 2 {
                0 => Transport::Udp,
                _ => Transport::Tcp,
            };
            Victims::new(lab, transport, (pair[0], pair[1]))
        })
        .collect()
}

/// Calls whose end was damaged beyond recognition.
fn hang_up_what_is_left(lab: &TestLab) -> Result<()> {
    let api = lab.api(1)?;
    let calls = api.get("/api/v1/calls?limit=10000")?;
    for call in calls["items"].as_array().into_iter().flatten() {
        let id = call["id"].as_str().context("a call has an id")?;
        // It may have ended by itself meanwhile.
        api.ask(
            "POST",
            &format!("/api/v1/calls/{id}/hangup"),
            "application/json",
            b"{}",
        )?;
    }
    lab.until_no_call_is_left(Duration::from_secs(60))
}

#[test]
fn a_minute_of_torture_and_of_damaged_calls() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let mut pairs = victims(&two.lab)?;
    two.a_call_works()?;
    let before = two.lab.memory("control1")?;
    let mut dice = Dice::new(4475);
    let mut attacker = Attacker::new(&two.lab)?;
    let end = Instant::now() + MINUTE;
    let mut next_call = Instant::now() + CALL_EVERY;
    let (mut round, mut sent, mut whole) = (0, 0, 0);
    while Instant::now() < end {
        for _ in 0..MESSAGES_A_ROUND {
            if sent % MESSAGES_A_SOURCE == 0 {
                attacker.move_to(source(&two.lab, sent / MESSAGES_A_SOURCE)?)?;
            }
            attacker.strike(&mut dice)?;
            sent += 1;
        }
        let pair = round % pairs.len();
        whole += usize::from(pairs[pair].converse(&mut dice)?);
        round += 1;
        if Instant::now() >= next_call {
            two.a_call_works().context("a call in the middle of it")?;
            next_call += CALL_EVERY;
        }
    }
    drop(attacker);
    two.alice.register()?;
    two.a_call_works()?;

    let mut read = 0.0;
    for transport in ["tcp", "udp"] {
        let series = format!("carillon_sip_received_messages_total{{transport=\"{transport}\"}}");
        read += two.lab.metric("control1", &series)?;
    }
    println!("{sent} messages sent, {read} read; {round} damaged calls, {whole} of them whole");
    ensure!(read >= READ_AT_LEAST, "only {read} messages were read");
    ensure!(
        whole >= CALLS_AT_LEAST,
        "{whole} of {round} calls came to their end"
    );
    hang_up_what_is_left(&two.lab)?;
    for (name, _) in two.lab.lab.processes() {
        let log = two.lab.log(name)?;
        ensure!(!log.contains("panicked"), "{name} panicked");
    }
    memory_returns(&two.lab, "control1", before, KEPT_BY_ALLOCATOR)
}

/// The number of a source stands in its address, beyond the nets of phones.
fn source(lab: &TestLab, number: usize) -> Result<SocketAddr> {
    const FIRST_NET: usize = 20;
    const HOSTS: usize = 250;
    let mut octets = match lab.sip(1)? {
        SocketAddr::V4(node) => node.ip().octets(),
        SocketAddr::V6(node) => anyhow::bail!("{node} is no address of a lab"),
    };
    octets[2] = u8::try_from(FIRST_NET + number / HOSTS).context("addresses for sources")?;
    octets[3] = u8::try_from(1 + number % HOSTS)?;
    Ok(SocketAddr::from((octets, 0)))
}
