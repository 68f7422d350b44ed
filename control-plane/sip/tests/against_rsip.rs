//! What `rsip` accepts, we read with the same meaning. It refuses much that phones send, so the
//! comparison goes one way.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests read files, and fail by a panic"
)]

use std::convert::TryFrom;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use carillon_sip::{Framing, Message, Name};
use proptest::prelude::*;
use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};

/// Messages on which `rsip` is wrong, and how.
const RSIP_IS_WRONG: [(&str, &str); 10] = [
    ("baddn", "takes headers that do not end"),
    ("badinv01", "takes a Via of nothing but separators"),
    ("multi01", "takes two CSeq and picks one"),
    ("quotbal", "takes a display name whose quotes do not close"),
    ("ltgtruri", "takes a Request-URI in angle brackets"),
    ("ncl", "takes a negative Content-Length"),
    ("clerr", "takes a Content-Length larger than the datagram"),
    ("mcl01", "takes two Content-Length values"),
    ("lwsstart", "takes several blanks in the request line"),
    ("trws", "takes blanks at the end of the request line"),
];

fn corpus() -> Vec<(String, Bytes)> {
    let mut files = Vec::new();
    for folder in ["rfc4475", "phones", "ipv6"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(folder);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "dat" || extension == "sip")
            {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                files.push((name, Bytes::from(fs::read(&path).unwrap())));
            }
        }
    }
    files.sort();
    files
}

fn compare(name: &str, octets: &Bytes) -> Result<bool, String> {
    let Ok(theirs) = rsip::SipMessage::try_from(&octets[..]) else {
        return Ok(false);
    };
    if RSIP_IS_WRONG.iter().any(|(wrong, _)| *wrong == name) {
        return Ok(false);
    }
    let ours = Message::parse(octets, Framing::Datagram).map_err(|e| format!("we refuse: {e}"))?;
    let same = |what: &str, theirs: Option<String>, ours: Option<String>| match theirs {
        Some(value) if Some(&value) != ours.as_ref() => {
            Err(format!("{what}: theirs {value:?}, ours {ours:?}"))
        }
        Some(_) | None => Ok(()),
    };
    if let rsip::SipMessage::Request(request) = &theirs {
        let method = ours.method().map(|method| method.as_str().to_owned());
        same("method", Some(request.method.to_string()), method)?;
    }
    if let rsip::SipMessage::Response(response) = &theirs {
        let code: u16 = response.status_code.clone().into();
        same(
            "code",
            Some(code.to_string()),
            ours.status().map(|code| code.to_string()),
        )?;
    }
    let text = |name: Name| ours.headers.text(name).map(str::to_owned);
    let trimmed = |value: &str| Some(value.trim().to_owned());
    same(
        "Call-ID",
        theirs
            .call_id_header()
            .ok()
            .and_then(|h| trimmed(h.value())),
        text(Name::CallId),
    )?;
    if let Ok(cseq) = theirs
        .cseq_header()
        .map_err(drop)
        .and_then(|h| h.typed().map_err(drop))
    {
        let own = ours.cseq().map_err(|e| e.to_string())?;
        same(
            "CSeq",
            Some(cseq.seq.to_string()),
            Some(own.number.to_string()),
        )?;
        same(
            "CSeq method",
            Some(cseq.method.to_string()),
            Some(own.method.to_string()),
        )?;
    }
    if let Ok(from) = theirs
        .from_header()
        .map_err(drop)
        .and_then(|h| h.typed().map_err(drop))
    {
        let own = ours.from().map_err(|e| e.to_string())?;
        let tag = from.tag().map(|tag| tag.value().to_owned());
        same("From tag", tag, own.tag().map(str::to_owned))?;
        let user = from.uri.user().map(str::to_owned);
        same("From user", user, own.uri.user().map(str::to_owned))?;
    }
    if let Ok(to) = theirs
        .to_header()
        .map_err(drop)
        .and_then(|h| h.typed().map_err(drop))
    {
        let own = ours.to().map_err(|e| e.to_string())?;
        let tag = to.tag().map(|tag| tag.value().to_owned());
        same("To tag", tag, own.tag().map(str::to_owned))?;
    }
    if let Ok(via) = theirs
        .via_header()
        .map_err(drop)
        .and_then(|h| h.typed().map_err(drop))
    {
        let own = ours.via().map_err(|e| e.to_string())?;
        let branch = via.branch().map(|branch| branch.value().to_owned());
        same("branch", branch, own.branch().map(str::to_owned))?;
    }
    Ok(true)
}

#[test]
fn what_rsip_reads_we_read_alike() {
    let mut compared = 0;
    let mut wrong = Vec::new();
    for (name, octets) in corpus() {
        match compare(&name, &octets) {
            Ok(both) => compared += u32::from(both),
            Err(difference) => wrong.push(format!("{name}: {difference}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 30, "only {compared} messages were compared");
}

/// Plain messages without anything that `rsip` is known to get wrong.
fn plain() -> impl Strategy<Value = String> {
    let word = "[a-zA-Z0-9]{1,12}";
    let host = prop_oneof![
        Just("example.com".to_owned()),
        Just("192.0.2.7".to_owned()),
        "[a-z]{1,8}\\.example\\.org"
    ];
    let method = prop_oneof![
        "INVITE",
        "BYE",
        "OPTIONS",
        "REGISTER",
        "ACK",
        "CANCEL",
        "SUBSCRIBE"
    ];
    (
        method,
        word,
        host,
        1u16..,
        word,
        word,
        0u32..2_147_483_648,
        "[ -~&&[^\"\\\\]]{0,20}",
    )
        .prop_map(|(method, user, host, port, tag, branch, cseq, display)| {
            format!(
                "{method} sip:{user}@{host}:{port} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{branch};rport\r\n\
                 Max-Forwards: 70\r\n\
                 From: \"{display}\" <sip:{user}@{host}>;tag={tag}\r\n\
                 To: <sip:{user}@{host}>\r\n\
                 Call-ID: {branch}@{host}\r\n\
                 CSeq: {cseq} {method}\r\n\
                 Content-Length: 0\r\n\r\n"
            )
        })
}

proptest! {
    #[test]
    fn plain_messages_are_read_alike(text in plain()) {
        // A display name with brackets or a semicolon is one that rsip reads wrongly.
        prop_assume!(!text.contains(['<', '>', ';']) || !display(&text).contains(['<', '>', ';', ',', '=']));
        let outcome = compare("", &Bytes::from(text));
        prop_assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    }
}

fn display(text: &str) -> &str {
    text.split('"').nth(1).unwrap_or_default()
}
