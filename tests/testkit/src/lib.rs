//! What the tests of the whole product stand on: a lab that ends with its test, phones of three makes, load by SIPp, a
//! judge of what was heard, and a client of the REST interface.
//!
//! Everything here looks at Carillon from outside, over sockets and files. It knows nothing of its inside, except that
//! the scripted phone reads and writes messages with `carillon-sip`.

pub mod api;
pub mod carrier;
pub mod collector;
mod freshness;
pub mod hearing;
mod http;
pub mod lab;
mod net;
pub mod phone;
pub mod sentence;
pub mod sipp;
pub mod softphone;
pub mod wait;
pub mod waveform;

pub use api::Api;
pub use carrier::Carrier;
pub use collector::Collector;
pub use lab::{LabOptions, TestLab};
pub use phone::{Account, Phone};
pub use wait::eventually;
