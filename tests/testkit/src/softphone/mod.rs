//! Real phones of other makers, from Debian, each on a host of its own: baresip and linphonec.

mod baresip;
mod linphone;
mod trace;

pub use baresip::{Baresip, BaresipOptions, Codec};
pub use linphone::Linphone;
pub use trace::Sighting;
