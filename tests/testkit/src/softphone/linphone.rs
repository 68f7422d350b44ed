//! linphonec: the console phone of Linphone, driven by its standard input; microphone and loudspeaker are files.

use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

use crate::phone::Account;
use crate::wait::eventually;

/// A phone that runs; it ends with this value.
#[derive(Debug)]
pub struct Linphone {
    child: Child,
    folder: TempDir,
}

impl Linphone {
    /// Starts a phone on some host; it registers with `node` and says what is in the file `says`.
    pub fn start(
        account: &Account,
        node: SocketAddr,
        says: &Path,
        answers: bool,
        on_host: impl Fn(&str) -> Command,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("carillon-linphone-")
            .tempdir()?;
        let home = folder.path();
        fs::create_dir_all(home.join(".local/share/linphone"))?;
        fs::write(home.join("rc"), config(account, node))?;
        let log = fs::File::create(home.join("log"))?;
        let mut command = on_host("env");
        command
            .arg(format!("HOME={}", home.display()))
            .args(["linphonec", "-S", "-c"])
            .arg(home.join("rc"));
        if answers {
            command.arg("-a");
        }
        let child = command
            .stdin(Stdio::piped())
            .stderr(log.try_clone()?)
            .stdout(log)
            .spawn()
            .context("start linphonec; Debian's package linphone-cli has it")?;
        let mut phone = Self { child, folder };
        phone.until_says("linphonec>", Duration::from_secs(15))?;
        phone.command("soundcard use files")?;
        phone.command(&format!("play {}", says.display()))?;
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

    /// Waits until the phone has printed this.
    pub fn until_says(&self, text: &str, limit: Duration) -> Result<()> {
        eventually(&format!("linphonec says {text:?}"), limit, || {
            Ok(self.log().contains(text).then_some(()))
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

fn config(account: &Account, node: SocketAddr) -> String {
    let Account {
        username,
        password,
        domain,
        ..
    } = account;
    format!(
        "[sip]\nsip_port=5060\nsip_tcp_port=-1\nsip_tls_port=-1\ndefault_proxy=0\nuse_ipv6=0\n\n\
         [auth_info_0]\nusername={username}\npasswd={password}\nrealm=*\n\n\
         [proxy_0]\nreg_proxy=<sip:{node};transport=udp>\nreg_route=<sip:{node};transport=udp;lr>\n\
         reg_identity=<sip:{username}@{domain}>\nreg_expires=120\nreg_sendregister=1\npublish=0\n\n\
         [net]\nfirewall_policy=0\n\n[rtp]\naudio_rtp_port=7078\n\n[misc]\nstore_chat_logs=0\n"
    )
}
