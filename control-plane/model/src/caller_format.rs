//! How numbers of callers are written for a carrier.

/// Digits of a number at home, at least: shorter ones are numbers inside.
const NATIONAL_DIGITS_MIN: usize = 7;
/// What stands before a number in another country where `+` does not.
const INTERNATIONAL_PREFIX: &str = "00";

/// How a trunk's carrier wants numbers of callers (`outgoing_caller_id_format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerFormat {
    /// `+33390000101`.
    #[default]
    PlusE164,
    /// `33390000101`.
    E164,
    /// `0390000101`, and `00` before numbers of other countries.
    National,
}

/// What makes a number at home one that is unique in the world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    /// The country's calling code (`country_code`), as `33`. Nothing: numbers at home stay as they are.
    pub country_code: Option<String>,
    /// What stands before a number at home (`national_prefix`), as `0`; in some countries nothing.
    pub national_prefix: String,
}

impl CallerFormat {
    /// The names by which they are configured.
    pub const NAMES: [&str; 3] = ["+E164", "E164", "national"];

    /// Reads a name; an unknown one counts as the first.
    pub fn named(name: &str) -> Self {
        match name {
            "E164" => Self::E164,
            "national" => Self::National,
            _ => Self::PlusE164,
        }
    }

    /// A number as the carrier wants it. What is no number of the world, as one inside is, stays as it is.
    pub fn written(self, number: &str, numbering: &Numbering) -> String {
        let Some(worldwide) = numbering.worldwide(number) else {
            return number.to_owned();
        };
        match self {
            Self::PlusE164 => format!("+{worldwide}"),
            Self::E164 => worldwide,
            Self::National => {
                let home = numbering.country_code.as_deref();
                match home.and_then(|code| worldwide.strip_prefix(code)) {
                    Some(rest) => format!("{}{rest}", numbering.national_prefix),
                    None => format!("{INTERNATIONAL_PREFIX}{worldwide}"),
                }
            }
        }
    }
}

impl Numbering {
    /// The digits of a number behind its `+`.
    fn worldwide(&self, number: &str) -> Option<String> {
        let digits = number.strip_prefix('+').unwrap_or(number);
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        if digits.len() < number.len() {
            return Some(digits.to_owned());
        }
        if let Some(rest) = digits.strip_prefix(INTERNATIONAL_PREFIX) {
            return (rest.len() >= NATIONAL_DIGITS_MIN).then(|| rest.to_owned());
        }
        let home = digits.strip_prefix(self.national_prefix.as_str())?;
        let code = self.country_code.as_deref()?;
        (home.len() >= NATIONAL_DIGITS_MIN).then(|| format!("{code}{home}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn france() -> Numbering {
        Numbering {
            country_code: Some("33".to_owned()),
            national_prefix: "0".to_owned(),
        }
    }

    fn all(number: &str, numbering: &Numbering) -> [String; 3] {
        CallerFormat::NAMES.map(|name| CallerFormat::named(name).written(number, numbering))
    }

    #[test]
    fn a_number_at_home_is_written_in_three_ways() {
        for number in ["0390000101", "+33390000101", "0033390000101"] {
            assert_eq!(
                all(number, &france()),
                ["+33390000101", "33390000101", "0390000101"],
                "{number}"
            );
        }
    }

    #[test]
    fn a_number_of_another_country_keeps_its_country() {
        assert_eq!(
            all("+498912345678", &france()),
            ["+498912345678", "498912345678", "00498912345678"]
        );
    }

    #[test]
    fn numbers_inside_and_names_stay_as_they_are() {
        for number in ["1001", "0101", "", "alice", "+", "00", "*97", "00123"] {
            assert_eq!(all(number, &france()), [number; 3], "{number}");
        }
    }

    #[test]
    fn a_country_may_have_no_prefix() {
        let spain = Numbering {
            country_code: Some("34".to_owned()),
            national_prefix: String::new(),
        };
        assert_eq!(
            all("912345678", &spain),
            ["+34912345678", "34912345678", "912345678"]
        );
        assert_eq!(all("1001", &spain), ["1001"; 3]);
    }

    #[test]
    fn without_a_country_only_what_says_its_country_is_rewritten() {
        let nowhere = Numbering::default();
        assert_eq!(all("0390000101", &nowhere), ["0390000101"; 3]);
        assert_eq!(
            all("+33390000101", &nowhere),
            ["+33390000101", "33390000101", "0033390000101"]
        );
    }
}
