//! Ages and moments.

use jiff::Timestamp;

/// A duration in the largest unit that fits: `42 s`, `7 min`, `3 h`, `9 d`.
pub(crate) fn seconds_words(seconds: i64) -> String {
    plumb_app::views::convert::duration_words(seconds)
}

/// How long ago a moment was; a moment ahead of us says so.
pub(crate) fn age(now_ms: i64, at_ms: i64) -> String {
    let seconds = (now_ms - at_ms) / 1_000;
    if seconds < 0 { format!("in {}", seconds_words(-seconds)) } else { seconds_words(seconds) }
}

/// An age, or a dash where there is none.
pub(crate) fn age_or_dash(now_ms: i64, at_ms: Option<i64>) -> String {
    at_ms.map_or_else(|| "-".to_owned(), |at_ms| age(now_ms, at_ms))
}

/// A moment in UTC, to the second.
pub(crate) fn moment(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(|_| "-".to_owned(), |at| format!("{at:.0}"))
}

/// Reads `90s`, `30m`, `24h` or `7d`; a bare number means seconds.
pub(crate) fn parse_seconds(text: &str) -> Result<u32, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        unit => return Err(format!("{unit:?} is no unit of time; use s, m, h or d")),
    };
    let count: u32 = digits.parse().map_err(|_| format!("{text:?} is not a length of time"))?;
    count.checked_mul(factor).ok_or_else(|| format!("{text:?} is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(parse_seconds("30m"), Ok(1_800));
        assert_eq!(parse_seconds("24h"), Ok(86_400));
        assert_eq!(parse_seconds("45"), Ok(45));
        assert!(parse_seconds("3 fortnights").is_err());
        assert!(parse_seconds("99999999d").is_err());
        assert!(parse_seconds("m").is_err());
    }

    #[test]
    fn a_moment_ahead_of_us_says_so() {
        assert_eq!(age(10_000, 3_000), "7 s");
        assert_eq!(age(0, 90_000), "in 90 s");
    }
}
