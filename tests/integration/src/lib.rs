//! Stories about a whole cluster: real processes, real sockets, phones of several makers. Each file of `tests` is one
//! promise of the product. This library is what several stories share; it knows nothing of Carillon's inside.

mod records;
mod talk;

pub use records::{Record, only_record, records};
pub use talk::{ALICE, BOB, CAROL, Talk, Two};
