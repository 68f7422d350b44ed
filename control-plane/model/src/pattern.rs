//! Patterns of numbers, as the dialplans of other systems write them: `_0XXXXXXXXX`, `_00.`.

/// Whether a number is a pattern rather than one number.
pub(crate) fn is_pattern(exten: &str) -> bool {
    exten.starts_with('_')
}

/// Part of a pattern.
enum Part {
    /// One of these characters.
    One(Vec<char>),
    /// One or more of any.
    Rest,
    /// Any or none.
    RestOrNothing,
}

/// Why a text is no pattern.
pub(crate) fn check(exten: &str) -> Result<(), &'static str> {
    let parts = parts(exten)?;
    if parts.is_empty() {
        return Err("is a pattern without anything in it");
    }
    Ok(())
}

/// How well a pattern fits a number: the smaller, the more particular it is. Nothing where it does not fit.
pub(crate) fn fits(exten: &str, number: &str) -> Option<Vec<usize>> {
    if !is_pattern(exten) {
        return (exten == number).then(Vec::new);
    }
    let mut left = number.chars();
    let mut rank = Vec::new();
    for part in parts(exten).ok()? {
        match part {
            Part::One(set) => {
                let digit = left.next()?;
                set.contains(&digit).then_some(())?;
                rank.push(set.len());
            }
            Part::Rest => {
                left.next()?;
                rank.push(100);
                return Some(rank);
            }
            Part::RestOrNothing => {
                rank.push(200);
                return Some(rank);
            }
        }
    }
    left.next().is_none().then_some(rank)
}

fn parts(exten: &str) -> Result<Vec<Part>, &'static str> {
    const UNKNOWN: &str = "may have digits, '*', '#', '+', X (0-9), Z (1-9), N (2-9), [sets] and a last '.' or '!' only";
    let mut parts = Vec::new();
    let mut rest = exten.strip_prefix('_').unwrap_or(exten).chars();
    while let Some(c) = rest.next() {
        if matches!(parts.last(), Some(Part::Rest | Part::RestOrNothing)) {
            return Err("has something after '.' or '!', which stand for all that follows");
        }
        parts.push(match c {
            '0'..='9' | '*' | '#' | '+' => Part::One(vec![c]),
            'X' | 'x' => Part::One(('0'..='9').collect()),
            'Z' | 'z' => Part::One(('1'..='9').collect()),
            'N' | 'n' => Part::One(('2'..='9').collect()),
            '.' => Part::Rest,
            '!' => Part::RestOrNothing,
            '[' => Part::One(set(&mut rest)?),
            _ => return Err(UNKNOWN),
        });
    }
    Ok(parts)
}

/// The characters up to `]`; `a-b` are all between them.
fn set(rest: &mut std::str::Chars<'_>) -> Result<Vec<char>, &'static str> {
    const WRONG: &str = "has a [set] that is empty, not closed, or not of digits";
    let mut set = Vec::new();
    let mut range = false;
    for c in rest {
        match c {
            ']' if !set.is_empty() && !range => return Ok(set),
            '-' if !set.is_empty() && !range => range = true,
            '0'..='9' | '*' | '#' => {
                if range {
                    let from = set.pop().ok_or(WRONG)?;
                    if from > c {
                        return Err(WRONG);
                    }
                    set.extend(from..=c);
                    range = false;
                } else {
                    set.push(c);
                }
            }
            _ => return Err(WRONG),
        }
    }
    Err(WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_what_dialplans_say_it_fits() {
        for (pattern, number, expected) in [
            ("_0XXXXXXXXX", "0390000000", true),
            ("_0XXXXXXXXX", "039000000", false),
            ("_0XXXXXXXXX", "03900000001", false),
            ("_00.", "00491", true),
            ("_00.", "00", false),
            ("_00!", "00", true),
            ("_[1-3#]N", "29", true),
            ("_[1-3#]N", "#2", true),
            ("_[1-3#]N", "41", false),
            ("_Z", "0", false),
            ("112", "112", true),
            ("112", "113", false),
        ] {
            assert_eq!(
                fits(pattern, number).is_some(),
                expected,
                "{pattern} {number}"
            );
        }
    }

    #[test]
    fn the_more_particular_pattern_ranks_before_the_wider_one() {
        let rank = |pattern| fits(pattern, "0033123").unwrap();
        assert!(rank("_0033XXX") < rank("_00XXXXX"));
        assert!(rank("_00XXXXX") < rank("_0."));
        assert!(rank("_0.") < rank("_0!"));
        assert!(rank("_0.") < rank("_X."));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["_", "_0.1", "_[", "_[]", "_[9-1]", "_0a", "_[1-]"] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
