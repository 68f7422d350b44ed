use std::collections::BTreeMap;

/// Octets of a stamped payload; as many as PCMA has in 10 ms.
const PAYLOAD_OCTETS: usize = 80;

/// What a phone puts into each packet: who spoke, the how manieth word, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) speaker: u8,
    pub(crate) number: u32,
}

impl Word {
    pub(crate) fn to_payload(self) -> [u8; PAYLOAD_OCTETS] {
        let mut payload = [0xd5; PAYLOAD_OCTETS];
        payload[0] = self.speaker;
        payload[1..5].copy_from_slice(&self.number.to_be_bytes());
        payload
    }

    pub(crate) fn of_payload(payload: &[u8]) -> Option<Self> {
        let (speaker, rest) = payload.split_first()?;
        let number = u32::from_be_bytes(*rest.first_chunk()?);
        Some(Self {
            speaker: *speaker,
            number,
        })
    }
}

/// What a phone has heard in a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hearing {
    voices: BTreeMap<u8, Voice>,
    last_us: Option<u64>,
    longest_gap_us: u64,
}

/// What was heard of one phone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    pub(crate) words: u32,
    first: u32,
    last: u32,
}

impl Voice {
    /// Of how many words, from the first to the last that was heard.
    pub(crate) fn of(self) -> u32 {
        self.last - self.first + 1
    }
}

impl Hearing {
    pub(crate) fn add(&mut self, now_us: u64, word: Word) {
        let number = word.number;
        let voice = self.voices.entry(word.speaker).or_insert(Voice {
            words: 0,
            first: number,
            last: number,
        });
        voice.words += 1;
        voice.first = voice.first.min(number);
        voice.last = voice.last.max(number);
        if let Some(last_us) = self.last_us {
            self.longest_gap_us = self.longest_gap_us.max(now_us - last_us);
        }
        self.last_us = Some(now_us);
    }

    pub(crate) fn voice_of(&self, speaker: u8) -> Option<Voice> {
        self.voices.get(&speaker).copied()
    }

    /// Whether nobody else was heard.
    pub(crate) fn heard_only(&self, speaker: u8) -> bool {
        self.voices.keys().all(|heard| *heard == speaker)
    }

    /// The longest silence between two packets, the present one included.
    pub(crate) fn longest_gap_us(&self, now_us: u64) -> u64 {
        let present_us = self.last_us.map_or(u64::MAX, |last_us| now_us - last_us);
        self.longest_gap_us.max(present_us)
    }
}
