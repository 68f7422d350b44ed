//! What no phone would send: the node answers or drops it, keeps serving calls, and its memory returns to where it was.

use anyhow::{Context, Result, ensure};
use carillon_integration::{ALICE, BOB, KEPT_BY_ALLOCATOR, Two, memory_returns};
use carillon_testkit::eventually;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn ten_thousand_connections_that_say_nothing() -> Result<()> {
    allow_files(11_000)?;
    let mut two = Two::on_different_nodes()?;
    let before = two.lab.memory("control1")?;
    silent_connections(&mut two)?;
    memory_returns(&two.lab, "control1", before, KEPT_BY_ALLOCATOR)?;
    // What stays after the first ten thousand is all that ever stays.
    let before = two.lab.memory("control1")?;
    silent_connections(&mut two)?;
    memory_returns(&two.lab, "control1", before, KEPT_BY_ALLOCATOR / 4)
}

fn silent_connections(two: &mut Two) -> Result<()> {
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
    two.a_call_works().context("a call while they stand")?;
    drop(open);
    // Phones on TCP are welcome again.
    eventually("a phone registers over TCP", SOON, || {
        two.lab.phone_tcp(ALICE, 1)?.register()?;
        Ok(Some(()))
    })
    .with_context(|| format!("{refused} connections were refused"))?;
    two.alice.register()?;
    two.a_call_works()
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
    two.a_call_works()?;
    memory_returns(&two.lab, "control1", before, KEPT_BY_ALLOCATOR)
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
    two.a_call_works()
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
    two.a_call_works()?;
    memory_returns(&two.lab, "control1", before, KEPT_BY_ALLOCATOR)
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
    two.a_call_works()
}
