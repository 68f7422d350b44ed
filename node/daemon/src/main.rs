//! The program `carillon`: reads what it is told, builds the roles of a node, waits, drains, stops.
//!
//! The only crate that sees all the others. It decides nothing about calls, configuration or
//! media: it puts together those who do.

mod announce;
mod bootstrap;
mod cli;
mod config;
mod control;
mod data;
mod exit;
mod greeting;
mod media;
mod names;
mod node;
mod plane;
mod ports;
mod store;

use std::process::ExitCode;

/// A node allocates and frees from many threads all day; this allocator does it in fewer cycles than glibc's, and gives
/// back what a burst, or the hash of a password, has taken.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
