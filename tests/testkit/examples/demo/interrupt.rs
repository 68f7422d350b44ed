//! Control-C in the middle of the demonstration: the lab ends, and nothing of it stays on the machine.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell gives for a command that was interrupted.
const INTERRUPTED: i32 = 130;

/// Whoever has it ends the lab, the others wait for the end of the process.
static ENDING: Mutex<()> = Mutex::new(());

/// From here on the demonstration ends by itself; an interruption comes too late.
pub(crate) fn ending() -> MutexGuard<'static, ()> {
    ENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches for an interruption from now on.
pub(crate) fn watch(dir: &Path) -> Result<()> {
    let dir = dir.to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("wait for Control-C")?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        let _ending = ending();
        eprintln!("\nInterrupted; ending the lab.");
        clear(&dir);
        process::exit(INTERRUPTED);
    });
    Ok(())
}

fn clear(dir: &Path) {
    if let Ok(program) = carillon_testkit::lab::program() {
        let _ = Command::new(program)
            .args(["lab", "down", "--dir"])
            .arg(dir)
            .stderr(Stdio::null())
            .status();
    }
    let _ = fs::remove_dir_all(dir);
}
