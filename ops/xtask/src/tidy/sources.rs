//! Rules that a line of source can break.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

use super::map::crate_name;
use crate::workspace::Workspace;

const LINES_MAX: usize = 600;

/// What is left over from writing, and may not land. Pieces are glued so that this file does not find itself.
const LEFTOVERS: [&str; 7] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("FIX", "ME"),
    concat!("#[ign", "ore"),
    concat!("should_", "panic"),
    concat!("To be ", "written"),
];

/// A test waits for a condition, never for time to pass.
const SLEEPS: [&str; 2] = [concat!("sle", "ep("), concat!("sle", "ep_until(")];

/// The one place where a test may let time pass: between two looks at a condition.
const WAITS: [&str; 1] = ["tests/testkit/src/wait.rs"];

/// Where time is virtual, and passes in no time: the same seed gives the same run, however slow the machine.
const VIRTUAL_TIME: &str = "simulation";

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for file in workspace.files(&["*.rs"])? {
        let text = fs::read_to_string(workspace.root().join(&file))
            .with_context(|| format!("read {}", file.display()))?;
        breaches.extend(judge(&file, &text));
    }
    for package in workspace.members() {
        breaches.extend(opening(workspace, package)?);
    }
    Ok(breaches)
}

fn judge(file: &Path, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let shown = file.display();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        breaches.push(format!(
            "{shown}: {lines} lines; past {LINES_MAX} look for the second noun"
        ));
    }
    let virtual_time = file
        .components()
        .any(|part| part.as_os_str() == VIRTUAL_TIME);
    let may_wait = virtual_time || WAITS.iter().any(|wait| file == Path::new(wait));
    let mut in_tests = file.components().any(|part| part.as_os_str() == "tests");
    for (number, line) in text.lines().enumerate() {
        in_tests |= line.trim_start().starts_with("#[cfg(test)]");
        let at = format!("{shown}:{}", number + 1);
        if let Some(left) = LEFTOVERS.iter().find(|left| line.contains(**left)) {
            breaches.push(format!("{at}: {left} is left over"));
        }
        if in_tests && !may_wait && SLEEPS.iter().any(|sleep| line.contains(sleep)) {
            breaches.push(format!("{at}: a test sleeps; wait for a condition instead"));
        }
    }
    breaches
}

/// Every crate opens with what it does.
fn opening(workspace: &Workspace, package: &cargo_metadata::Package) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for target in &package.targets {
        if !(target.is_lib() || target.is_bin()) || crate_name(&package.name).is_none() {
            continue;
        }
        let text = fs::read_to_string(&target.src_path)
            .with_context(|| format!("read {}", target.src_path))?;
        if !text.starts_with("//! ") {
            let path = target.src_path.as_std_path();
            let path = path.strip_prefix(workspace.root()).unwrap_or(path);
            breaches.push(format!(
                "{}: does not open with //! and what it does",
                path.display()
            ));
        }
    }
    Ok(breaches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_found_in_tests_only() {
        let text = format!(
            "fn main() {{ {}1) }}\n#[cfg(test)]\nmod tests {{ {}1) }}\n",
            SLEEPS[0], SLEEPS[0]
        );
        assert_eq!(
            judge(Path::new("a.rs"), &text),
            ["a.rs:3: a test sleeps; wait for a condition instead"]
        );
    }

    #[test]
    fn leftovers_are_found_anywhere() {
        let text = format!("fn main() {{ {}) }}\n", LEFTOVERS[0]);
        assert_eq!(judge(Path::new("a.rs"), &text).len(), 1);
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(judge(Path::new("a.rs"), &"\n".repeat(LINES_MAX)).len(), 0);
        assert_eq!(
            judge(Path::new("a.rs"), &"\n".repeat(LINES_MAX + 1)).len(),
            1
        );
    }
}
