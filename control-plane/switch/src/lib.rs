//! The SIP brain of one control node, as a value.
//!
//! A [`Switch`] takes messages, the replicated state and what media servers say; it registers phones, decides who may
//! call whom, owns calls, and says what is to be sent, proposed and relayed. Outputs are to be done in their order:
//! what must not happen before a commit is not put out before it.
//!
//! It does not know sockets, names that must be looked up, consensus, disks or time: a shell waits for all of them and
//! hands them in, and the simulation runs a whole cluster of switches in one thread.

#![forbid(unsafe_code)]

mod admission;
mod answer;
mod calls;
mod commit;
mod config;
mod counters;
mod floating;
mod gather;
mod heirs;
mod identify;
mod input;
mod inside;
mod leave;
mod media;
mod memory;
mod moves;
mod offenders;
mod perform;
mod proposals;
mod qualify;
mod reach;
mod receive;
mod records;
mod registrar;
mod relocate;
mod route;
mod switch;
mod tenure;
mod trunk;
mod waiting;

pub use commit::{COMMIT_LIMIT_MS, UNPROTECTED_AFTER_MS};
pub use config::{Config, Limits, Registrar};
pub use counters::{Counters, Load, RequestClass};
pub use floating::Holding;
pub use gather::BATCH_INTERVAL_MS;
pub use identify::Distrust;
pub use input::{Input, Notice, Output, ProposalFailure};
pub use moves::Leaving;
pub use offenders::{FAILURES_PER_MINUTE, FIRST_BLOCK_MS, LONGEST_BLOCK_MS};
pub use registrar::{LOCAL_AFTER_MS, LOCAL_BINDING_MS};
pub use switch::Switch;
pub use tenure::{DOUBT_LIMIT_MS, LEASE_TTL_MS, RENEW_INTERVAL_MS};
pub use trunk::{Server, ServerWay};
pub use waiting::HEIR_LIMIT_MS;
