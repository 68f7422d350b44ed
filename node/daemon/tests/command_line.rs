//! The program as people start it.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where its world is not as set up"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn carillon(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
    command.args(arguments);
    command
}

fn node_with(text: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.toml");
    std::fs::write(&file, text).unwrap();
    carillon(&["node", "--config"]).arg(file).output().unwrap()
}

#[test]
fn a_bad_file_is_told_whole_and_nothing_is_bound() {
    let output = node_with(
        "colour = 'blue'\n\
         [sip]\nlisten = ['udp:nowhere']\n\
         [media]\nports = [3, 2]\n\
         [telemetry]\nmetrics = '127.0.0.1:0'\nlog = { level = 'loud=loud=loud' }\n",
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{told}");
    for field in ["colour", "sip.listen", "media.ports", "telemetry.log.level"] {
        assert!(told.contains(field), "{field} is not named in: {told}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = carillon(&["node", "--config", "/nowhere/node.toml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("/nowhere/node.toml")
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let mut child = carillon(&["openapi"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.is_empty(), "{told}");
}

#[test]
fn an_unknown_verb_is_a_wrong_command_line() {
    assert_eq!(
        carillon(&["dance"]).output().unwrap().status.code(),
        Some(64)
    );
}

/// A single box on ports of the system's choice.
struct Pbx {
    process: Child,
    lines: Vec<String>,
}

/// A single box that is about to start, with its data in `data`.
fn single_box(data: &Path) -> Command {
    let file = data.with_extension("toml");
    let text = format!(
        "name = 'box'\ndata = {data:?}\n\
         [cluster]\nlisten = '127.0.0.1:0'\n\
         [sip]\nlisten = ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0', 'tls:127.0.0.1:0']\n\
         [dns]\ndomain = 'pbx.test'\nlisten = '127.0.0.1:0'\n\
         [api]\nlisten = '127.0.0.1:0'\n\
         [media]\ncontrol = '127.0.0.1:0'\nports = [41000, 41100]\nthreads = 1\n\
         [telemetry]\nmetrics = '127.0.0.1:0'\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut command = carillon(&["node", "--print-ports", "--config"]);
    command.arg(file).stdout(Stdio::piped());
    command
}

fn terminate(process: &Child) {
    let id = rustix::process::Pid::from_child(process);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
}

impl Pbx {
    fn start(data: &Path) -> Self {
        let mut process = single_box(data).spawn().unwrap();
        let mut told = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut lines = Vec::new();
        while let Some(Ok(line)) = told.next() {
            let last = line.contains("ctl token") || line.contains("is up:");
            lines.push(line);
            if last {
                break;
            }
        }
        Self { process, lines }
    }

    fn ports(&self) -> serde_json::Value {
        serde_json::from_str(&self.lines[0]).unwrap()
    }

    fn told(&self, label: &str) -> Option<&str> {
        self.lines
            .iter()
            .find_map(|line| line.split_once(label))
            .map(|(_, rest)| rest)
    }

    fn ask(&self, path: &str) -> String {
        let address: SocketAddr = self.ports()["metrics"].as_str().unwrap().parse().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: box\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks its name server for the IPv4 address of `pbx.test` (RFC 1035 §4.1); its last four octets are the answer.
    fn resolve(&self) -> Ipv4Addr {
        let server: SocketAddr = self.ports()["dns"].as_str().unwrap().parse().unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let question = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x03pbx\x04test\0\0\x01\0\x01";
        socket.send_to(question, server).unwrap();
        let mut answer = [0; 512];
        let octets = socket.recv(&mut answer).unwrap();
        assert_eq!(answer[3] & 0x0f, 0, "no error");
        let address: [u8; 4] = answer[octets - 4..octets].try_into().unwrap();
        address.into()
    }

    /// Asks it to end, and says how it did.
    fn end(mut self) -> Option<i32> {
        terminate(&self.process);
        self.process.wait().unwrap().code()
    }
}

#[test]
fn a_single_box_comes_up_drains_and_comes_back_as_itself() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let pbx = Pbx::start(&data);
    let password = pbx.told("administrator password: ").unwrap();
    assert!(password.split_whitespace().next().unwrap().len() >= 20);
    assert!(pbx.ask("/ready").starts_with("HTTP/1.1 200"));
    let metrics = pbx.ask("/metrics");
    for line in [
        "carillon_raft_is_leader 1",
        "carillon_registrations_active 0",
        "carillon_build_info{",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(data.join("ca.pem").is_file());
    assert_eq!(pbx.resolve(), Ipv4Addr::LOCALHOST);
    assert_eq!(pbx.end(), Some(0));

    let again = Pbx::start(&data);
    assert_eq!(
        again.told("administrator password: "),
        None,
        "a password is shown once"
    );
    assert!(again.ask("/ready").starts_with("HTTP/1.1 200"));
    assert_eq!(again.end(), Some(0));
}

#[test]
fn a_node_whose_greeting_nobody_reads_serves_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = single_box(&dir.path().join("data"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    assert!(
        log.any(|line| line.unwrap().contains("nobody reads standard output")),
        "the node has ended"
    );
    // The rest of the log is read too, or the node would wait for its reader.
    let rest = std::thread::spawn(move || log.for_each(drop));
    terminate(&process);
    assert_eq!(process.wait().unwrap().code(), Some(0));
    rest.join().unwrap();
}

#[test]
fn the_description_of_the_interface_is_json() {
    let output = carillon(&["openapi"]).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        document["openapi"].as_str().unwrap().split('.').next(),
        Some("3")
    );
}
