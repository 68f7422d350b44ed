//! `carillon lab …`: a whole cluster on one machine, as separate processes, with ways to hurt it.
//!
//! The lab starts `carillon node --config …` once for each machine of the cluster, on loopback addresses or in network
//! namespaces, and remembers them in `lab.json`. It knows nothing of what a node does: it sees a command line, a folder,
//! an address, and whether `/ready` answers.

mod command;
mod cut;
mod description;
mod exec;
mod fault;
mod namespace;
mod node;
mod place;
mod process;
mod ready;
mod rootless;
mod up;

pub use command::{Command, run};
pub use description::{Admin, Control, Lab, Media, Phone};
