//! Which addresses a lab may have: several run on one machine, and none may meet another.

use anyhow::{Result, bail};
use std::env;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use crate::lab::succeed;

/// Second octets of the nets. The demonstration begins with the one that the lab has by itself.
pub(crate) const NETS_OF_PEOPLE: RangeInclusive<u8> = 77..=87;
pub(crate) const NETS_OF_TESTS: RangeInclusive<u8> = 101..=140;

/// A net that no other lab of this kind uses now, for as long as this value lives; what a dead one left there is ended
/// first.
#[derive(Debug)]
pub(crate) struct Net {
    text: String,
    _lock: File,
}

impl Net {
    /// Takes the first free net for the lab of this folder.
    pub(crate) fn take(
        program: &Path,
        nets: RangeInclusive<u8>,
        namespaces: bool,
        dir: &Path,
    ) -> Result<Self> {
        let folder = env::temp_dir().join("carillon-test-nets");
        fs::create_dir_all(&folder)?;
        let first = if namespaces { 10 } else { 127 };
        for second in nets {
            let text = format!("{first}.{second}");
            let mut lock = File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(folder.join(&text))?;
            if lock.try_lock().is_err() {
                continue;
            }
            end_what_is_left(program, &mut lock)?;
            if namespaces && has_bridge(second) {
                continue;
            }
            lock.set_len(0)?;
            lock.rewind()?;
            lock.write_all(dir.as_os_str().as_encoded_bytes())?;
            return Ok(Self { text, _lock: lock });
        }
        bail!("all nets for labs are taken; `ip netns` shows whether old labs still run");
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

fn end_what_is_left(program: &Path, lock: &mut File) -> Result<()> {
    let mut left = String::new();
    lock.read_to_string(&mut left)?;
    if Path::new(&left).join("lab.json").exists() {
        succeed(Command::new(program).args(["lab", "down", "--dir", &left]))?;
        fs::remove_dir_all(&left)?;
    }
    Ok(())
}

/// Somebody started a lab there by hand.
fn has_bridge(second: u8) -> bool {
    Path::new(&format!("/sys/class/net/carillon{second}")).exists()
}
