//! The adaptors between openraft and this crate. Only this folder names openraft's storage and network traits.

mod acknowledged;
pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod snapshot;
pub(crate) mod types;
