//! Real processes, real sockets, real phones. One program, so that it is linked once; `cargo xtask test --only integration`.

mod bad_input;
mod cluster;
mod credentials;
mod floating;
mod hold;
mod load;
mod media;
mod outcomes;
mod partitions;
mod power_cut;
mod real_phones;
mod ringing;
mod sentences;
mod single_box;
mod sipp_takeover;
mod takeover;
mod torture;
mod traces;
mod trunks;
mod trunks_over_streams;
mod without_quorum;
