//! One way only: which crate may depend on which.

use anyhow::Result;

use crate::workspace::Workspace;

/// Crates in their order. A crate may depend on crates of lower ranks, never on its own rank or above.
const RANKS: [&[&str]; 10] = [
    &["model", "rtp", "protocol", "telemetry", "link", "floating"],
    &["sip", "session"],
    &["call"],
    &["switch"],
    &["cluster", "ctl"],
    &["telephony"],
    &["rocks", "signalling", "api", "names", "relay", "lab"],
    &["daemon"],
    &["testkit"],
    &["simulation", "integration", "chaos", "bench"],
];

/// Crates that never wait: no runtime, no sockets, no clock, no randomness of their own.
pub(crate) const PURE: [&str; 7] = [
    "model", "rtp", "protocol", "sip", "session", "call", "switch",
];

/// Crates that may know only these others, whatever the ranks allow.
const NARROW: [(&str, &[&str]); 6] = [
    ("cluster", &["link", "telemetry"]),
    ("rocks", &["cluster", "telemetry"]),
    (
        "relay",
        &["rtp", "protocol", "session", "link", "telemetry"],
    ),
    ("session", &["rtp", "protocol"]),
    ("ctl", &[]),
    ("lab", &["ctl"]),
];

/// `carillon-sip` is `sip` on the map; crates that are not ours have no name there.
pub(crate) fn crate_name(package: &str) -> Option<&str> {
    package
        .strip_prefix("carillon-")
        .or((package == "xtask").then_some("xtask"))
}

fn rank(name: &str) -> Option<usize> {
    RANKS.iter().position(|names| names.contains(&name))
}

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for package in workspace.members() {
        let folder = workspace.folder(package)?;
        let Some(name) = crate_name(&package.name) else {
            breaches.push(format!(
                "{}: the package is not named carillon-…",
                folder.display()
            ));
            continue;
        };
        if folder.file_name().is_none_or(|last| last != name) {
            breaches.push(format!(
                "{}: the folder is not named as the crate, {name}",
                folder.display()
            ));
        }
        for dependency in &package.dependencies {
            if let Some(below) = crate_name(&dependency.name) {
                breaches.extend(edge(name, below));
            }
        }
    }
    breaches.dedup();
    Ok(breaches)
}

fn edge(above: &str, below: &str) -> Option<String> {
    if above == below {
        return None; // its own tests, with features that production does not have
    }
    if above == "xtask" || below == "xtask" {
        return Some(format!(
            "{above} -> {below}: xtask stands apart, so that it compiles in seconds"
        ));
    }
    let (Some(high), Some(low)) = (rank(above), rank(below)) else {
        return Some(format!(
            "{above} -> {below}: one of them has no place on the map in {}",
            file!()
        ));
    };
    if low >= high {
        return Some(format!("{above} -> {below}: an upward edge"));
    }
    if PURE.contains(&above) && !PURE.contains(&below) {
        return Some(format!("{above} -> {below}: a pure crate on a shell"));
    }
    let narrow = NARROW.iter().find(|(name, _)| *name == above);
    match narrow {
        Some((_, allowed)) if !allowed.contains(&below) => Some(format!(
            "{above} -> {below}: {above} may know only {allowed:?}"
        )),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_may_know_sip_but_sip_not_the_call() {
        assert_eq!(edge("call", "sip"), None);
        assert_eq!(
            edge("sip", "call").as_deref(),
            Some("sip -> call: an upward edge")
        );
    }

    #[test]
    fn a_pure_crate_may_not_stand_on_a_shell_of_a_lower_rank() {
        assert_eq!(
            edge("sip", "telemetry").as_deref(),
            Some("sip -> telemetry: a pure crate on a shell")
        );
    }

    #[test]
    fn the_cluster_knows_no_telephony() {
        assert!(edge("cluster", "model").is_some());
        assert_eq!(edge("cluster", "link"), None);
    }

    #[test]
    fn every_pure_crate_has_a_rank() {
        assert!(PURE.iter().all(|name| rank(name).is_some()));
    }
}
