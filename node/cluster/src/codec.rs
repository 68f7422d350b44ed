//! One encoding for everything replicated or sent: MessagePack with named fields.

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Bytes {
    rmp_serde::to_vec_named(value)
        .expect("replicated types encode")
        .into()
}

pub(crate) fn decode<T: DeserializeOwned>(octets: &[u8]) -> io::Result<T> {
    rmp_serde::from_slice(octets).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
