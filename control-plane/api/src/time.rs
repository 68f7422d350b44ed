//! Times as people and the interface write them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

fn timestamp(unix_ms: u64) -> Timestamp {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

/// `2026-11-20T14:37:00.123Z`.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    format!("{:.3}", timestamp(unix_ms))
}

/// `2026-11-20T14:37:00.123000`: the local form of XiVO's answers, always in UTC.
pub(crate) fn naive(unix_ms: u64) -> String {
    let utc: Zoned = timestamp(unix_ms).to_zoned(TimeZone::UTC);
    format!("{:.6}", utc.datetime())
}

/// Reads `2026-11-20T14:37:00` as UTC, or with an offset or `Z`, or a date alone.
pub(crate) fn parse(text: &str) -> Option<u64> {
    // In a query a plus that nobody escaped has become a space.
    let text = text.trim().replace(' ', "+");
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => text
            .parse::<DateTime>()
            .ok()?
            .to_zoned(TimeZone::UTC)
            .ok()?
            .timestamp(),
    };
    u64::try_from(at.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_an_offset() {
        let at = parse("2026-11-20T14:37:00").unwrap();
        assert_eq!(parse("2026-11-20T14:37:00Z"), Some(at));
        assert_eq!(parse("2026-11-20T15:37:00+01:00"), Some(at));
        assert_eq!(parse("2026-11-20T15:37:00 01:00"), Some(at));
        assert_eq!(parse("2026-11-20"), parse("2026-11-20T00:00:00"));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(rfc3339(at + 5), "2026-11-20T14:37:00.005Z");
        assert_eq!(naive(at + 5), "2026-11-20T14:37:00.005000");
    }
}
