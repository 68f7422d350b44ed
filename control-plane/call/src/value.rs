use bytes::Bytes;

use crate::Call;

/// The version of the octets of a call. Fields may be added without a new one.
pub const VERSION: u8 = 1;

/// Octets that are no call.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("no octets")]
    Empty,
    #[error("version {0} of a call is not known here")]
    Version(u8),
    #[error("the octets are no call")]
    Format(#[from] rmp_serde::decode::Error),
}

impl Call {
    /// The call as octets: its version, then MessagePack with named fields. What waits to be polled is not in it.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut octets = vec![VERSION];
        rmp_serde::encode::write_named(&mut octets, self).expect("a call is plain data");
        octets.into()
    }

    /// A call of these octets.
    pub fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        match octets {
            [] => Err(DecodeError::Empty),
            [VERSION, body @ ..] => Ok(rmp_serde::from_slice(body)?),
            [version, ..] => Err(DecodeError::Version(*version)),
        }
    }
}
