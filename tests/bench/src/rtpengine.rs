//! rtpengine in user space, one worker thread, driven by its ng protocol.

use anyhow::{Context, Result, bail};
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use crate::cpu;
use crate::kamailio::{ADDRESS, NG_PORT};
use crate::process::{Running, SERVER_CORE, wait_until};

pub(crate) struct Rtpengine {
    main: Running,
    control: UdpSocket,
}

impl Rtpengine {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let interface = format!("--interface={ADDRESS}");
        let listen = format!("--listen-ng={ADDRESS}:{NG_PORT}");
        let arguments = [
            "--foreground",
            "--log-stderr",
            "--log-level=3",
            "--table=-1",
            &interface,
            &listen,
            "--port-min=30000",
            "--port-max=39999",
            "--num-threads=1",
        ];
        let main = Running::start(
            SERVER_CORE,
            "rtpengine",
            &arguments,
            &folder.join("rtpengine.log"),
        )?;
        let control = UdpSocket::bind("127.0.3.3:0")?;
        control.connect((ADDRESS, NG_PORT))?;
        control.set_read_timeout(Some(Duration::from_millis(500)))?;
        let rtpengine = Self { main, control };
        wait_until("rtpengine", Duration::from_secs(10), || {
            rtpengine.ask("ping", "d7:command4:pinge").is_ok()
        })?;
        Ok(rtpengine)
    }

    pub(crate) fn pids(&self) -> Result<Vec<u32>> {
        cpu::family(self.main.pid())
    }

    /// Sets a relayed call up between two phones' ports and answers the two ports that they must send to.
    pub(crate) fn call(
        &self,
        number: u32,
        caller: &str,
        callee: &str,
        ports: (u16, u16),
    ) -> Result<(u16, u16)> {
        let towards_callee = self.describe("offer", number, caller, ports.0)?;
        let towards_caller = self.describe("answer", number, callee, ports.1)?;
        // The offer's answer is what the callee sees: the port that the callee sends to.
        Ok((towards_caller, towards_callee))
    }

    fn describe(&self, command: &str, number: u32, address: &str, port: u16) -> Result<u16> {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
        );
        let mut fields = vec![
            ("call-id", format!("bench-{number}")),
            ("command", command.to_owned()),
            ("from-tag", "caller".to_owned()),
            ("sdp", sdp),
        ];
        if command == "answer" {
            fields.insert(3, ("to-tag", "callee".to_owned()));
            fields.sort();
        }
        let text: String = fields
            .iter()
            .map(|(name, value)| octets(name) + &octets(value))
            .collect();
        let answer = self.ask(&format!("{number}-{command}"), &format!("d{text}e"))?;
        let after = answer
            .split("m=audio ")
            .nth(1)
            .with_context(|| format!("rtpengine answered {answer}"))?;
        let port = after.split(' ').next().unwrap_or_default();
        port.parse()
            .with_context(|| format!("read the port in {answer}"))
    }

    fn ask(&self, cookie: &str, command: &str) -> Result<String> {
        self.control
            .send(format!("{cookie} {command}").as_bytes())?;
        let mut answer = [0; 4096];
        let length = self
            .control
            .recv(&mut answer)
            .context("wait for rtpengine's answer")?;
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        if !text.starts_with(cookie) || text.contains("6:result5:error") {
            bail!("rtpengine refused {command}: {text}");
        }
        Ok(text)
    }
}

fn octets(text: &str) -> String {
    format!("{}:{text}", text.len())
}
