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
mod sentences;
mod single_box;
mod takeover;
mod torture;
mod traces;
mod trunks;
mod without_quorum;
