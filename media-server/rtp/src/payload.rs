//! Payload types that mean something without an `a=rtpmap` (RFC 3551 §6).

/// The encoding name and clock rate of a static payload type.
#[must_use]
pub const fn fixed(payload_type: u8) -> Option<(&'static str, u32)> {
    Some(match payload_type {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        4 => ("G723", 8000),
        5 => ("DVI4", 8000),
        6 => ("DVI4", 16_000),
        7 => ("LPC", 8000),
        8 => ("PCMA", 8000),
        // 16 kHz of sound, but the timestamp counts 8000 a second (RFC 3551 §4.5.2).
        9 => ("G722", 8000),
        10 | 11 => ("L16", 44_100),
        12 => ("QCELP", 8000),
        13 => ("CN", 8000),
        14 => ("MPA", 90_000),
        15 => ("G728", 8000),
        16 => ("DVI4", 11_025),
        17 => ("DVI4", 22_050),
        18 => ("G729", 8000),
        25 | 26 | 28 | 31 | 32 | 34 => ("video", 90_000),
        33 => ("MP2T", 90_000),
        _ => return None,
    })
}
