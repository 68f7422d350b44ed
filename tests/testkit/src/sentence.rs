//! What the phones say: sentences spoken by espeak-ng, followed by silence, in the shape that a codec wants.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What alice says.
pub const ALICE: &str =
    "The heir finds the phone, not the other way round, and bob still hears alice.";
/// What bob says.
pub const BOB: &str =
    "Kill any one of them, and no call drops, no phone is forgotten, no setting is lost.";

/// What alice says later in a call, when something has happened to it.
pub const ALICE_LATER: &str =
    "Bob, you are still in the room with me, and nobody had to dial any number again.";
/// What bob says later.
pub const BOB_LATER: &str = "The machine that carried this call is gone, and the call is not.";

/// What alice says last.
pub const ALICE_LAST: &str =
    "And now the media server goes as well, let us see how much of this you can hear.";
/// What bob says last.
pub const BOB_LAST: &str =
    "I have lost a word or two of yours, and I can hear you again as well as before.";

/// Who speaks: espeak-ng's name of a voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    Alice,
    Bob,
}

/// How a codec wants its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub rate: u32,
    pub channels: u16,
}

impl Shape {
    pub const NARROW: Self = Self {
        rate: 8_000,
        channels: 1,
    };
    pub const WIDE: Self = Self {
        rate: 16_000,
        channels: 1,
    };
    /// Opus in mono.
    pub const FULL: Self = Self {
        rate: 48_000,
        channels: 1,
    };
}

/// Before the sentence there is this much silence: it takes a moment until both directions are open.
const LEAD_SECONDS: &str = "1.0";

/// Writes `NAME.wav` (once spoken, then silence, for a phone to play) and returns its path. A phone that has played its
/// file to the end hangs up, so the silence must outlast the call.
pub fn speak(
    folder: &Path,
    name: &str,
    text: &str,
    voice: Voice,
    shape: Shape,
    silence_s: u32,
) -> Result<PathBuf> {
    let raw = folder.join(format!("{name}.raw.wav"));
    let path = folder.join(format!("{name}.wav"));
    let voice = match voice {
        Voice::Alice => "en-gb+f3",
        Voice::Bob => "en-us+m3",
    };
    run(Command::new("espeak-ng")
        .args(["-v", voice, "-s", "150", "-w"])
        .arg(&raw)
        .arg(text))?;
    run(Command::new("sox")
        .arg(&raw)
        .args(["--bits", "16", "--encoding", "signed-integer"])
        .args([
            "--rate",
            &shape.rate.to_string(),
            "--channels",
            &shape.channels.to_string(),
        ])
        .arg(&path)
        .args([
            "gain",
            "-n",
            "-6",
            "pad",
            LEAD_SECONDS,
            &silence_s.to_string(),
        ]))?;
    Ok(path)
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("start {program}; Debian has it"))?;
    if !output.status.success() {
        bail!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
