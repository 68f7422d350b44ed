use bytes::Bytes;
use lz4_flex::block::{compress_into, decompress, get_maximum_output_size};

use crate::Call;

/// The version of the octets of a call. Fields may be added without a new one.
pub const VERSION: u8 = 2;
/// The same without compression, as it was written before.
const PLAIN: u8 = 1;
/// Octets of a call before they are compressed. What says that it is more is not a call.
const PLAIN_OCTETS_MAX: usize = 4 * 1024 * 1024;

/// Room for most calls, so that the octets do not move while they are written.
const PLAIN_OCTETS_USUAL: usize = 16 * 1024;

/// The version, and how long it is without compression.
const HEAD: usize = 5;

/// Octets that are no call.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("no octets")]
    Empty,
    #[error("version {0} of a call is not known here")]
    Version(u8),
    #[error("{0} octets are too many for a call")]
    TooLong(usize),
    #[error("the octets are damaged")]
    Damaged,
    #[error("the octets are no call")]
    Format(#[from] rmp_serde::decode::Error),
}

impl Call {
    /// The call as octets: its version, then MessagePack with named fields, compressed, because most of it is text that a
    /// phone has said more than once. What waits to be polled is not in it.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut plain = Vec::with_capacity(PLAIN_OCTETS_USUAL);
        rmp_serde::encode::write_named(&mut plain, self).expect("a call is plain data");
        let size = u32::try_from(plain.len()).expect("a call is far below 4 GiB");
        let mut octets = vec![0; HEAD + get_maximum_output_size(plain.len())];
        octets[0] = VERSION;
        octets[1..HEAD].copy_from_slice(&size.to_le_bytes());
        let length = compress_into(&plain, &mut octets[HEAD..]).expect("there is room for it");
        // What is kept for as long as the call stands is no larger than it must be.
        Bytes::copy_from_slice(&octets[..HEAD + length])
    }

    /// A call of these octets.
    pub fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        match octets {
            [] => Err(DecodeError::Empty),
            [PLAIN, body @ ..] => Ok(rmp_serde::from_slice(body)?),
            [VERSION, a, b, c, d, body @ ..] => {
                let size = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
                if size > PLAIN_OCTETS_MAX {
                    return Err(DecodeError::TooLong(size));
                }
                let plain = decompress(body, size).map_err(|_| DecodeError::Damaged)?;
                Ok(rmp_serde::from_slice(&plain)?)
            }
            [VERSION, ..] => Err(DecodeError::Damaged),
            [version, ..] => Err(DecodeError::Version(*version)),
        }
    }
}
