//! Carillon's side: three control nodes and two media servers of a lab, every process on the servers' core.

use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::process::Command;

use carillon_sip::Method;
use carillon_testkit::phone::{Dialog, offer, rtp_target};
use carillon_testkit::{Account, LabOptions, Phone, TestLab};

use crate::process::{LOAD_CORE, SERVER_CORE};
use crate::sipp::FIRST_NUMBER;
use crate::stream::Relayed;

/// Calls and registrations go to this node, so it owns them.
const OWNER: usize = 1;
/// Longer than all stages together.
const REGISTERED_S: u32 = 3_600;

pub(crate) struct Carillon {
    lab: TestLab,
}

/// Two phones that may call each other.
pub(crate) struct Couple {
    number: u32,
    caller: Phone,
    callee: Phone,
}

/// A call that stands, and where its phones send their RTP.
pub(crate) struct Standing {
    caller: Phone,
    callee: Phone,
    dialog: Dialog,
    pub(crate) relayed: Relayed,
}

impl Carillon {
    pub(crate) fn start(phones: u32) -> Result<Self> {
        pin_self(SERVER_CORE)?;
        let lab = TestLab::up(LabOptions::default());
        pin_self(LOAD_CORE)?;
        let lab = lab?;
        let accounts: Vec<Account> = (FIRST_NUMBER..FIRST_NUMBER + phones)
            .map(Account::of)
            .collect();
        lab.found_company(&accounts)?;
        Ok(Self { lab })
    }

    pub(crate) fn server(&self) -> Result<String> {
        Ok(self.lab.sip(OWNER)?.to_string())
    }

    /// The node that owns the load's calls and registrations.
    pub(crate) fn owner(&self) -> Vec<u32> {
        self.lab
            .lab
            .control
            .iter()
            .take(OWNER)
            .map(|node| node.pid)
            .collect()
    }

    pub(crate) fn media(&self) -> Vec<u32> {
        self.lab.lab.media.iter().map(|server| server.pid).collect()
    }

    /// Every process of the cluster.
    pub(crate) fn all(&self) -> Vec<u32> {
        self.lab.lab.processes().map(|(_, pid)| pid).collect()
    }

    /// The phones of this number and the next. The second is registered: what that takes is not a call's.
    pub(crate) fn couple(&self, number: u32) -> Result<Couple> {
        let mut callee = self.lab.phone(number + 1, OWNER)?;
        callee.register_for(REGISTERED_S)?;
        Ok(Couple {
            number,
            caller: self.lab.phone(number, OWNER)?,
            callee,
        })
    }

    /// A call of two phones whose RTP comes from these sockets.
    pub(crate) fn call(couple: Couple, rtp: (SocketAddr, SocketAddr)) -> Result<Standing> {
        let Couple {
            number,
            mut caller,
            mut callee,
        } = couple;
        let invite = caller.invite(
            &(number + 1).to_string(),
            Some(&offer(rtp.0, 1, "sendrecv")),
        )?;
        let ringing = callee.expect(&Method::Invite)?;
        let callee_sends_to = rtp_target(&ringing)?;
        callee.respond(&ringing, 200, Some(&offer(rtp.1, 1, "sendrecv")))?;
        let (dialog, answer) = caller.connect(&invite)?;
        callee.expect(&Method::Ack)?;
        Ok(Standing {
            relayed: Relayed {
                caller_sends_to: rtp_target(&answer)?,
                callee_sends_to,
            },
            caller,
            callee,
            dialog,
        })
    }
}

impl Standing {
    pub(crate) fn end(mut self) -> Result<()> {
        let bye = self.caller.hang_up(&mut self.dialog)?;
        ensure!(
            bye.status() == Some(200),
            "BYE was answered with {:?}",
            bye.status()
        );
        self.callee.hears_hang_up()?;
        Ok(())
    }
}

/// Children inherit the core.
fn pin_self(core: &str) -> Result<()> {
    let pid = std::process::id().to_string();
    let output = Command::new("taskset")
        .args(["-c", "-p", core, &pid])
        .output()
        .context("run taskset")?;
    ensure!(
        output.status.success(),
        "taskset: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
