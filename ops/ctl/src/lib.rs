//! `carillon ctl …`: administration of a cluster from the command line, over REST.
//!
//! It knows the interface and nothing behind it: whatever it does, a script can do with the same requests.

mod apply;
mod client;
mod command;
mod company;
mod current;
mod export;
mod import;
mod media;
mod print;
mod show;
mod trunks;

pub use command::{Command, run};
pub use print::print_line;
