//! Says how long it takes to read and write messages of phones.
//!
//! `cargo run -p carillon-sip --example speed`

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program around the pure crate: it reads files and the clock"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use carillon_sip::sdp::SessionDescription;
use carillon_sip::{Framing, Message, validate};

const ROUNDS: u32 = 100_000;

fn main() {
    for name in [
        "yealink-register",
        "yealink-invite",
        "carrier-invite",
        "baresip-200",
    ] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/phones/{name}.sip"));
        let octets = Bytes::from(std::fs::read(path).expect("the corpus is in the repository"));
        let message = Message::parse(&octets, Framing::Datagram).expect("a valid message");
        println!(
            "{name}, {} octets, {} headers",
            octets.len(),
            message.headers.len()
        );
        time("read", || {
            drop(black_box(Message::parse(
                black_box(&octets),
                Framing::Datagram,
            )))
        });
        time("validate", || {
            drop(black_box(validate(black_box(&message))))
        });
        time("key fields", || {
            black_box((message.via().ok(), message.from().ok(), message.to().ok()));
            black_box((
                message.cseq().ok(),
                message.contacts().ok(),
                message.call_id(),
            ));
        });
        time("write", || drop(black_box(message.to_bytes())));
        if message.has_sdp() {
            time("description", || {
                drop(black_box(SessionDescription::parse(&message.body)))
            });
        }
    }
}

fn time(what: &str, mut work: impl FnMut()) {
    let started = Instant::now();
    for _ in 0..ROUNDS {
        work();
    }
    let nanoseconds = started.elapsed().as_nanos() / u128::from(ROUNDS);
    println!("  {what:12} {nanoseconds:6} ns");
}
