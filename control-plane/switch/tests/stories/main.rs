//! A whole office in one thread: several switches, one replicated state, pretended media servers, scripted phones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a story that cannot be told has failed"
)]

mod alone;
mod answers;
mod calls;
mod carrier;
mod commits;
mod floating;
mod furnish;
mod gap;
mod habits;
mod leave;
mod limits;
mod machines;
mod media;
mod moves;
mod nodes;
mod office;
mod phone;
mod properties;
mod qualify;
mod registrar;
mod server;
mod takeover;
mod trunk_calls;
mod trunks;
