use std::borrow::Cow;

/// Undoes `%41`; what is not an escape stays.
pub(super) fn unescape(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let octets = text.as_bytes();
    let mut plain = Vec::with_capacity(octets.len());
    let mut at = 0;
    while at < octets.len() {
        match escaped(&octets[at..]) {
            Some(octet) => {
                plain.push(octet);
                at += 3;
            }
            None => {
                plain.push(octets[at]);
                at += 1;
            }
        }
    }
    Cow::Owned(plain)
}

fn escaped(octets: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = octets else {
        return None;
    };
    let digit = |o: &u8| {
        char::from(*o)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    Some(digit(high)? * 16 + digit(low)?)
}

/// Escapes everything that is not unreserved and not in `also`.
pub(super) fn escape(octets: &[u8], also: &[u8], out: &mut String) {
    for &octet in octets {
        let plain =
            octet.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&octet) || also.contains(&octet);
        if plain {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
}
