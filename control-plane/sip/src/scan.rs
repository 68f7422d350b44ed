//! The one tokeniser below all headers: quotes first, then angle brackets, then separators.

use bytes::Bytes;

use crate::error::Malformed;

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0usize;
    while octet < 256 {
        let b = octet as u8;
        table[octet] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
            );
        octet += 1;
    }
    table
};

/// An octet of a token (RFC 3261 §25.1).
pub(crate) fn is_token(octet: u8) -> bool {
    TOKEN[octet as usize]
}

/// Without the spaces and tabs at both ends. Values hold no line breaks: folding is undone before.
pub(crate) fn trim(mut octets: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = octets {
        octets = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = octets {
        octets = rest;
    }
    octets
}

/// The part of `whole` that `part` borrows, sharing its octets.
pub(crate) fn share(whole: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() {
        Bytes::new()
    } else {
        whole.slice_ref(part)
    }
}

/// Where the quoted string that begins at `start` ends: the index behind its closing quote.
pub(crate) fn quoted_end(octets: &[u8], start: usize) -> Result<usize, Malformed> {
    let mut at = start + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', octets.get(at..).unwrap_or_default()) {
        at += found;
        if octets[at] == b'"' {
            return Ok(at + 1);
        }
        at += 2;
    }
    Err(Malformed("quoted string does not end"))
}

/// The parts of a list, untrimmed: separators count outside quotes and angle brackets only.
pub(crate) struct Split<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

pub(crate) fn split(octets: &[u8], separator: u8) -> Split<'_> {
    Split {
        rest: Some(octets),
        separator,
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let octets = self.rest?;
        match part_end(octets, self.separator) {
            Ok(end) if end == octets.len() => {
                self.rest = None;
                Some(Ok(octets))
            }
            Ok(end) => {
                self.rest = Some(&octets[end + 1..]);
                Some(Ok(&octets[..end]))
            }
            Err(error) => {
                self.rest = None;
                Some(Err(error))
            }
        }
    }
}

fn part_end(octets: &[u8], separator: u8) -> Result<usize, Malformed> {
    let mut at = 0;
    while let Some(found) = memchr::memchr3(separator, b'"', b'<', &octets[at..]) {
        at += found;
        match octets[at] {
            b'"' => at = quoted_end(octets, at)?,
            b'<' => match memchr::memchr(b'>', &octets[at..]) {
                Some(close) => at += close + 1,
                None => return Err(Malformed("angle bracket does not close")),
            },
            _ => return Ok(at),
        }
        if at >= octets.len() {
            break;
        }
    }
    Ok(octets.len())
}

/// A decimal number of at most ten digits' worth; `None` for anything else or what does not fit.
pub(crate) fn number(octets: &[u8]) -> Option<u64> {
    if octets.is_empty() || octets.len() > 64 {
        return None;
    }
    octets.iter().try_fold(0u64, |sum, octet| {
        let digit = octet.is_ascii_digit().then(|| u64::from(octet - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// The content of a quoted string without its quotes and escapes, or the octets themselves.
pub(crate) fn unquote(octets: &[u8]) -> Vec<u8> {
    let Some(inner) = octets
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
    else {
        return octets.to_vec();
    };
    let mut plain = Vec::with_capacity(inner.len());
    let mut escaped = false;
    for &octet in inner {
        if octet == b'\\' && !escaped {
            escaped = true;
        } else {
            plain.push(octet);
            escaped = false;
        }
    }
    plain
}

/// The octets as a quoted string.
pub(crate) fn quote(octets: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(octets.len() + 2);
    quoted.push(b'"');
    for &octet in octets {
        if matches!(octet, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(if matches!(octet, b'\r' | b'\n') {
            b' '
        } else {
            octet
        });
    }
    quoted.push(b'"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<String> {
        split(text.as_bytes(), b',')
            .map(|part| String::from_utf8_lossy(trim(part.unwrap())).into_owned())
            .collect()
    }

    #[test]
    fn separators_inside_quotes_and_brackets_do_not_count() {
        assert_eq!(
            parts("a, \"b, c\" <sip:x,y@h>, d"),
            ["a", "\"b, c\" <sip:x,y@h>", "d"]
        );
        assert_eq!(parts(r#""a \", b", c"#), [r#""a \", b""#, "c"]);
        assert_eq!(
            parts(r#""ends in a backslash \\", c"#),
            [r#""ends in a backslash \\""#, "c"]
        );
        assert_eq!(parts("\"a\","), ["\"a\"", ""]);
    }

    #[test]
    fn a_quote_that_does_not_end_is_refused() {
        assert!(split(b"\"a, b", b',').next().unwrap().is_err());
        assert!(split(b"\"a\\", b',').next().unwrap().is_err());
        assert!(split(b"<a, b", b',').next().unwrap().is_err());
    }

    #[test]
    fn numbers_that_do_not_fit_are_no_numbers() {
        assert_eq!(number(b"0042"), Some(42));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b"-1"), None);
        assert_eq!(number(b""), None);
    }

    #[test]
    fn quoting_and_unquoting_are_inverse() {
        assert_eq!(quote(b"a\"b\\c"), b"\"a\\\"b\\\\c\"");
        assert_eq!(unquote(&quote(b"a\"b\\c")), b"a\"b\\c");
    }
}
