//! Judging what a phone heard: how much of a sentence is in a recording, and the longest piece that is missing.
//!
//! First long windows of the sentence are looked for: the recording holds the same waveform at the place where the windows
//! before it let expect it, or later or earlier by some seconds (recordings of some phones leave out what did not arrive).
//! Then short pieces are looked for at the places of the windows around them: a phone that plays a packet ten
//! milliseconds early or late spoils a whole window, and loses nothing. Codecs change a waveform little enough for that;
//! another sentence does not fit.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// All comparing is done at this rate: speech below 2 kHz is enough to tell words apart.
const RATE: u32 = 4_000;
/// Windows say where in the recording the sentence is.
const WINDOW: usize = (RATE / 5) as usize;
const WINDOW_HOP: usize = (RATE / 20) as usize;
/// Pieces say what of it is there.
const PIECE: usize = (RATE / 20) as usize;
const PIECE_HOP: usize = (RATE / 100) as usize;
const PIECE_HOP_MS: u32 = 10;
/// How far a piece may be from where the windows around it are.
const WOBBLE: usize = (RATE / 500) as usize;
/// How alike two waveforms must be to count as the same; 1 is no difference.
const ALIKE: f32 = 0.7;
/// What is this much quieter than the loudest of the sentence is a pause, and says nothing.
const PAUSE: f32 = 0.15;
/// How far the recording may run ahead or behind from one window to the next: first near, then anywhere near enough.
const NEAR: usize = (RATE / 10) as usize;
const FAR: usize = (RATE * 4) as usize;

/// Samples at the common rate, one channel.
#[derive(Debug, Clone)]
pub struct Sound {
    samples: Vec<f32>,
}

/// What was heard of a sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hearing {
    /// Share of the spoken pieces that were heard, 0 to 1.
    pub coverage: f32,
    /// The longest run of spoken pieces that were not heard.
    pub longest_gap_ms: u32,
    /// Where the sentence begins in the recording.
    pub begins_at_ms: Option<u32>,
}

impl Hearing {
    /// The sentence is there from the first word to the last: five packets in a row may be missing, six are too many. A
    /// piece counts as heard with half of it, so what six leave is a gap of 90 ms and more.
    pub fn is_whole(&self) -> bool {
        self.coverage >= 0.95 && self.longest_gap_ms <= 80
    }
}

impl Sound {
    /// Reads a WAV file of any usual rate and mixes it to one channel.
    pub fn read(path: &Path) -> Result<Self> {
        let mut reader =
            hound::WavReader::open(path).with_context(|| format!("read {}", path.display()))?;
        let spec = reader.spec();
        if spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
            bail!("{}: samples are not 16 bit", path.display());
        }
        // Some phones announce more samples in the header than they have written when they hang up.
        let samples: Vec<i16> = reader.samples::<i16>().map_while(Result::ok).collect();
        Self::new(&samples, spec.sample_rate, spec.channels)
    }

    /// Several recordings, one after the other.
    pub fn read_all(paths: &[PathBuf]) -> Result<Self> {
        let mut samples = Vec::new();
        for path in paths {
            samples.extend(Self::read(path)?.samples);
        }
        Ok(Self { samples })
    }

    /// From interleaved samples.
    pub fn new(samples: &[i16], rate: u32, channels: u16) -> Result<Self> {
        if !rate.is_multiple_of(RATE) || channels == 0 {
            bail!("{rate} samples a second in {channels} channels cannot be compared");
        }
        // Averaging whole groups is filter enough: what folds back is far below the speech.
        let group = (rate / RATE) as usize * usize::from(channels);
        let mean = |group: &[i16]| {
            group.iter().map(|&sample| f32::from(sample)).sum::<f32>() / group.len() as f32
        };
        let mut samples: Vec<f32> = samples.chunks_exact(group).map(mean).collect();
        let bias = samples.iter().sum::<f32>() / samples.len().max(1) as f32;
        samples.iter_mut().for_each(|sample| *sample -= bias);
        Ok(Self { samples })
    }

    /// The loudest sample of each of `parts` equal parts.
    pub fn peaks(&self, parts: usize) -> Vec<f32> {
        let part = self.samples.len().div_ceil(parts.max(1)).max(1);
        let loudest = |part: &[f32]| part.iter().fold(0.0, |peak: f32, at| peak.max(at.abs()));
        self.samples.chunks(part).map(loudest).collect()
    }

    /// Length in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.samples.len() as u64 * 1_000 / u64::from(RATE)
    }
}

/// Looks for a sentence in a recording.
pub fn judge(sentence: &Sound, heard: &Sound) -> Hearing {
    let (said, heard) = (&sentence.samples, &heard.samples);
    let energy = Energy::new(heard);
    let places = places(said, heard, &energy);
    let begins_at_ms = places.first().and_then(|first| {
        let place =
            u32::try_from(first.lag + spoken(said, WINDOW, WINDOW_HOP).next()? as isize).ok()?;
        Some(place * 1_000 / RATE)
    });
    let (mut all, mut found, mut gap, mut longest_gap) = (0, 0, 0, 0);
    for start in spoken(said, PIECE, PIECE_HOP) {
        all += 1;
        let piece = &said[start..start + PIECE];
        let from = places.partition_point(|place| place.start + WINDOW < start);
        let around = places[from..]
            .iter()
            .take_while(|place| place.start <= start + WINDOW);
        let mut around = around.map(|place| place.lag);
        match around.any(|lag| best(piece, start, lag, WOBBLE, heard, &energy).is_some()) {
            true => (found, gap) = (found + 1, 0),
            false => gap += 1,
        }
        longest_gap = longest_gap.max(gap);
    }
    Hearing {
        coverage: found as f32 / all.max(1) as f32,
        longest_gap_ms: longest_gap * PIECE_HOP_MS,
        begins_at_ms,
    }
}

/// Where a window of the sentence was found.
struct Place {
    /// In the sentence.
    start: usize,
    /// How much later it is in the recording.
    lag: isize,
}

/// The windows of the sentence that are in the recording.
fn places(said: &[f32], heard: &[f32], energy: &Energy) -> Vec<Place> {
    let mut lag = None;
    let mut places = Vec::new();
    for start in spoken(said, WINDOW, WINDOW_HOP) {
        let window = &said[start..start + WINDOW];
        let at = |expected, reach| best(window, start, expected, reach, heard, energy);
        let found = match lag {
            Some(lag) => at(lag, NEAR).or_else(|| at(lag, FAR)),
            None => at(-(start as isize), heard.len()),
        };
        lag = found.or(lag);
        places.extend(found.map(|lag| Place { start, lag }));
    }
    places
}

/// Starts of the parts, of this length and so far apart, in which something is said.
fn spoken(samples: &[f32], length: usize, hop: usize) -> impl Iterator<Item = usize> {
    let loudness = |part: &[f32]| {
        (part.iter().map(|sample| sample * sample).sum::<f32>() / part.len() as f32).sqrt()
    };
    let starts = (0..samples.len().saturating_sub(length)).step_by(hop);
    let loud: Vec<(usize, f32)> = starts
        .map(|start| (start, loudness(&samples[start..start + length])))
        .collect();
    let loudest = loud.iter().map(|(_, level)| *level).fold(0.0, f32::max);
    loud.into_iter()
        .filter(move |(_, level)| *level > loudest * PAUSE && *level > 1.0)
        .map(|(start, _)| start)
}

/// The lag at which a part of the sentence fits best, within `reach` of the expected one, when it fits well enough.
fn best(
    part: &[f32],
    start: usize,
    expected: isize,
    reach: usize,
    heard: &[f32],
    energy: &Energy,
) -> Option<isize> {
    let last = heard.len().checked_sub(part.len())?;
    let middle = start as isize + expected;
    let from = (middle - reach as isize).max(0) as usize;
    let to = usize::try_from(middle + reach as isize).ok()?.min(last);
    let own: f32 = part.iter().map(|sample| sample * sample).sum();
    let likeness = |place: usize| {
        let product: f32 = part
            .iter()
            .zip(&heard[place..place + part.len()])
            .map(|(a, b)| a * b)
            .sum();
        let scale = (own * energy.of(place, part.len())).sqrt();
        if scale > 1.0 { product / scale } else { 0.0 }
    };
    let (place, likeness) = (from..=to)
        .map(|place| (place, likeness(place)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    (likeness >= ALIKE).then(|| place as isize - start as isize)
}

/// Running sums of squares, so that the energy of any part is one subtraction.
struct Energy {
    sums: Vec<f64>,
}

impl Energy {
    fn new(samples: &[f32]) -> Self {
        let mut sums = Vec::with_capacity(samples.len() + 1);
        let mut sum = 0.0;
        sums.push(sum);
        for sample in samples {
            sum += f64::from(*sample) * f64::from(*sample);
            sums.push(sum);
        }
        Self { sums }
    }

    fn of(&self, place: usize, length: usize) -> f32 {
        (self.sums[place + length] - self.sums[place]) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 8_000;

    /// Something as irregular as speech: a tone whose pitch and loudness wander.
    fn babble(seed: u32, seconds: u32) -> Vec<i16> {
        let mut state = seed;
        let mut phase = 0.0_f32;
        let mut pitch = 200.0_f32;
        let mut level = 0.5_f32;
        (0..seconds * RATE_HZ)
            .map(|n| {
                if n % 400 == 0 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    pitch = 120.0 + (state >> 20) as f32 / 5.0;
                    level = 0.2 + ((state >> 8) & 0xff) as f32 / 400.0;
                }
                phase += pitch * std::f32::consts::TAU / RATE_HZ as f32;
                (phase.sin() * level * 12_000.0) as i16
            })
            .collect()
    }

    fn sound(samples: &[i16]) -> Sound {
        Sound::new(samples, RATE_HZ, 1).unwrap()
    }

    #[test]
    fn a_sentence_that_comes_late_and_softer_is_whole() {
        let said = babble(7, 4);
        let mut heard = vec![0; 12_345];
        heard.extend(said.iter().map(|sample| sample / 3));
        let hearing = judge(&sound(&said), &sound(&heard));
        assert!(hearing.is_whole(), "{hearing:?}");
        assert!(
            hearing.begins_at_ms.unwrap().abs_diff(1_543) < 60,
            "{hearing:?}"
        );
    }

    #[test]
    fn another_sentence_is_not_heard() {
        let hearing = judge(&sound(&babble(7, 4)), &sound(&babble(99, 6)));
        assert!(hearing.coverage < 0.2, "{hearing:?}");
    }

    #[test]
    fn silence_is_not_heard() {
        let hearing = judge(&sound(&babble(7, 4)), &sound(&vec![0; 40_000]));
        assert_eq!(hearing.coverage, 0.0);
        assert_eq!(hearing.begins_at_ms, None);
    }

    #[test]
    fn a_second_of_silence_in_the_middle_is_a_gap_of_a_second() {
        let said = babble(7, 6);
        let mut heard = said.clone();
        heard[16_000..24_000].fill(0);
        let hearing = judge(&sound(&said), &sound(&heard));
        assert!(
            (900..=1_300).contains(&hearing.longest_gap_ms),
            "{hearing:?}"
        );
    }

    #[test]
    fn six_packets_that_are_lost_are_a_gap() {
        let said = babble(7, 6);
        for at in (8_000..40_000).step_by(3_333) {
            let mut heard = said.clone();
            heard[at..at + 960].fill(0);
            let hearing = judge(&sound(&said), &sound(&heard));
            assert!(
                (90..=170).contains(&hearing.longest_gap_ms) && !hearing.is_whole(),
                "{hearing:?} at {at}"
            );
        }
    }

    #[test]
    fn a_packet_that_a_phone_plays_early_or_late_is_no_gap() {
        let said = babble(7, 6);
        for at in (8_000..40_000).step_by(3_333) {
            let early = [&said[..at], &said[at + 80..]].concat();
            let late = [&said[..at], &[0; 80], &said[at..]].concat();
            for heard in [early, late] {
                let hearing = judge(&sound(&said), &sound(&heard));
                assert!(hearing.is_whole(), "{hearing:?} at {at}");
            }
        }
    }

    #[test]
    fn a_piece_that_a_recorder_left_out_is_a_gap_and_the_rest_is_heard() {
        let said = babble(7, 6);
        let mut heard = said[..16_000].to_vec();
        heard.extend_from_slice(&said[24_000..]);
        let hearing = judge(&sound(&said), &sound(&heard));
        assert!(
            (900..=1_300).contains(&hearing.longest_gap_ms),
            "{hearing:?}"
        );
        assert!(hearing.coverage > 0.7, "{hearing:?}");
    }
}
