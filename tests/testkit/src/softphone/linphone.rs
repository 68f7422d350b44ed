//! linphonec: the console phone of Linphone, driven by its standard input; microphone and loudspeaker are files.

use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

use super::PhoneOptions;
use crate::phone::{Account, Transport};
use crate::wait::eventually;

/// A phone that runs; it ends with this value.
#[derive(Debug)]
pub struct Linphone {
    child: Child,
    folder: TempDir,
    /// How much of its log is of no interest any more.
    looked: usize,
}

impl Linphone {
    /// Starts a phone on some host; it registers with `node` and says what is in the file `says`.
    pub fn start(options: &PhoneOptions, on_host: impl Fn(&str) -> Command) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("carillon-linphone-")
            .tempdir()?;
        let home = folder.path();
        fs::create_dir_all(home.join(".local/share/linphone"))?;
        fs::write(home.join("rc"), config(options))?;
        let log = fs::File::create(home.join("log"))?;
        let mut command = on_host("env");
        command
            .arg(format!("HOME={}", home.display()))
            .args(["linphonec", "-S", "-c"])
            .arg(home.join("rc"));
        if options.answers {
            command.arg("-a");
        }
        let child = command
            .stdin(Stdio::piped())
            .stderr(log.try_clone()?)
            .stdout(log)
            .spawn()
            .context("start linphonec; Debian's package linphone-cli has it")?;
        let mut phone = Self {
            child,
            folder,
            looked: 0,
        };
        phone.until_says("linphonec>", Duration::from_secs(15))?;
        phone.command("soundcard use files")?;
        phone.command(&format!("play {}", options.says.display()))?;
        let heard = phone.heard();
        phone.command(&format!("record {}", heard.display()))?;
        Ok(phone)
    }

    /// Types a command.
    pub fn command(&mut self, text: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("the phone listens")?;
        writeln!(input, "{text}").context("type a command")?;
        input.flush().context("type a command")
    }

    /// Waits until it is registered; it tells only when it is asked.
    pub fn until_registered(&mut self, limit: Duration) -> Result<()> {
        eventually("linphonec is registered", limit, || {
            self.command("status register")?;
            Ok(self
                .log()
                .lines()
                .any(|line| line.starts_with("registered, identity"))
                .then_some(()))
        })
        .with_context(|| format!("the phone's log:\n{}", self.log()))
    }

    /// What it has printed until now is not waited for any more.
    pub fn look_from_now(&mut self) {
        self.looked = self.log().len();
    }

    fn news(&self) -> String {
        let log = self.log();
        log.get(self.looked..).unwrap_or_default().to_owned()
    }

    /// Waits until the phone has printed this.
    pub fn until_says(&self, text: &str, limit: Duration) -> Result<()> {
        eventually(&format!("linphonec says {text:?}"), limit, || {
            Ok(self.news().contains(text).then_some(()))
        })
        .with_context(|| format!("the phone's log:\n{}", self.log()))
    }

    /// Waits until the phone has printed one of these.
    pub fn until_one_of(&self, texts: &[&str], limit: Duration) -> Result<()> {
        eventually(&format!("linphonec says one of {texts:?}"), limit, || {
            let log = self.news();
            Ok(texts.iter().any(|text| log.contains(text)).then_some(()))
        })
        .with_context(|| format!("the phone's log:\n{}", self.log()))
    }

    /// The file with what it heard.
    pub fn heard(&self) -> PathBuf {
        self.folder.path().join("heard.wav")
    }

    /// All that the phone has printed.
    pub fn log(&self) -> String {
        let text = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = self.command("quit");
        let _ = eventually("linphonec ends", Duration::from_secs(8), || {
            Ok(self.child.try_wait()?)
        });
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(options: &PhoneOptions) -> String {
    let node = options.node;
    let Account {
        username,
        password,
        domain,
        ..
    } = &options.account;
    // Port 0 is none, -1 is any.
    let (udp, tcp, transport) = match options.transport {
        Transport::Udp => (5060, -1, "udp"),
        Transport::Tcp | Transport::Tls => (0, 5060, "tcp"),
    };
    format!(
        "[sip]\nsip_port={udp}\nsip_tcp_port={tcp}\nsip_tls_port=-1\ndefault_proxy=0\nuse_ipv6=0\n\n\
         [auth_info_0]\nusername={username}\npasswd={password}\nrealm=*\n\n\
         [proxy_0]\nreg_proxy=<sip:{node};transport={transport}>\nreg_route=<sip:{node};transport={transport};lr>\n\
         reg_identity=<sip:{username}@{domain}>\nreg_expires=120\nreg_sendregister=1\npublish=0\n\n\
         [net]\nfirewall_policy=0\n\n[rtp]\naudio_rtp_port=7078\n\n[misc]\nstore_chat_logs=0\n"
    )
}
