//! Says how much of a sentence is in a recording: `hear SAID.wav HEARD.wav`. Exit code 1 when it is not whole.

use anyhow::{Context, Result};
use carillon_testkit::hearing::{Sound, judge};
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> Result<ExitCode> {
    let mut files = env::args_os().skip(1).map(PathBuf::from);
    let said = Sound::read(&files.next().context("the file that was said")?)?;
    let heard = Sound::read(&files.next().context("the file that was heard")?)?;
    let hearing = judge(&said, &heard);
    println!(
        "{:.1} % heard, longest gap {} ms, begins at {:?} ms of {} ms",
        hearing.coverage * 100.0,
        hearing.longest_gap_ms,
        hearing.begins_at_ms,
        heard.duration_ms()
    );
    Ok(if hearing.is_whole() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
