//! Feeds mutated messages, session descriptions or streams to the readers and says whether one
//! panics or reads back something else than it wrote.
//!
//! `cargo run -p carillon-sip --example fuzz -- message|sdp|framing [SECONDS] [SEED]`
//!
//! Ends with 0 when nothing was found, 1 when something was (the input is printed, and the same
//! seed finds it again), 64 when it was called wrongly.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program around the pure crate: it reads files and the clock"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carillon_sip::framing::{Frame, Framer};
use carillon_sip::sdp::{
    LocalOrigin, MediaAddress, SessionDescription, check_answer, common_codecs,
};
use carillon_sip::{Framing, Message, NameAddr, Uri, Via, limits, validate};

/// Octets that a mutated input grows to at most, to reach every limit and no further.
const INPUT_OCTETS: usize = 2 * limits::MESSAGE_OCTETS;

/// Longer than any input may take, however busy the machine is.
const SLOW_MS: u128 = 2_000;

/// Words that mean something to one of the readers.
const WORDS: [&str; 64] = [
    "\r\n",
    "\r\n ",
    "\r\n\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "\"",
    "\\",
    "\\\"",
    "<",
    ">",
    "<sip:",
    ";",
    ";;",
    ",",
    ":",
    "::",
    "[",
    "]",
    "@",
    "?",
    "&",
    "=",
    "%",
    "%00",
    "%zz",
    "*",
    "/",
    "SIP/2.0",
    "SIP/2.0/UDP ",
    ";branch=z9hG4bK",
    ";tag=",
    ";lr",
    ";rport",
    ";received=",
    ";expires=",
    ";q=0.5",
    "+sip.instance=\"<urn:uuid:",
    "Via: ",
    "v:",
    "From: ",
    "To: ",
    "Contact: *",
    "m: ",
    "CSeq: 1 INVITE",
    "Content-Length: ",
    "l:0",
    "Route: ",
    "sip:",
    "tel:+1",
    "INVITE ",
    "ACK ",
    "0",
    "-1",
    "4294967296",
    "99999999999999999999",
    "\0",
    "\u{e9}",
    "m=audio 1 RTP/AVP 0\r\n",
    "a=rtpmap:0 x/8000\r\n",
    "c=IN IP6 ::1\r\n",
    "a=rtcp:9 IN IP4 0.0.0.0\r\n",
    "v=0\r\n",
];

/// A small generator of our own, so that a seed means the same for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("below a usize")
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn range(&mut self, length: usize, longest: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let end = (start + self.below(longest + 1)).min(length);
        start..end
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let target = arguments
        .first()
        .map(String::as_str)
        .and_then(Target::named);
    let number = |place: usize, default: u64| match arguments.get(place) {
        Some(text) => text.parse().ok(),
        None => Some(default),
    };
    let (Some(target), Some(seconds), Some(seed)) = (target, number(1, 10), number(2, 1)) else {
        eprintln!("usage: fuzz message|sdp|framing [SECONDS] [SEED]");
        std::process::exit(64);
    };
    let corpus = corpus(&arguments[0]);
    let mut random = Random(seed);
    let started = Instant::now();
    let mut inputs = 0u64;
    std::panic::set_hook(Box::new(|_| {}));
    while started.elapsed() < Duration::from_secs(seconds) {
        let input = mutated(&corpus, &mut random);
        inputs += 1;
        if let Err(what) = survives(target, &input) {
            report(&arguments[0], seed, inputs, &what, &input);
            std::process::exit(1);
        }
    }
    println!(
        "fuzz {}: seed {seed}, {inputs} inputs in {seconds} s, nothing found",
        arguments[0]
    );
}

fn report(target: &str, seed: u64, inputs: u64, what: &str, input: &Bytes) {
    let what: String = what.chars().take(500).collect();
    println!("fuzz {target}: seed {seed}, input {inputs}: {what}");
    let file = std::env::temp_dir().join(format!("carillon-fuzz-{target}-{seed}.input"));
    match std::fs::write(&file, input) {
        Ok(()) => println!(
            "the input, {} octets, is in {}",
            input.len(),
            file.display()
        ),
        Err(error) => println!("the input could not be kept: {error}"),
    }
    println!("{}", input[..input.len().min(4096)].escape_ascii());
}

fn survives(target: Target, input: &Bytes) -> Result<(), String> {
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| target.run(input)));
    let took_ms = started.elapsed().as_millis();
    if took_ms > SLOW_MS {
        return Err(format!("took {took_ms} ms"));
    }
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

#[derive(Clone, Copy)]
enum Target {
    Message,
    Sdp,
    Framing,
}

impl Target {
    fn named(name: &str) -> Option<Self> {
        match name {
            "message" => Some(Self::Message),
            "sdp" => Some(Self::Sdp),
            "framing" => Some(Self::Framing),
            _ => None,
        }
    }

    fn run(self, input: &Bytes) -> Result<(), String> {
        match self {
            Self::Message => message(input),
            Self::Sdp => sdp(input),
            Self::Framing => framing(input),
        }
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut messages = Vec::new();
    for folder in ["rfc4475", "phones", "ipv6"] {
        let entries =
            std::fs::read_dir(data.join(folder)).expect("the corpus is in the repository");
        let mut paths: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        paths.retain(|path| {
            path.extension()
                .is_some_and(|end| end == "dat" || end == "sip")
        });
        paths.sort();
        messages.extend(
            paths
                .iter()
                .map(|path| std::fs::read(path).expect("a file just listed")),
        );
    }
    if target == "sdp" {
        messages.retain(|octets| find(octets, b"\r\n\r\nv=0").is_some());
        for octets in &mut messages {
            let body = find(octets, b"\r\n\r\nv=0").expect("only these were kept");
            octets.drain(..body + 4);
        }
    }
    messages
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Bytes {
    let mut octets = random.pick(corpus).clone();
    for _ in 0..=random.below(8) {
        let word = random.pick(&WORDS).as_bytes();
        let place = random.below(octets.len() + 1);
        match random.below(10) {
            0 => {
                octets.splice(place..place, word.iter().copied());
            }
            1 => {
                let range = random.range(octets.len(), 12);
                octets.splice(range, word.iter().copied());
            }
            2 => {
                let range = random.range(octets.len(), 80);
                octets.drain(range);
            }
            3 => {
                let part = octets[random.range(octets.len(), 80)].to_vec();
                octets.splice(place..place, part);
            }
            4 => {
                if let Some(octet) = octets.get_mut(place) {
                    *octet = random.next().to_le_bytes()[0];
                }
            }
            5 => octets.truncate(place),
            6 => mutate_lines(&mut octets, corpus, random),
            7 => {
                let times = 1 << random.below(13);
                let grown: Vec<u8> = word.repeat(times);
                octets.splice(place..place, grown);
            }
            8 => {
                let other = random.pick(corpus);
                let from = random.below(other.len());
                octets.truncate(place);
                octets.extend_from_slice(&other[from..]);
            }
            _ => mutate_number(&mut octets, random),
        }
        octets.truncate(INPUT_OCTETS);
    }
    octets.into()
}

/// Doubles, drops, swaps lines, or takes one from another message.
fn mutate_lines(octets: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = octets.split(|&o| o == b'\n').map(<[u8]>::to_vec).collect();
    let (one, two) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(4) {
        0 => {
            let line = lines[one].clone();
            let times = 1 << random.below(9);
            lines.splice(two..two, std::iter::repeat_n(line, times));
        }
        1 => drop(lines.remove(one)),
        2 => lines.swap(one, two),
        _ => {
            let other = random.pick(corpus);
            let others: Vec<&[u8]> = other.split(|&o| o == b'\n').collect();
            lines[one] = random.pick(&others).to_vec();
        }
    }
    *octets = lines.join(&b'\n');
}

fn mutate_number(octets: &mut Vec<u8>, random: &mut Random) {
    let digits: Vec<usize> = (0..octets.len())
        .filter(|&at| octets[at].is_ascii_digit())
        .collect();
    if digits.is_empty() {
        return;
    }
    let at = *random.pick(&digits);
    let end = at
        + octets[at..]
            .iter()
            .take_while(|o| o.is_ascii_digit())
            .count();
    let numbers = [
        "0",
        "00001",
        "255",
        "256",
        "65535",
        "65536",
        "2147483648",
        "4294967296",
        "-7",
    ];
    let number = random.pick(&numbers).as_bytes().to_vec();
    octets.splice(at..end, number);
}

fn same<T: PartialEq, E: std::fmt::Display>(
    what: &str,
    one: &T,
    two: Result<T, E>,
) -> Result<(), String> {
    match two {
        Ok(two) if two == *one => Ok(()),
        Ok(_) => Err(format!("{what} is read back as another")),
        Err(error) => Err(format!("{what} is not read back: {error}")),
    }
}

fn message(input: &Bytes) -> Result<(), String> {
    for framing in [Framing::Datagram, Framing::Stream] {
        match Message::parse(input, framing) {
            Ok(message) => look_at(&message)?,
            Err(error) => {
                if let Some(response) = error.response() {
                    let again = Message::parse(&response.to_bytes(), Framing::Stream);
                    same("a refusal", &response, again)?;
                }
            }
        }
    }
    Ok(())
}

fn look_at(message: &Message) -> Result<(), String> {
    let written = message.to_bytes();
    if written.len() <= limits::MESSAGE_OCTETS {
        same(
            "a message",
            message,
            Message::parse(&written, Framing::Stream),
        )?;
    }
    let refusal = validate(message);
    for address in [message.from(), message.to()].into_iter().flatten() {
        same("an address", &address, NameAddr::parse(&address.to_bytes()))?;
        look_at_uri(&address.uri)?;
    }
    for via in message.vias().flatten() {
        same("a Via", &via, Via::parse(&via.to_bytes()))?;
        let mut noted = via;
        noted.note_source(([192, 0, 2, 1], 5060).into());
        let _ = (noted.response_target(), noted.received(), noted.rport());
    }
    let _ = (
        message.contacts(),
        message.routes(),
        message.record_routes(),
        message.cseq(),
    );
    let _ = (
        message.expires(),
        message.retry_after(),
        message.has_sdp(),
        message.require().count(),
    );
    if let Some(uri) = message.uri() {
        look_at_uri(uri)?;
    }
    if let Err(refusal) = refusal {
        let response = refusal.respond(message);
        // A request at the limit leaves no room for the headers of a refusal.
        if response.headers.len() <= limits::HEADERS {
            same(
                "a refusal",
                &response,
                Message::parse(&response.to_bytes(), Framing::Stream),
            )?;
        }
    }
    if message.body.is_empty() {
        Ok(())
    } else {
        sdp(&message.body)
    }
}

fn look_at_uri(uri: &Uri) -> Result<(), String> {
    if !uri.matches(uri) {
        return Err(format!("{uri:?} does not match itself"));
    }
    let changed = uri
        .with_param("transport", Some("tcp"))
        .without_param("lr")
        .without_headers();
    let _ = (changed.host(), changed.user_unescaped(), changed.password());
    same("a URI", &changed, Uri::parse(changed.as_octets()))
}

fn sdp(input: &Bytes) -> Result<(), String> {
    let Ok(sdp) = SessionDescription::parse(input) else {
        return Ok(());
    };
    same(
        "a description",
        &sdp,
        SessionDescription::parse(&sdp.to_bytes()),
    )?;
    if sdp.media.len() > limits::SDP_MEDIA {
        return Err("more media than the limit".to_owned());
    }
    for media in &sdp.media {
        let _ = (
            sdp.rtp_address(media),
            sdp.rtcp_address(media),
            sdp.is_hold(media),
        );
        let _ = (common_codecs(media, media), media.ptime_ms());
    }
    let _ = check_answer(&sdp, &sdp);
    let server = MediaAddress {
        rtp: ([192, 0, 2, 1], 10000).into(),
        rtcp: ([192, 0, 2, 1], 10001).into(),
    };
    let origin = LocalOrigin {
        session_id: 1,
        version: 1,
        address: server.rtp.ip(),
    };
    let relayed = sdp.relayed(origin, &vec![Some(server); sdp.media.len()]);
    same(
        "a relayed description",
        &relayed,
        SessionDescription::parse(&relayed.to_bytes()),
    )?;
    for (offered, relayed) in sdp.media.iter().zip(&relayed.media) {
        if offered.port != 0 && relayed.port != server.rtp.port() {
            return Err("a section is not relayed to the media server".to_owned());
        }
    }
    Ok(())
}

fn framing(input: &Bytes) -> Result<(), String> {
    let whole = frames(input, usize::MAX)?;
    let pieces = frames(input, 1 + input.len() % 97)?;
    // A ping that comes in two pieces is seen as a pong and a ping; only messages must agree.
    let messages = |frames: Vec<Frame>| -> Vec<Frame> {
        frames
            .into_iter()
            .filter(|frame| matches!(frame, Frame::Message(_)))
            .collect()
    };
    if messages(whole) != messages(pieces) {
        return Err("frames depend on how the stream arrives".to_owned());
    }
    Ok(())
}

fn frames(input: &Bytes, piece: usize) -> Result<Vec<Frame>, String> {
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    for piece in input.chunks(piece.min(limits::MESSAGE_OCTETS)) {
        if framer.push(piece).is_err() {
            return Ok(frames);
        }
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return Ok(frames),
            }
        }
        if framer.waiting() > limits::MESSAGE_OCTETS {
            return Err("more is waiting than a message".to_owned());
        }
    }
    for frame in &frames {
        if let Frame::Message(octets) = frame {
            let _ = Message::parse(octets, Framing::Stream);
        }
    }
    Ok(frames)
}
