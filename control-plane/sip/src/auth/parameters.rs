//! `scheme name=value, name="value"`: the grammar that challenges and credentials share (RFC 7235 §2.1).

/// More parameters than any phone sends.
const PARAMETER_LIMIT: usize = 32;

/// Splits off the scheme and collects the parameters with lower-case names; quoted values are unescaped.
/// Nothing on a broken list, a repeated name or another scheme than `Digest`.
pub(super) fn parse_digest(value: &[u8]) -> Option<Vec<(String, String)>> {
    let text = String::from_utf8_lossy(value);
    let (scheme, mut rest) = text.trim().split_once([' ', '\t', '\r', '\n'])?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ',']);
        if rest.is_empty() {
            return Some(parameters);
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        if name.is_empty()
            || parameters.len() == PARAMETER_LIMIT
            || parameters.iter().any(|(known, _)| *known == name)
        {
            return None;
        }
        let (value, after) = parse_value(after.trim_start())?;
        parameters.push((name, value));
        rest = after.trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

fn parse_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find([',', ' ', '\t', '\r', '\n'])
            .unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[position + 1..])),
            '\\' => value.push(characters.next()?.1),
            plain => value.push(plain),
        }
    }
    None
}

/// A value between quotes.
pub(super) fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}
