//! Identifiers: one type per noun, so that a line is never taken for a user.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.parse().map(Self).map_err(|_| ParseIdError)
            }
        }
    )*};
}

ids! {
    /// A control node, by its never reused Raft id.
    NodeId(u64);
    /// A user.
    UserId(u32);
    /// A line: what a user calls with.
    LineId(u32);
    /// A SIP endpoint: the credentials of a line.
    EndpointId(u32);
    /// A number in a context.
    ExtensionId(u32);
    /// A context.
    ContextId(u32);
    /// A site.
    SiteId(u32);
    /// A media server.
    MediaServerId(u32);
    /// An administrator account.
    AdministratorId(u32);
    /// A trunk.
    TrunkId(u32);
    /// A registration of ours at a carrier.
    RegisterId(u32);
    /// A way to the outside.
    OutcallId(u32);
    /// A way in from the outside.
    IncallId(u32);
    /// A fencing number: it grows with every change of owner and never goes back.
    Epoch(u64);
}

impl Epoch {
    /// The epoch after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A call of the cluster. Written as 26 characters of lower-case base 32.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u128);

/// A text that is not an identifier of the asked kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an identifier")
    }
}

impl std::error::Error for ParseIdError {}

pub(crate) const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const CALL_ID_CHARS: u32 = 26;

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; CALL_ID_CHARS as usize];
        for (at, byte) in text.iter_mut().enumerate() {
            let shift = 5 * (CALL_ID_CHARS - 1 - at as u32);
            *byte = BASE32[(self.0 >> shift) as usize & 31];
        }
        f.write_str(std::str::from_utf8(&text).expect("base 32 is ASCII"))
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CallId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.len() != CALL_ID_CHARS as usize {
            return Err(ParseIdError);
        }
        let mut value = 0u128;
        for (at, byte) in text.bytes().enumerate() {
            let digit = BASE32.iter().position(|c| *c == byte).ok_or(ParseIdError)?;
            // 26 characters hold 130 bits: the first one has only three to give.
            if at == 0 && digit > 7 {
                return Err(ParseIdError);
            }
            value = value << 5 | digit as u128;
        }
        Ok(Self(value))
    }
}

impl Serialize for CallId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0.to_be_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = CallId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a call id")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<CallId, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<CallId, E> {
                let bytes = bytes
                    .try_into()
                    .map_err(|_| E::custom("a call id has 16 octets"))?;
                Ok(CallId(u128::from_be_bytes(bytes)))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_bytes(Visitor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_reads_back_what_it_wrote() {
        for value in [
            0,
            1,
            31,
            32,
            u128::MAX,
            0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        ] {
            let id = CallId(value);
            assert_eq!(id.to_string().len(), 26);
            assert_eq!(id.to_string().parse(), Ok(id));
            let packed = rmp_serde::to_vec_named(&id).unwrap();
            assert_eq!(rmp_serde::from_slice::<CallId>(&packed).unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<CallId>(&json).unwrap(), id);
        }
    }

    #[test]
    fn a_text_of_130_bits_is_no_call_id() {
        assert_eq!(
            "iaaaaaaaaaaaaaaaaaaaaaaaaa".parse::<CallId>(),
            Err(ParseIdError)
        );
        assert_eq!("short".parse::<CallId>(), Err(ParseIdError));
        assert_eq!(
            "AAAAAAAAAAAAAAAAAAAAAAAAAA".parse::<CallId>(),
            Err(ParseIdError)
        );
    }
}
