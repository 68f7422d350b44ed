//! The alerts: `promtool` reads them and plays their stories, each of them is told in one, and each asks for series that exist.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::cargo::{Cargo, Target, succeed};
use crate::debian;
use crate::workspace::Workspace;

const RULES: &str = "ops/alerts/carillon.yaml";
const STORIES: &str = "ops/alerts/carillon.test.yaml";
/// What Prometheus appends to the name of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

pub(crate) fn alerts(workspace: &Workspace) -> Result<()> {
    debian::ensure(&[&debian::ALERTS])?;
    let rules = read(workspace, RULES)?;
    let stories = read(workspace, STORIES)?;
    let shown = shown_metrics(workspace)?;
    let shown = metric_names(&shown);
    let unknown: Vec<_> = metric_names(&rules)
        .into_iter()
        .filter(|name| !is_shown(name, &shown))
        .collect();
    if !unknown.is_empty() {
        bail!(
            "{RULES} asks for what no node shows: {}",
            unknown.join(", ")
        );
    }
    let untold: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .filter(|alert| !stories.contains(&format!("alertname=\"{alert}\"")))
        .collect();
    if !untold.is_empty() {
        bail!(
            "no story in {STORIES} has these fire: {}",
            untold.join(", ")
        );
    }
    promtool(workspace, &["check", "rules", RULES])?;
    promtool(workspace, &["test", "rules", STORIES])
}

fn promtool(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    succeed(
        Command::new("promtool")
            .current_dir(workspace.root())
            .args(arguments),
    )
}

fn read(workspace: &Workspace, path: &str) -> Result<String> {
    fs::read_to_string(workspace.root().join(path)).with_context(|| format!("read {path}"))
}

fn shown_metrics(workspace: &Workspace) -> Result<String> {
    let output = Cargo::with_rocksdb(workspace)?
        .program(Target::Example("metrics"))?
        .output()
        .context("start the program that prints every metric")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("metrics are text")
}

fn metric_names(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("carillon_"))
        .map(str::to_owned)
        .collect()
}

fn is_shown(name: &str, shown: &BTreeSet<String>) -> bool {
    let plain = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    shown.contains(name) || plain.is_some_and(|plain| shown.contains(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_known_by_its_name_and_by_its_parts() {
        let shown =
            metric_names("# TYPE carillon_call_mos histogram\ncarillon_calls_total{a=\"b\"} 1");
        assert!(is_shown("carillon_call_mos_bucket", &shown));
        assert!(is_shown("carillon_calls_total", &shown));
        assert!(!is_shown("carillon_call_mos_total", &shown));
    }
}
