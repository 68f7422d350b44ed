//! What no phone would send: the node answers or drops it, keeps serving calls, and its memory returns to where it was.

use anyhow::{Context, Result, ensure};
use carillon_integration::{ALICE, BOB, Two};
use carillon_sip::Method;
use carillon_testkit::{TestLab, eventually};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Allocators keep some of what was freed; this much may stay.
const MEMORY_SLACK: u64 = 48 << 20;
const SOON: Duration = Duration::from_secs(30);

/// A call goes through, whatever else goes on.
fn a_call_works(two: &mut Two) -> Result<()> {
    let mut talk = two.talk()?;
    talk.both_hear(0x11, 0x22)?;
    let bye = two.alice.request_in(&mut talk.alice, Method::Bye, None)?;
    two.alice.send(&bye)?;
    two.bob.hears_hang_up()?;
    two.alice
        .response_to(&bye, Duration::from_secs(10), |code| code == 200)?;
    Ok(())
}

fn memory_returns(lab: &TestLab, node: &str, before: u64) -> Result<()> {
    eventually("memory returns to where it was", SOON, || {
        let now = lab.memory(node)?;
        ensure!(
            now <= before + MEMORY_SLACK,
            "{} MiB, {} MiB before",
            now >> 20,
            before >> 20
        );
        Ok(Some(()))
    })
}

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

/// A small generator, so that a failing run can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides.max(1)
    }

    fn mutate(&mut self, message: &[u8]) -> Vec<u8> {
        let mut octets = message.to_vec();
        for _ in 0..=self.roll(4) {
            let place = self.roll(octets.len());
            match self.roll(5) {
                0 if !octets.is_empty() => octets[place] = self.roll(256) as u8,
                1 => octets.truncate(place),
                2 => octets.insert(place, b"\r\n\0;:<>\"@"[self.roll(9)]),
                3 => {
                    let piece = octets[place..].to_vec();
                    octets.extend(piece.into_iter().take(2_000));
                }
                _ => {
                    let end = (place + self.roll(40)).min(octets.len());
                    octets.drain(place..end);
                }
            }
        }
        octets.truncate(60_000);
        octets
    }
}

#[test]
fn a_minute_of_torture_and_mutated_messages() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    a_call_works(&mut two)?;
    let before = two.lab.memory("control1")?;
    let (node, messages) = (two.lab.sip(1)?, corpus()?);
    let udp = UdpSocket::bind(two.lab.phone_address()?)?;
    let mut dice = Dice(4475);
    let end = Instant::now() + Duration::from_secs(60);
    let mut next_call = Instant::now() + Duration::from_secs(10);
    let mut tcp = TcpStream::connect(node)?;
    while Instant::now() < end {
        let message = &messages[dice.roll(messages.len())];
        let octets = if dice.roll(4) == 0 {
            message.clone()
        } else {
            dice.mutate(message)
        };
        if dice.roll(2) == 0 {
            udp.send_to(&octets, node)?;
        } else if tcp.write_all(&octets).is_err() {
            // The node has closed what made no sense; a new connection must be welcome.
            tcp = TcpStream::connect(node)?;
        }
        drain(&udp)?;
        if Instant::now() >= next_call {
            a_call_works(&mut two).context("a call in the middle of it")?;
            next_call += Duration::from_secs(10);
        }
    }
    drop(tcp);
    a_call_works(&mut two)?;
    memory_returns(&two.lab, "control1", before)
}

fn drain(socket: &UdpSocket) -> Result<()> {
    socket.set_nonblocking(true)?;
    let mut buffer = [0; 65_535];
    while socket.recv(&mut buffer).is_ok() {}
    socket.set_nonblocking(false)?;
    Ok(())
}

#[test]
fn ten_thousand_connections_that_say_nothing() -> Result<()> {
    allow_files(11_000)?;
    let mut two = Two::on_different_nodes()?;
    let before = two.lab.memory("control1")?;
    let node = two.lab.sip(1)?;
    let mut open = Vec::new();
    let mut refused = 0;
    for number in 0..10_000 {
        match TcpStream::connect_timeout(&node, Duration::from_secs(5)) {
            Ok(mut stream) => {
                if number % 2 == 0 {
                    // Half of them begin a message that they never end.
                    let _ = stream
                        .write_all(b"REGISTER sip:carillon.test SIP/2.0\r\nVia: SIP/2.0/TCP ");
                }
                open.push(stream);
            }
            Err(_) => refused += 1,
        }
    }
    a_call_works(&mut two).context("a call while they stand")?;
    drop(open);
    // Phones on TCP are welcome again.
    eventually("a phone registers over TCP", SOON, || {
        two.lab.phone_tcp(ALICE, 1)?.register()?;
        Ok(Some(()))
    })
    .with_context(|| format!("{refused} connections were refused"))?;
    two.alice.register()?;
    a_call_works(&mut two)?;
    memory_returns(&two.lab, "control1", before)
}

fn allow_files(wanted: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: limit.maximum,
            },
        )
        .context("open more files")?;
    }
    Ok(())
}

#[test]
fn a_header_of_a_mebibyte() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let before = two.lab.memory("control1")?;
    let mut stream = TcpStream::connect(two.lab.sip(1)?)?;
    let mut message = b"OPTIONS sip:carillon.test SIP/2.0\r\nSubject: ".to_vec();
    message.resize(1 << 20, b'x');
    // The node need not read to the end of it.
    let _ = stream.write_all(&message);
    is_closed(&mut stream, SOON)?;
    a_call_works(&mut two)?;
    memory_returns(&two.lab, "control1", before)
}

/// The node closes the connection, whatever it says before.
fn is_closed(stream: &mut TcpStream, limit: Duration) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    eventually("the node closes the connection", limit, || {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => Ok(Some(())),
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(_) => Ok(Some(())),
        }
    })
}

#[test]
fn a_sender_that_takes_its_time() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let mut stream = TcpStream::connect(two.lab.sip(1)?)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let started = Instant::now();
    // Two octets a second would make a message of an hour; the node gives up on it, and serves others meanwhile.
    let message = b"OPTIONS sip:carillon.test SIP/2.0\r\nSubject: "
        .iter()
        .chain(std::iter::repeat(&b'x'));
    for octet in message {
        if stream.write_all(&[*octet]).is_err() {
            break;
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(_) | Err(_) => break,
        }
        ensure!(
            started.elapsed() < Duration::from_secs(90),
            "the node still waits after 90 s"
        );
    }
    a_call_works(&mut two)
}

#[test]
fn a_session_description_with_thousands_of_media() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let before = two.lab.memory("control1")?;
    for (bomb, name) in [(many_media(), "media"), (many_attributes(), "attributes")] {
        // Over UDP as much as fits one datagram.
        let invite = two
            .alice
            .invite(&BOB.to_string(), Some(&bomb))
            .with_context(|| name.to_owned())?;
        let code = two
            .alice
            .is_refused(&invite)
            .with_context(|| name.to_owned())?;
        ensure!((400..500).contains(&code) || code == 513, "{name}: {code}");
    }
    a_call_works(&mut two)?;
    memory_returns(&two.lab, "control1", before)
}

fn head() -> String {
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n".to_owned()
}

fn many_media() -> String {
    head() + &"m=audio 4000 RTP/AVP 8\r\n".repeat(2_000)
}

fn many_attributes() -> String {
    head() + "m=audio 4000 RTP/AVP 8\r\n" + &"a=x\r\n".repeat(10_000)
}

#[test]
fn a_port_scan_with_plain_http() -> Result<()> {
    let mut two = Two::on_different_nodes()?;
    let node: SocketAddr = two.lab.sip(1)?;
    for _ in 0..100 {
        let mut stream = TcpStream::connect(node)?;
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: carillon\r\n\r\n");
        is_closed(&mut stream, SOON)?;
    }
    a_call_works(&mut two)
}
