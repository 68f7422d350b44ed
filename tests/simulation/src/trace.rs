use std::fmt::{self, Write};

/// What has happened, as a number: equal numbers, equal histories.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: Fnv,
    events: u64,
    shown: bool,
}

impl Trace {
    pub(crate) fn new(shown: bool) -> Self {
        Self {
            hash: Fnv::new(),
            events: 0,
            shown,
        }
    }

    /// Something that a reader of the trace wants to see.
    pub(crate) fn show(&mut self, at_us: u64, what: fmt::Arguments<'_>) {
        if self.shown {
            println!("{:>5}.{:06} {what}", at_us / 1_000_000, at_us % 1_000_000);
        }
        self.note(at_us, what);
    }

    /// Something that only has to be the same each time.
    pub(crate) fn note(&mut self, at_us: u64, what: fmt::Arguments<'_>) {
        self.events += 1;
        self.hash.add(&at_us.to_be_bytes());
        self.hash.write_fmt(what).expect("a hash takes everything");
    }

    /// Octets that went somewhere.
    pub(crate) fn octets(&mut self, octets: &[u8]) {
        self.hash.add(octets);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.0
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }
}

/// The hash of Fowler, Noll and Vo: short, and the same everywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fnv(u64);

impl Fnv {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;

    pub(crate) fn new() -> Self {
        Self(Self::OFFSET)
    }

    pub(crate) fn of(octets: &[u8]) -> u64 {
        let mut hash = Self::new();
        hash.add(octets);
        hash.0
    }

    fn add(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(Self::PRIME);
        }
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.as_bytes());
        Ok(())
    }
}
