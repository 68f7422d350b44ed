use super::{
    CNAME, DESCRIPTION, GOODBYE, RECEIVER_REPORT, ReportBlock, SENDER_REPORT, SenderInfo, VERSION,
};

/// Blocks, chunks or sources of one packet at most; the count has five bits.
const MAX_COUNT: usize = 31;

/// Writes one compound packet into a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Appends to `out`.
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// A sender report; blocks past 31 are left out.
    pub fn sender_report(
        &mut self,
        ssrc: u32,
        info: &SenderInfo,
        blocks: &[ReportBlock],
    ) -> &mut Self {
        let blocks = &blocks[..blocks.len().min(MAX_COUNT)];
        self.packet(SENDER_REPORT, blocks.len(), |out| {
            put(out, ssrc);
            out.extend_from_slice(&info.ntp.to_be_bytes());
            put(out, info.timestamp);
            put(out, info.packets);
            put(out, info.octets);
            blocks.iter().for_each(|block| put_block(out, block));
        })
    }

    /// A receiver report; blocks past 31 are left out.
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> &mut Self {
        let blocks = &blocks[..blocks.len().min(MAX_COUNT)];
        self.packet(RECEIVER_REPORT, blocks.len(), |out| {
            put(out, ssrc);
            blocks.iter().for_each(|block| put_block(out, block));
        })
    }

    /// The canonical name of a source, cut to 255 octets.
    pub fn canonical_name(&mut self, ssrc: u32, name: &[u8]) -> &mut Self {
        let name = &name[..name.len().min(255)];
        self.packet(DESCRIPTION, 1, |out| {
            put(out, ssrc);
            out.push(CNAME);
            out.push(u8::try_from(name.len()).expect("cut above"));
            out.extend_from_slice(name);
            out.push(0); // at least one ends the chunk; the padding to the word follows
        })
    }

    /// These sources leave; those past 31 are left out.
    pub fn goodbye(&mut self, sources: &[u32]) -> &mut Self {
        let sources = &sources[..sources.len().min(MAX_COUNT)];
        self.packet(GOODBYE, sources.len(), |out| {
            sources.iter().for_each(|source| put(out, *source))
        })
    }

    fn packet(
        &mut self,
        packet_type: u8,
        count: usize,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> &mut Self {
        let start = self.out.len();
        let count = u8::try_from(count).expect("at most 31");
        self.out
            .extend_from_slice(&[VERSION << 6 | count, packet_type, 0, 0]);
        body(self.out);
        let octets = (self.out.len() - start).next_multiple_of(4);
        self.out.resize(start + octets, 0);
        let words = u16::try_from(octets / 4 - 1).expect("31 blocks are less than 64 Ki words");
        self.out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
        self
    }
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_be_bytes());
}

fn put_block(out: &mut Vec<u8>, block: &ReportBlock) {
    put(out, block.ssrc);
    put(
        out,
        u32::from(block.fraction_lost) << 24 | block.lost.cast_unsigned() & 0x00ff_ffff,
    );
    put(out, block.highest);
    put(out, block.jitter);
    put(out, block.last_sender_report);
    put(out, block.delay);
}
