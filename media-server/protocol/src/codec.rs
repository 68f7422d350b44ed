use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{MAX_MESSAGE_OCTETS, ToClient, ToServer};

/// Why a message was not encoded.
#[derive(Debug, Error)]
pub enum EncodeError {
    #[error("the message is {0} octets long, at most {MAX_MESSAGE_OCTETS} are possible")]
    TooLong(usize),
    #[error("the message cannot be encoded")]
    Format(#[from] rmp_serde::encode::Error),
}

/// Why octets are not a message.
#[derive(Debug, Error)]
pub enum DecodeError {
    #[error("the message is {0} octets long, at most {MAX_MESSAGE_OCTETS} are possible")]
    TooLong(usize),
    #[error("the octets are no message of this protocol")]
    Format(#[from] rmp_serde::decode::Error),
    #[error("{0} octets follow the message")]
    Trailing(usize),
}

/// The messages that travel by themselves.
pub trait Decode: Serialize + DeserializeOwned + sealed::Sealed {}
impl Decode for ToServer {}
impl Decode for ToClient {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::ToServer {}
    impl Sealed for crate::ToClient {}
}

/// The octets of one message: MessagePack with named fields, so that fields can be added.
pub fn encode<M: Decode>(message: &M) -> Result<Vec<u8>, EncodeError> {
    let octets = rmp_serde::to_vec_named(message)?;
    if octets.len() > MAX_MESSAGE_OCTETS {
        return Err(EncodeError::TooLong(octets.len()));
    }
    Ok(octets)
}

/// The message in these octets, which hold it and nothing else.
pub fn decode<M: Decode>(octets: &[u8]) -> Result<M, DecodeError> {
    if octets.len() > MAX_MESSAGE_OCTETS {
        return Err(DecodeError::TooLong(octets.len()));
    }
    let mut rest = octets;
    let message = rmp_serde::from_read(&mut rest)?;
    if !rest.is_empty() {
        return Err(DecodeError::Trailing(rest.len()));
    }
    Ok(message)
}
