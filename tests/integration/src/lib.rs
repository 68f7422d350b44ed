//! Stories about a whole cluster: real processes, real sockets, phones of several makers. Each file of `tests` is one
//! promise of the product. This library is what several stories share; it knows nothing of Carillon's inside.

mod calm;
mod conversation;
mod dice;
mod records;
mod ringing;
mod stage;
mod talk;
mod victims;

pub use calm::{KEPT_BY_ALLOCATOR, memory_returns};
pub use conversation::{Heard, Listener};
pub use dice::Dice;
pub use records::{Record, only_record, only_record_at, records};
pub use ringing::{Share, assert_share, kill_while_ringing};
pub use stage::{Role, Seat, Stage, assert_whole};
pub use talk::{ALICE, BOB, CAROL, Talk, Two};
pub use victims::Victims;
