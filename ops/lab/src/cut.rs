//! Partitions. What A sends to a cut B goes to a link address that nobody has, so it is lost on the wire without an error
//! that a program could notice, as when a switch dies.

use anyhow::{Result, bail};

use crate::command::{Cut, Heal};
use crate::description::Lab;
use crate::namespace::Bridge;
use crate::place::Net;

pub(crate) fn cut(options: &Cut) -> Result<()> {
    let lab = Lab::read(&options.folder.dir)?;
    let bridge = bridge(&lab)?;
    let (a, b) = (lab.address(&options.a)?, lab.address(&options.b)?);
    bridge.misdirect(&options.a, b)?;
    if !options.one_way {
        bridge.misdirect(&options.b, a)?;
    }
    Ok(())
}

pub(crate) fn heal(options: &Heal) -> Result<()> {
    let lab = Lab::read(&options.folder.dir)?;
    let bridge = bridge(&lab)?;
    match options.names.as_slice() {
        [] => {
            for (name, _) in lab.hosts() {
                bridge.redirect_all(name)?;
            }
        }
        [a, b] => {
            bridge.redirect(a, lab.address(b)?)?;
            bridge.redirect(b, lab.address(a)?)?;
        }
        _ => bail!("heal two hosts, or name none to heal all"),
    }
    Ok(())
}

fn bridge(lab: &Lab) -> Result<Bridge> {
    if !lab.namespaces {
        bail!("on loopback nothing can be cut; start the lab with --namespaces");
    }
    Ok(Bridge::new(Net::parse(&lab.net, true)?))
}
