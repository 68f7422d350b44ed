//! Real phones of other makers, from Debian, each on a host of its own: baresip and linphonec.

mod baresip;
mod linphone;
mod make;
mod trace;

pub use baresip::{Baresip, Codec, PhoneOptions};
pub use linphone::Linphone;
pub use make::{Make, Softphone};
pub use trace::Sighting;
