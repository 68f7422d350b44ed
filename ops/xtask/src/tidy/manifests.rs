//! Manifests: versions, lints and the licence come from the workspace, nowhere else.

use anyhow::{Context, Result};
use std::fs;

use crate::workspace::Workspace;

const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    let root = fs::read_to_string(workspace.root().join("Cargo.toml"))
        .context("read the workspace manifest")?;
    if !root.contains("license = \"Apache-2.0\"") {
        breaches.push("Cargo.toml: the licence is not Apache-2.0".to_owned());
    }
    for package in workspace.members() {
        let text = fs::read_to_string(&package.manifest_path)
            .with_context(|| format!("read {}", package.manifest_path))?;
        let path = workspace.folder(package)?.join("Cargo.toml");
        breaches.extend(
            judge(&text)
                .into_iter()
                .map(|breach| format!("{}: {breach}", path.display())),
        );
    }
    Ok(breaches)
}

fn judge(text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut section = String::new();
    let mut inherits_lints = false;
    let mut inherited = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_matches(['[', ']']).to_owned();
            if section.contains("dependencies.") && !section.contains("target.") {
                breaches.push(format!("[{section}]: write dependencies as one line each"));
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        if section.ends_with("dependencies") {
            if !(key.ends_with(".workspace") || value.contains("workspace = true")) {
                breaches.push(format!(
                    "{key}: its version belongs into the workspace manifest"
                ));
            }
        } else if section == "lints" {
            inherits_lints |= key == "workspace" && value == "true";
        } else if section == "package" && value == "true" {
            inherited.push(key.trim_end_matches(".workspace").to_owned());
        }
    }
    if !inherits_lints {
        breaches.push("[lints] workspace = true is missing".to_owned());
    }
    for field in INHERITED {
        if !inherited.iter().any(|key| key == field) {
            breaches.push(format!("{field}.workspace = true is missing"));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"carillon-x\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n[lints]\nworkspace = true\n\n\
        [dependencies]\nserde.workspace = true\ntokio = { workspace = true, features = [\"net\"] }\n";

    #[test]
    fn a_manifest_that_takes_all_from_the_workspace_is_fine() {
        assert_eq!(judge(GOOD), Vec::<String>::new());
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        let bad = GOOD.replace("serde.workspace = true", "serde = \"1\"");
        assert_eq!(
            judge(&bad),
            ["serde: its version belongs into the workspace manifest"]
        );
    }

    #[test]
    fn forgotten_lints_and_licence_are_found() {
        let bad = GOOD
            .replace("[lints]\nworkspace = true\n", "")
            .replace("license.workspace = true\n", "");
        assert_eq!(
            judge(&bad),
            [
                "[lints] workspace = true is missing",
                "license.workspace = true is missing"
            ]
        );
    }
}
