//! How the program ends, after sysexits(3).

use std::process::ExitCode;

/// The command line or the configuration is wrong; nothing was bound.
pub(crate) const USAGE: u8 = 64;
/// The disk failed: the node went out of duty by itself.
pub(crate) const OUT_OF_DUTY: u8 = 74;
/// Anything else that went wrong.
pub(crate) const FAILURE: u8 = 1;

/// Tells every problem, and ends.
pub(crate) fn usage(problems: &[String]) -> ExitCode {
    for problem in problems {
        eprintln!("carillon: {problem}");
    }
    ExitCode::from(USAGE)
}

pub(crate) fn failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("carillon: {error:#}");
    ExitCode::from(FAILURE)
}
