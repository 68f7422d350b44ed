//! The crate map and the house rules, as far as a machine can judge them.

mod closure;
mod manifests;
mod map;
mod purity;
mod sources;

use anyhow::{Result, bail};

pub(crate) use purity::write_bans;

use crate::workspace::Workspace;

/// Reports every breach at once.
pub(crate) fn tidy(workspace: &Workspace) -> Result<()> {
    let mut breaches = Vec::new();
    breaches.extend(map::check(workspace)?);
    breaches.extend(closure::check(workspace)?);
    breaches.extend(manifests::check(workspace)?);
    breaches.extend(purity::check(workspace)?);
    breaches.extend(sources::check(workspace)?);
    if breaches.is_empty() {
        eprintln!("tidy: the map and the house rules hold");
        return Ok(());
    }
    for breach in &breaches {
        eprintln!("tidy: {breach}");
    }
    bail!(
        "{} breaches of the map or of the house rules",
        breaches.len()
    );
}
