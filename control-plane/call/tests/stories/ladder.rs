use carillon_protocol::SessionDescriptor;
use carillon_sip::sdp::SessionDescription;
use carillon_sip::{Message, Name, StartLine};

/// Headers that a story is about.
const TELLING: [(Name, &str); 10] = [
    (Name::Require, "Require"),
    (Name::RSeq, "RSeq"),
    (Name::RAck, "RAck"),
    (Name::SessionExpires, "Session-Expires"),
    (Name::MinSe, "Min-SE"),
    (Name::RetryAfter, "Retry-After"),
    (Name::Unsupported, "Unsupported"),
    (Name::Accept, "Accept"),
    (Name::Warning, "Warning"),
    (Name::Reason, "Reason"),
];

/// A message in one line.
pub(crate) fn summary(message: &Message) -> String {
    let cseq = message.cseq().unwrap();
    let mut line = match &message.start {
        StartLine::Request { method, .. } => format!("{method} {}", cseq.number),
        StartLine::Status { code, .. } => format!("{code} {cseq}"),
    };
    for (name, written) in TELLING {
        if let Some(value) = message.headers.text(name) {
            line.push_str(&format!(" [{written}: {value}]"));
        }
    }
    if message.has_sdp() {
        line.push_str(&format!(" {{{}}}", media(message)));
    } else if !message.body.is_empty() {
        line.push_str(&format!(
            " ({})",
            String::from_utf8_lossy(&message.body).trim()
        ));
    }
    line
}

fn media(message: &Message) -> String {
    let Ok(sdp) = SessionDescription::parse(&message.body) else {
        return String::from_utf8_lossy(&message.body).trim().to_owned();
    };
    let sections = sdp.media.iter().map(|media| {
        let formats = media
            .formats
            .iter()
            .map(|format| format.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        let host = sdp
            .connection(media)
            .map_or_else(String::new, |connection| connection.host.to_string());
        match media.port {
            0 => format!("{} refused", media.kind),
            port => format!("{host}:{port} {formats} {}", sdp.direction(media)),
        }
    });
    format!(
        "v{} {}",
        sdp.origin.version,
        sections.collect::<Vec<_>>().join(" | ")
    )
}

/// A descriptor in one line.
pub(crate) fn describe(descriptor: &SessionDescriptor) -> String {
    let terminations = descriptor.terminations.iter().map(|termination| {
        let remote = termination
            .remote
            .map_or_else(|| "?".to_owned(), |remote| remote.to_string());
        format!("{}={remote} {:?}", termination.id, termination.direction)
    });
    let links = descriptor
        .links
        .iter()
        .map(|link| format!("{}>{}", link.from, link.to));
    let watch = descriptor
        .rtp_timeout_ms
        .map_or_else(String::new, |ms| format!(" watched {ms}"));
    format!(
        "r{} {} ({}){watch}",
        descriptor.revision,
        terminations.collect::<Vec<_>>().join(", "),
        links.collect::<Vec<_>>().join(" ")
    )
}
