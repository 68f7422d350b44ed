//! What phones heard, as a picture: one wave under the other over the same time, with marks where something was killed.

use std::fmt::Write as _;

use crate::hearing::Sound;

const WIDTH: usize = 1_200;
const WAVE_HEIGHT: usize = 160;
const MARGIN: usize = 10;
const COLUMNS: usize = 100;
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The colours of the picture: paper, waves, lines between them, marks.
const PALETTE: [[u8; 3]; 4] = [[255, 255, 255], [31, 78, 121], [200, 200, 200], [204, 0, 0]];
const WAVE: u8 = 1;
const LINE: u8 = 2;
const MARK: u8 = 3;

/// Waves over a common time.
#[derive(Debug, Clone)]
pub struct Waveforms<'a> {
    waves: Vec<(&'a str, &'a Sound)>,
    marks_ms: Vec<u64>,
    duration_ms: u64,
}

impl<'a> Waveforms<'a> {
    /// Of named recordings that began together, and the times at which something happened.
    pub fn new(waves: Vec<(&'a str, &'a Sound)>, marks_ms: Vec<u64>) -> Self {
        let longest = waves.iter().map(|(_, sound)| sound.duration_ms()).max();
        Self {
            waves,
            marks_ms,
            duration_ms: longest.unwrap_or(0).max(1),
        }
    }

    /// Lines of text for a terminal.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, sound) in &self.waves {
            let levels = self.levels(sound, COLUMNS);
            let row: String = levels.iter().map(|level| block(*level)).collect();
            let _ = writeln!(text, "{name:>6} {row}");
        }
        let mut marks = vec![' '; COLUMNS];
        for at_ms in &self.marks_ms {
            marks[self.column(*at_ms, COLUMNS)] = '^';
        }
        let _ = writeln!(
            text,
            "{:>6} {}",
            "",
            marks.iter().collect::<String>().trim_end()
        );
        text
    }

    /// The octets of a PNG file.
    pub fn to_png(&self) -> Vec<u8> {
        let height = self.waves.len() * (WAVE_HEIGHT + MARGIN) + MARGIN;
        let mut pixels = vec![vec![0_u8; WIDTH]; height];
        for (number, (_, sound)) in self.waves.iter().enumerate() {
            let middle = MARGIN + number * (WAVE_HEIGHT + MARGIN) + WAVE_HEIGHT / 2;
            pixels[middle].fill(LINE);
            for (x, level) in self.levels(sound, WIDTH).into_iter().enumerate() {
                let half = (level * (WAVE_HEIGHT / 2) as f32) as usize;
                for row in &mut pixels[middle - half..=middle + half] {
                    row[x] = WAVE;
                }
            }
        }
        for at_ms in &self.marks_ms {
            let x = self.column(*at_ms, WIDTH);
            pixels.iter_mut().for_each(|row| row[x] = MARK);
        }
        png(WIDTH, &pixels)
    }

    fn column(&self, at_ms: u64, columns: usize) -> usize {
        let place = at_ms * columns as u64 / self.duration_ms;
        usize::try_from(place).unwrap_or(columns).min(columns - 1)
    }

    /// How loud it was in each part of the common time, the loudest part of all waves being 1.
    fn levels(&self, sound: &Sound, columns: usize) -> Vec<f32> {
        let loudest = |sound: &Sound| sound.peaks(1).into_iter().fold(0.0, f32::max);
        let full = self
            .waves
            .iter()
            .map(|(_, sound)| loudest(sound))
            .fold(1.0, f32::max);
        let own = (columns as u64 * sound.duration_ms() / self.duration_ms) as usize;
        let mut levels = sound.peaks(own.clamp(1, columns));
        levels.iter_mut().for_each(|level| *level /= full);
        levels.resize(columns, 0.0);
        levels
    }
}

fn block(level: f32) -> char {
    // The ear is logarithmic, and quiet speech is to be seen.
    let height = (level.sqrt() * (BLOCKS.len() - 1) as f32).round() as usize;
    BLOCKS[height.min(BLOCKS.len() - 1)]
}

/// A PNG file (RFC 2083) with a palette, its data stored without compression.
fn png(width: usize, rows: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend((width as u32).to_be_bytes());
    header.extend((rows.len() as u32).to_be_bytes());
    // Eight bits a pixel, by palette; the only compression, filter and order that there are.
    header.extend([8, 3, 0, 0, 0]);
    chunk(&mut file, b"IHDR", &header);
    chunk(&mut file, b"PLTE", PALETTE.as_flattened());
    let mut data = Vec::new();
    for row in rows {
        // No filter for this row.
        data.push(0);
        data.extend(row);
    }
    chunk(&mut file, b"IDAT", &stored(&data));
    chunk(&mut file, b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend(data);
    let check = crc32(&file[start..]);
    file.extend(check.to_be_bytes());
}

/// A zlib stream (RFC 1950) of stored blocks (RFC 1951 §3.2.4).
fn stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = data.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        stream.push(u8::from(blocks.peek().is_none()));
        let length = block.len() as u16;
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(data).to_be_bytes());
    stream
}

fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), octet| {
        let a = (a + u32::from(*octet)) % MODULUS;
        (a, (b + a) % MODULUS)
    });
    b << 16 | a
}

fn crc32(data: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let step = |rest: u32| match rest & 1 {
        1 => POLYNOMIAL ^ (rest >> 1),
        _ => rest >> 1,
    };
    let check = data.iter().fold(u32::MAX, |check, octet| {
        (0..8).fold(check ^ u32::from(*octet), |rest, _| step(rest))
    });
    !check
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Result;

    #[test]
    fn sums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn a_gap_is_seen_between_two_halves_of_a_tone() -> Result<()> {
        let tone = |at: usize| if at.is_multiple_of(2) { 8_000 } else { -8_000 };
        let mut samples: Vec<i16> = (0..4_000).map(|at| tone(at / 4)).collect();
        samples[1_600..2_400].fill(0);
        let sound = Sound::new(&samples, 4_000, 1)?;
        let text = Waveforms::new(vec![("bob", &sound)], vec![400]).to_text();
        let mut lines = text.lines();
        let wave: Vec<char> = lines.next().unwrap_or_default().chars().skip(7).collect();
        assert_eq!((wave[10], wave[50], wave[90]), ('█', ' ', '█'), "{text}");
        let marks = lines.next().unwrap_or_default();
        assert_eq!(marks.find('^'), Some(7 + 40), "{text}");
        Ok(())
    }

    #[test]
    fn the_file_has_its_parts_in_their_order() -> Result<()> {
        let sound = Sound::new(&[0; 4_000], 4_000, 1)?;
        let file = Waveforms::new(vec![("alice", &sound)], vec![500]).to_png();
        assert!(file.starts_with(b"\x89PNG\r\n\x1a\n"));
        let place = |kind: &[u8]| file.windows(4).position(|window| window == kind);
        let places = [b"IHDR", b"PLTE", b"IDAT", b"IEND"].map(|kind| place(kind));
        assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
        Ok(())
    }
}
