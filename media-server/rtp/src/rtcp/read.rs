use super::{
    BLOCK_OCTETS, CNAME, DESCRIPTION, GOODBYE, MAX_PACKETS, RECEIVER_REPORT, RtcpError,
    SENDER_REPORT, VERSION,
};

/// A datagram of RTCP packets whose lengths have been checked.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    octets: &'a [u8],
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    Report(Report<'a>),
    /// Source descriptions.
    Description(Items<'a>),
    Goodbye(Goodbye<'a>),
    /// Feedback, application-defined, extended reports: passed on, not read.
    Other {
        packet_type: u8,
        count: u8,
        body: &'a [u8],
    },
    /// A known type whose body is too short for what it says.
    Malformed {
        packet_type: u8,
    },
}

/// A sender or receiver report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    pub ssrc: u32,
    /// Only in a sender report.
    pub sender: Option<SenderInfo>,
    blocks: &'a [[u8; BLOCK_OCTETS]],
}

/// What a sender says of its own stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    pub ntp: u64,
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// What a receiver says of one stream that it hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    pub ssrc: u32,
    /// Lost since the last report, of 256.
    pub fraction_lost: u8,
    /// 24 bits with sign.
    pub lost: i32,
    pub highest: u32,
    /// In timestamp units.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report; 0: none came.
    pub last_sender_report: u32,
    /// 1/65536 s between that report and this one.
    pub delay: u32,
}

/// Sources that leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goodbye<'a> {
    sources: &'a [[u8; 4]],
    pub reason: Option<&'a [u8]>,
}

impl<'a> Compound<'a> {
    /// Checks versions, types, lengths and padding of all packets. A compound that begins with no report is
    /// reduced-size (RFC 5506) and welcome.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtcpError> {
        let mut rest = datagram;
        let mut packets = 0;
        loop {
            let (first, octets) = head(rest)?;
            let (packet, after) = rest.split_at_checked(octets).ok_or(RtcpError::Short)?;
            if first & 0x20 != 0 {
                let padding = usize::from(*packet.last().ok_or(RtcpError::Short)?);
                if !after.is_empty() || padding == 0 || padding % 4 != 0 || padding > octets - 4 {
                    return Err(RtcpError::Padding);
                }
            }
            packets += 1;
            if packets > MAX_PACKETS {
                return Err(RtcpError::TooMany);
            }
            if after.is_empty() {
                return Ok(Self { octets: datagram });
            }
            rest = after;
        }
    }

    /// The packets in their order.
    #[must_use]
    pub const fn packets(&self) -> Packets<'a> {
        Packets { rest: self.octets }
    }
}

fn head(octets: &[u8]) -> Result<(u8, usize), RtcpError> {
    let [first, packet_type, l0, l1, ..] = *octets else {
        return Err(RtcpError::Short);
    };
    if first >> 6 != VERSION {
        return Err(RtcpError::Version(first >> 6));
    }
    if !(192..=223).contains(&packet_type) {
        return Err(RtcpError::Type(packet_type));
    }
    Ok((first, (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4))
}

/// Iterates over the packets of a compound.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let (first, octets) = head(self.rest).ok()?;
        let (packet, rest) = self.rest.split_at_checked(octets)?;
        self.rest = rest;
        let padding = if first & 0x20 == 0 {
            0
        } else {
            usize::from(*packet.last()?)
        };
        let body = packet.get(4..octets.checked_sub(padding)?)?;
        let (packet_type, count) = (packet[1], first & 0x1f);
        let known = match packet_type {
            SENDER_REPORT => Report::parse(count, true, body).map(Packet::Report),
            RECEIVER_REPORT => Report::parse(count, false, body).map(Packet::Report),
            DESCRIPTION => Some(Packet::Description(Items {
                chunks: count,
                in_chunk: None,
                rest: body,
            })),
            GOODBYE => Goodbye::parse(count, body).map(Packet::Goodbye),
            _ => Some(Packet::Other {
                packet_type,
                count,
                body,
            }),
        };
        Some(known.unwrap_or(Packet::Malformed { packet_type }))
    }
}

fn word(octets: [u8; 4]) -> u32 {
    u32::from_be_bytes(octets)
}

impl<'a> Report<'a> {
    fn parse(count: u8, sends: bool, body: &'a [u8]) -> Option<Self> {
        let (ssrc, mut rest) = body.split_first_chunk::<4>()?;
        let mut sender = None;
        if sends {
            let (ntp, after) = rest.split_first_chunk::<8>()?;
            let (counters, after) = after.split_first_chunk::<12>()?;
            let [timestamp, packets, octets] = words(counters);
            sender = Some(SenderInfo {
                ntp: u64::from_be_bytes(*ntp),
                timestamp,
                packets,
                octets,
            });
            rest = after;
        }
        // What follows the blocks is a profile's extension.
        let blocks = rest
            .as_chunks::<BLOCK_OCTETS>()
            .0
            .get(..usize::from(count))?;
        Some(Self {
            ssrc: word(*ssrc),
            sender,
            blocks,
        })
    }

    /// What the sender of this report hears.
    #[must_use]
    pub fn blocks(&self) -> Reports<'a> {
        Reports {
            rest: self.blocks.iter(),
        }
    }
}

fn words<const OCTETS: usize, const WORDS: usize>(octets: &[u8; OCTETS]) -> [u32; WORDS] {
    let mut all = [0; WORDS];
    for (value, octets) in all.iter_mut().zip(octets.as_chunks::<4>().0) {
        *value = word(*octets);
    }
    all
}

/// Iterates over the blocks of a report.
#[derive(Clone, Debug)]
pub struct Reports<'a> {
    rest: std::slice::Iter<'a, [u8; BLOCK_OCTETS]>,
}

impl Iterator for Reports<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let [ssrc, loss, highest, jitter, last_sender_report, delay] = words(self.rest.next()?);
        Some(ReportBlock {
            ssrc,
            fraction_lost: (loss >> 24) as u8,
            lost: (loss << 8).cast_signed() >> 8,
            highest,
            jitter,
            last_sender_report,
            delay,
        })
    }
}

/// Iterates over the canonical names `(ssrc, name)` of a source description; other items are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Items<'a> {
    chunks: u8,
    in_chunk: Option<u32>,
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<(u32, &'a [u8])> {
        loop {
            let Some(ssrc) = self.in_chunk else {
                self.chunks = self.chunks.checked_sub(1)?;
                let (ssrc, rest) = self.rest.split_first_chunk::<4>()?;
                (self.in_chunk, self.rest) = (Some(word(*ssrc)), rest);
                continue;
            };
            let (item, rest) = self.rest.split_first()?;
            if *item == 0 {
                // Zeros up to the next word; all chunks begin at a word of the body.
                self.rest = &rest[rest.len() % 4..];
                self.in_chunk = None;
                continue;
            }
            let (octets, rest) = rest.split_first()?;
            let (text, rest) = rest.split_at_checked(usize::from(*octets))?;
            self.rest = rest;
            if *item == CNAME {
                return Some((ssrc, text));
            }
        }
    }
}

impl<'a> Goodbye<'a> {
    fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let sources = body.as_chunks::<4>().0.get(..usize::from(count))?;
        let reason = body[sources.len() * 4..]
            .split_first()
            .and_then(|(octets, text)| text.get(..usize::from(*octets)));
        Some(Self { sources, reason })
    }

    pub fn sources(&self) -> impl Iterator<Item = u32> + 'a {
        self.sources.iter().map(|octets| word(*octets))
    }
}
