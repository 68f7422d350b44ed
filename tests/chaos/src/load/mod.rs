//! What goes on all the time: calls that stand, calls that come, writes.

mod couple;
mod party;
mod standing;
mod visitors;
mod voice;
mod writer;

pub(crate) use couple::{Couple, Failure, Who};
pub(crate) use party::{Answer, Ended};
pub(crate) use standing::{Order, Report, Standing};
pub(crate) use visitors::{Attempt, Visitors};
pub(crate) use writer::{Write, Writers};
