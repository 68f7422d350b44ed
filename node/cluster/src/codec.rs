//! One encoding for everything replicated or sent: MessagePack with named fields.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a thread keeps of its room for encoding at most; what takes more keeps the room that it has got.
const SCRATCH_OCTETS_MAX: usize = 256 * 1024;

thread_local! {
    /// Where values are written before they are known to be how long: a vector that grows while it is written moves its octets each
    /// time, and what is kept is no longer than it must be.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Bytes {
    let mut scratch = SCRATCH.take();
    rmp_serde::encode::write_named(&mut scratch, value).expect("replicated types encode");
    if scratch.capacity() > SCRATCH_OCTETS_MAX {
        return scratch.into();
    }
    let octets = Bytes::copy_from_slice(&scratch);
    scratch.clear();
    SCRATCH.set(scratch);
    octets
}

pub(crate) fn decode<T: DeserializeOwned>(octets: &[u8]) -> io::Result<T> {
    rmp_serde::from_slice(octets).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
