//! baresip: plays a file as its microphone, writes what it hears to a file, and is driven over its JSON control port.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

use super::trace::{Printed, Sighting};
use crate::phone::{Account, Transport};
use crate::sentence::Shape;
use crate::wait::eventually;

const CONTROL_PORT: u16 = 4444;
const START_WITHIN: Duration = Duration::from_secs(10);
/// Debian's folder of modules.
const MODULES: &str = "/usr/lib/baresip/modules";

/// What a phone offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Pcma,
    G722,
    Opus,
}

impl Codec {
    /// How it wants the samples of a file that it plays, and how it writes what it hears.
    pub fn shape(self) -> Shape {
        match self {
            Self::Pcma => Shape::NARROW,
            Self::G722 => Shape::WIDE,
            Self::Opus => Shape::FULL,
        }
    }

    fn module(self) -> &'static str {
        match self {
            Self::Pcma => "g711.so",
            Self::G722 => "g722.so",
            Self::Opus => "opus.so",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA/8000/1",
            Self::G722 => "G722/16000/1",
            Self::Opus => "opus/48000/1",
        }
    }
}

/// A phone to start.
#[derive(Debug, Clone)]
pub struct PhoneOptions {
    pub account: Account,
    /// The node that it registers with.
    pub node: SocketAddr,
    /// The address of the host that it runs on.
    pub local: Ipv4Addr,
    pub transport: Transport,
    pub codec: Codec,
    /// The file that it plays as its microphone.
    pub says: PathBuf,
    /// Whether it answers by itself.
    pub answers: bool,
    /// The authority that it checks a node's certificate against, for TLS.
    pub authority: Option<PathBuf>,
}

const COUNTED_WITHIN: Duration = Duration::from_secs(5);

/// A phone that runs; it ends with this value.
#[derive(Debug)]
pub struct Baresip {
    child: Child,
    folder: TempDir,
    control: Control,
    printed: Printed,
    name: String,
}

impl Baresip {
    /// Starts a phone with `on_host`, which runs a program on its host, and waits until its control port answers.
    pub fn start(options: &PhoneOptions, on_host: impl Fn(&str) -> Command) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("carillon-baresip-")
            .tempdir()?;
        fs::create_dir(folder.path().join("heard"))?;
        fs::write(folder.path().join("config"), config(options, folder.path()))?;
        fs::write(folder.path().join("accounts"), account(options))?;
        fs::write(folder.path().join("contacts"), "")?;
        // Its output would come in blocks of 4 KiB, and the times of the trace would be wrong.
        let mut child = on_host("stdbuf")
            .args(["-oL", "-eL", "baresip", "-s", "-f"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start baresip; Debian's package baresip-core has it")?;
        let printed = Printed::default();
        printed.collect(child.stdout.take().context("the phone prints")?);
        printed.collect(child.stderr.take().context("the phone warns")?);
        let control = Control::open(SocketAddr::from((options.local, CONTROL_PORT)))?;
        Ok(Self {
            child,
            folder,
            control,
            printed,
            name: options.account.username.clone(),
        })
    }

    /// Waits until it is registered. The event of it may come before anybody listens at the control port, so the line
    /// that it prints counts: `phone1001@carillon.test: {0/UDP/v4} 200 OK (Carillon/0.1.0) [1 binding]`.
    pub fn until_registered(&mut self, limit: Duration) -> Result<()> {
        let name = &self.name;
        eventually(&format!("{name} is registered"), limit, || {
            Ok(self.printed.holds("v4} 200 OK").then_some(()))
        })
        .with_context(|| format!("the phone's log:\n{}", self.log()))
    }

    /// Dials.
    pub fn dial(&mut self, target: &str) -> Result<()> {
        self.control.command("dial", target)
    }

    /// Answers the call that rings.
    pub fn answer(&mut self) -> Result<()> {
        self.control.command("accept", "")
    }

    /// Hangs up.
    pub fn hang_up(&mut self) -> Result<()> {
        self.control.command("hangup", "")
    }

    /// Puts the call on hold.
    pub fn hold(&mut self) -> Result<()> {
        self.control.command("hold", "")
    }

    /// Takes the call back.
    pub fn resume(&mut self) -> Result<()> {
        self.control.command("resume", "")
    }

    /// Says what is in another file, from its beginning.
    pub fn say(&mut self, says: &Path) -> Result<()> {
        self.control
            .command("ausrc", &format!("aufile,{}", says.display()))
    }

    /// RTP packets that came in during its last call, as it counts them at the end. After a hold its recorder stays
    /// silent, so this is all that it tells of what it hears then.
    pub fn packets_heard(&self) -> Result<u32> {
        let field = |text: &str| {
            text.split(';')
                .find_map(|field| field.strip_prefix("PR=")?.parse().ok())
        };
        // It hangs up first and counts then.
        eventually("it has counted packets", COUNTED_WITHIN, || {
            let counted = self.printed.last("X-RTP-Stat:");
            Ok(counted.as_deref().and_then(field))
        })
        .with_context(|| format!("{}; its log:\n{}", self.name, self.log()))
    }

    /// Waits for something that baresip tells: `CALL_RINGING`, `CALL_ESTABLISHED`, `CALL_CLOSED` and so on.
    pub fn until_event(&mut self, kind: &str, limit: Duration) -> Result<()> {
        let (name, control) = (&self.name, &mut self.control);
        eventually(&format!("{name}: {kind}"), limit, || {
            control.poll()?;
            Ok(control.take_event(kind).then_some(()))
        })
        .with_context(|| format!("the phone's log:\n{}", self.log()))
    }

    /// The recordings of what it hears, oldest first. One is whole once the call is closed.
    pub fn recordings(&self) -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.path().join("heard"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        files.sort();
        Ok(files)
    }

    /// What it heard in its last call: one channel mixed by the judge. The file is whole once the call is closed.
    pub fn heard(&self) -> Result<PathBuf> {
        self.recordings()?.pop().with_context(|| {
            format!(
                "{} heard nothing at all; its log:\n{}",
                self.name,
                self.log()
            )
        })
    }

    /// The end of what the phone printed.
    pub fn log(&self) -> String {
        const LINES: usize = 80;
        self.printed.tail(LINES)
    }

    /// The SIP messages on its wire.
    pub fn trace(&self) -> Vec<Sighting> {
        self.printed.sightings()
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        // `quit` ends baresip itself; killing the child alone would end only what runs it on its host.
        let _ = self.control.command("quit", "");
        let _ = eventually("baresip ends", Duration::from_secs(5), || {
            Ok(self.child.try_wait()?)
        });
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(options: &PhoneOptions, folder: &Path) -> String {
    let PhoneOptions {
        local, says, codec, ..
    } = options;
    let mut text = format!(
        "poll_method epoll\nsip_listen {local}:5060\nsip_trans_def udp\ncall_local_timeout 60\ncall_max_calls 4\n\
         audio_source aufile,{}\naudio_player aubridge,nil\naudio_alert aubridge,nil\naudio_level no\n\
         opus_stereo no\nopus_sprop_stereo no\nopus_inbandfec no\nopus_bitrate 48000\nrtp_stats yes\n\
         jitter_buffer_delay 1-10\nctrl_tcp_listen {local}:{CONTROL_PORT}\nsnd_path {}\nmodule_path {MODULES}\n",
        says.display(),
        folder.join("heard").display(),
    );
    if let Some(authority) = &options.authority {
        text.push_str(&format!("sip_cafile {}\n", authority.display()));
    }
    for module in [
        codec.module(),
        "aufile.so",
        "aubridge.so",
        "sndfile.so",
        "ctrl_tcp.so",
    ] {
        text.push_str(&format!("module {module}\n"));
    }
    text.push_str("module_tmp account.so\nmodule_app menu.so\n");
    text
}

fn account(options: &PhoneOptions) -> String {
    let PhoneOptions {
        account,
        node,
        codec,
        ..
    } = options;
    let Account {
        username,
        password,
        domain,
        ..
    } = account;
    let transport = match options.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
    };
    let answers = if options.answers { "auto" } else { "manual" };
    format!(
        "<sip:{username}@{domain};transport={transport}>;auth_pass={password};outbound=\"sip:{node};transport={transport}\";\
         regint=60;answermode={answers};audio_codecs={}\n",
        codec.name()
    )
}

/// The control port: netstrings of JSON, commands in, answers and events out.
#[derive(Debug)]
struct Control {
    stream: std::net::TcpStream,
    buffer: Vec<u8>,
    events: Vec<String>,
    answers: Vec<Value>,
}

impl Control {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = eventually("baresip opens its control port", START_WITHIN, || {
            Ok(Some(std::net::TcpStream::connect_timeout(
                &address,
                Duration::from_secs(1),
            )?))
        })?;
        stream.set_read_timeout(Some(Duration::from_millis(10)))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            events: Vec::new(),
            answers: Vec::new(),
        })
    }

    fn command(&mut self, command: &str, parameters: &str) -> Result<()> {
        self.answers.clear();
        let text = json!({"command": command, "params": parameters, "token": command}).to_string();
        write!(self.stream, "{}:{text},", text.len())?;
        let answer = eventually(
            &format!("baresip answers {command}"),
            Duration::from_secs(5),
            || {
                self.poll()?;
                Ok(self.answers.pop())
            },
        )?;
        if answer["ok"] != true {
            bail!("baresip refuses {command} {parameters}: {answer}");
        }
        Ok(())
    }

    fn take_event(&mut self, kind: &str) -> bool {
        let place = self.events.iter().position(|known| known == kind);
        place.is_some_and(|place| {
            self.events.drain(..=place);
            true
        })
    }

    fn poll(&mut self) -> Result<()> {
        let mut part = [0; 4096];
        match self.stream.read(&mut part) {
            Ok(0) => bail!("baresip has ended"),
            Ok(length) => self.buffer.extend_from_slice(&part[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        while let Some(text) = take_netstring(&mut self.buffer)? {
            let value: Value = serde_json::from_slice(&text).context("baresip speaks JSON")?;
            if value["event"] == true {
                self.events
                    .extend(value["type"].as_str().map(str::to_owned));
            } else {
                self.answers.push(value);
            }
        }
        Ok(())
    }
}

fn take_netstring(buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>> {
    let Some(colon) = buffer.iter().position(|octet| *octet == b':') else {
        return Ok(None);
    };
    let length: usize = std::str::from_utf8(&buffer[..colon])?
        .parse()
        .context("the length of a netstring")?;
    let end = colon + 1 + length;
    if buffer.len() <= end {
        return Ok(None);
    }
    let text = buffer[colon + 1..end].to_vec();
    buffer.drain(..=end);
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netstrings_are_cut_where_they_end() {
        let mut buffer = b"2:{},3:[1]".to_vec();
        assert_eq!(
            take_netstring(&mut buffer).unwrap().as_deref(),
            Some(b"{}".as_slice())
        );
        assert_eq!(take_netstring(&mut buffer).unwrap(), None);
        buffer.push(b',');
        assert_eq!(
            take_netstring(&mut buffer).unwrap().as_deref(),
            Some(b"[1]".as_slice())
        );
        assert!(buffer.is_empty());
    }
}
