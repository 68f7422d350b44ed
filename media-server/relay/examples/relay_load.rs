//! How much processor time the relay needs for a packet, and how much memory for a session.
//!
//! `cargo run -p carillon-relay --example relay_load -- [CALLS] [SECONDS]` starts a media server with one packet thread
//! in this process, sets up calls over its control link, sends stamped packets through them in both directions, 50 a
//! second each, and reads the packet thread's run time from `/proc`. Nothing leaves the machine.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use carillon_link::{Authority, Endpoint, FrameReceiver, FrameSender, NodeId, Peer, Service};
use carillon_protocol::{
    ClientHello, Family, Link, NodeName, OLDEST_VERSION, Reply, Request, SessionDescriptor,
    SessionId, Termination, ToClient, ToServer, VERSION, decode, encode,
};
use carillon_relay::{Config, MediaAddress, MediaServer};
use carillon_telemetry::Metrics;
use rustix::thread::{CpuSet, gettid, sched_setaffinity};

const RELAY: Ipv4Addr = Ipv4Addr::new(127, 0, 40, 1);
const PHONES: Ipv4Addr = Ipv4Addr::new(127, 0, 40, 2);
const FRAME: Duration = Duration::from_millis(20);
/// Packets go out this much early rather than with a sleep of their own.
const EARLY: Duration = Duration::from_micros(200);
const PACKET_OCTETS: usize = 172;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let calls: u32 = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let config = Config {
        control: (RELAY, 0).into(),
        ipv4: Some(MediaAddress::plain(RELAY)),
        first_port: 10_000,
        last_port: 59_999,
        threads: 1,
        max_sessions: 100_000,
        ..Config::default()
    };
    let authority = Authority::generate("load")?;
    let server = MediaServer::start(
        config,
        Arc::new(authority.credentials(Peer::Media(1))?),
        Metrics::new(),
    )
    .await?;
    let mut node = Node::connect(&authority, server.addresses().control).await?;

    let callers = UdpSocket::bind((PHONES, 0))?;
    let callees = UdpSocket::bind((PHONES, 0))?;
    let remotes = [callers.local_addr()?, callees.local_addr()?];
    node.put(0, remotes).await?;
    let (memory_before, slab_before) = (resident_octets()?, slab_octets()?);
    let (set_up, ran) = (Instant::now(), process_run_time()?);
    let mut streams = Vec::new();
    for call in 1..=calls {
        streams.push(node.put(call.into(), remotes).await?);
    }
    let each = |duration: Duration| duration.as_micros() as f64 / f64::from(calls);
    println!(
        "{calls} calls set up one after another: {:.0} µs each, {:.0} µs of processor time at both ends together",
        each(set_up.elapsed()),
        each(process_run_time()?.saturating_sub(ran)),
    );
    let (user, kernel) = (
        resident_octets()? - memory_before,
        slab_octets()?.saturating_sub(slab_before),
    );
    println!(
        "memory a session: {} octets in user space, about {} in the kernel for its sockets",
        user / u64::from(calls),
        kernel / u64::from(calls),
    );

    let relay = relay_thread()?;
    pin(relay, 0)?;
    let load = Load {
        streams,
        phones: [callers, callees],
    };
    let result = tokio::task::spawn_blocking(move || load.run(relay, Duration::from_secs(seconds)))
        .await??;
    result.print();
    let ran = process_run_time()?;
    for call in 1..=calls {
        node.release(call.into()).await?;
    }
    println!(
        "{calls} calls released: {:.0} µs of processor time at both ends together",
        each(process_run_time()?.saturating_sub(ran)),
    );
    server.shutdown().await;
    Ok(())
}

struct Node {
    sender: FrameSender,
    receiver: FrameReceiver,
    _endpoint: Endpoint,
}

impl Node {
    async fn connect(authority: &Authority, control: SocketAddr) -> Result<Self> {
        let endpoint = Endpoint::caller(
            control,
            Arc::new(authority.credentials(Peer::Node(NodeId(1)))?),
        )?;
        let connection = endpoint
            .connect(control, Peer::Media(1), Service::Media)
            .await?;
        let (mut sender, mut receiver) = connection.open().await?;
        let node = NodeName {
            id: 1,
            software: "relay_load".into(),
        };
        let hello = ToServer::Hello(ClientHello {
            version: VERSION,
            oldest_version: OLDEST_VERSION,
            node,
        });
        sender.send(encode(&hello)?.into()).await?;
        receiver.recv().await?.context("no hello")?;
        Ok(Self {
            sender,
            receiver,
            _endpoint: endpoint,
        })
    }

    /// Where the two phones of a call send to.
    async fn put(&mut self, call: u128, remotes: [SocketAddr; 2]) -> Result<[SocketAddr; 2]> {
        let party = |id: u8| Termination {
            remote: Some(remotes[usize::from(id)]),
            ..Termination::new(id, Family::V4)
        };
        let descriptor = SessionDescriptor {
            session: SessionId { call, part: 0 },
            epoch: 1,
            revision: 1,
            terminations: vec![party(0), party(1)],
            links: vec![Link { from: 0, to: 1 }, Link { from: 1, to: 0 }],
            rtp_timeout_ms: Some(30_000),
        };
        self.sender
            .send(encode(&ToServer::Request(Request::Put(descriptor)))?.into())
            .await?;
        match decode(&self.receiver.recv().await?.context("the server is gone")?)? {
            ToClient::Reply(Reply::Established { terminations, .. }) => {
                Ok([terminations[0].rtp, terminations[1].rtp])
            }
            other => bail!("{other:?}"),
        }
    }
}

impl Node {
    async fn release(&mut self, call: u128) -> Result<()> {
        let session = SessionId { call, part: 0 };
        let request = ToServer::Request(Request::Release { session, epoch: 1 });
        self.sender.send(encode(&request)?.into()).await?;
        match decode(&self.receiver.recv().await?.context("the server is gone")?)? {
            ToClient::Reply(Reply::Released { .. }) => Ok(()),
            other => bail!("{other:?}"),
        }
    }
}

struct Load {
    streams: Vec<[SocketAddr; 2]>,
    phones: [UdpSocket; 2],
}

struct Outcome {
    sent: u64,
    received: u64,
    relay_ns: u64,
    elapsed: Duration,
    latencies_us: Vec<u32>,
}

impl Load {
    fn run(self, relay: u32, length: Duration) -> Result<Outcome> {
        let began = Instant::now();
        let done = Arc::new(AtomicBool::new(false));
        let mut listeners = Vec::new();
        for socket in &self.phones {
            let (socket, done) = (socket.try_clone()?, Arc::clone(&done));
            socket.set_nonblocking(true)?;
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 8 << 20)?;
            listeners.push(thread::spawn(move || listen(&socket, began, &done)));
        }
        pin(gettid().as_raw_nonzero().get().unsigned_abs(), 1)?;
        let before_ns = run_time_ns(relay)?;
        let sent = self.send(began, length)?;
        let relay_ns = run_time_ns(relay)? - before_ns;
        let elapsed = began.elapsed();
        thread::sleep(Duration::from_millis(300)); // what is still on its way
        done.store(true, Ordering::Relaxed);
        let mut latencies_us = Vec::new();
        for listener in listeners {
            latencies_us.extend(listener.join().expect("a listener does not panic"));
        }
        latencies_us.sort_unstable();
        Ok(Outcome {
            sent,
            received: latencies_us.len() as u64,
            relay_ns,
            elapsed,
            latencies_us,
        })
    }

    /// Spreads the streams evenly over each 20 ms.
    fn send(&self, began: Instant, length: Duration) -> Result<u64> {
        let gap = FRAME / u32::try_from(self.streams.len())?;
        let mut packet = [0x55; PACKET_OCTETS];
        (packet[0], packet[1]) = (0x80, 8);
        let (mut sent, mut round) = (0, 0_u32);
        while began.elapsed() < length {
            for (index, ports) in (0..).zip(&self.streams) {
                let due = FRAME * round + gap * index;
                let wait = due.saturating_sub(began.elapsed());
                if wait > EARLY {
                    thread::sleep(wait);
                }
                packet[2..4].copy_from_slice(&(round as u16).to_be_bytes());
                packet[4..8].copy_from_slice(&round.wrapping_mul(160).to_be_bytes());
                for (side, (socket, port)) in (0..).zip(self.phones.iter().zip(ports)) {
                    packet[8..12].copy_from_slice(&(2 * index + side).to_be_bytes());
                    packet[12..20]
                        .copy_from_slice(&(began.elapsed().as_micros() as u64).to_be_bytes());
                    sent += u64::from(socket.send_to(&packet, port).is_ok());
                }
            }
            round += 1;
        }
        Ok(sent)
    }
}

/// Wakes by itself, so that the relay is not charged for waking phones.
fn listen(socket: &UdpSocket, began: Instant, done: &AtomicBool) -> Vec<u32> {
    let (mut packet, mut latencies_us) = ([0; 2048], Vec::new());
    while !done.load(Ordering::Relaxed) {
        while socket.recv(&mut packet).is_ok() {
            let stamp = u64::from_be_bytes(packet[12..20].try_into().expect("eight octets"));
            latencies_us.push((began.elapsed().as_micros() as u64).saturating_sub(stamp) as u32);
        }
        thread::sleep(Duration::from_micros(200));
    }
    latencies_us
}

impl Outcome {
    fn print(&self) {
        let at = |permille: usize| {
            let index = self.latencies_us.len() * permille / 1000;
            self.latencies_us.get(index).copied().unwrap_or_default()
        };
        let rate = self.sent as f64 / self.elapsed.as_secs_f64();
        println!(
            "sent {} packets, {rate:.0} a second; {} arrived",
            self.sent, self.received
        );
        println!(
            "relay: {:.2} µs of processor time a packet",
            self.relay_ns as f64 / 1000.0 / self.received as f64
        );
        println!(
            "relay: {:.1} % of one core",
            self.relay_ns as f64 / self.elapsed.as_nanos() as f64 * 100.0
        );
        println!(
            "latency: median {} µs, 99 % {} µs, 99.9 % {} µs",
            at(500),
            at(990),
            at(999)
        );
    }
}

fn pin(thread: u32, cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    let pid = rustix::process::Pid::from_raw(thread.cast_signed()).context("a thread id")?;
    sched_setaffinity(Some(pid), &set).context("pinning a thread")
}

fn relay_thread() -> Result<u32> {
    for entry in fs::read_dir("/proc/self/task")? {
        let path = entry?.path();
        if fs::read_to_string(path.join("comm"))?.trim() == "media-0" {
            let id = path
                .file_name()
                .context("a thread has an id")?
                .to_string_lossy()
                .parse()?;
            return Ok(id);
        }
    }
    bail!("there is no packet thread")
}

fn run_time_ns(thread: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat"))?;
    Ok(text.split(' ').next().context("a number")?.parse()?)
}

fn resident_octets() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).context("a number")?.parse()?;
    Ok(pages * 4096)
}

fn process_run_time() -> Result<Duration> {
    let mut sum = 0;
    for entry in fs::read_dir("/proc/self/task")? {
        let id = entry?.file_name().to_string_lossy().parse()?;
        sum += run_time_ns(id)?;
    }
    Ok(Duration::from_nanos(sum))
}

/// Of the whole machine: a hint on a quiet one.
fn slab_octets() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Slab:"))
        .context("a line of slabs")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
