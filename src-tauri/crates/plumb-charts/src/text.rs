//! Words and numbers as pictures show them.

use jiff::{Timestamp, fmt::strtime, tz::TimeZone};

/// Text of a node as XML may hold it: XML 1.0 has no way to write a control character.
pub(crate) fn printable(text: &str) -> String {
    let forbidden = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if forbidden(c) { '\u{fffd}' } else { c }).collect()
}

/// At most `characters_max` characters, the last an ellipsis when something is missing.
pub(crate) fn shortened(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(characters_max.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A count with thousands apart: `1,144`.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share of a whole to a tenth of a percent, never zero for something.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    let tenths = (part * 1_000 + whole / 2) / whole.max(1);
    match tenths {
        0 if part > 0 => "under 0.1 %".to_owned(),
        1_000 if part < whole => "over 99.9 %".to_owned(),
        tenths if tenths.is_multiple_of(10) => format!("{} %", tenths / 10),
        tenths => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// A noun with its number: `1 node`, `2 nodes`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Seconds in the unit a person would choose.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A moment in UTC; the day is named where the span is longer than one.
pub(crate) fn moment(at: Timestamp, span_s: i64) -> String {
    let format = match span_s {
        ..=600 => "%H:%M:%S",
        601..=86_400 => "%H:%M",
        86_401..=604_800 => "%d %b %H:%M",
        _ => "%d %b",
    };
    printed(format, at)
}

/// A moment in UTC, whole.
pub(crate) fn full_moment(at: Timestamp) -> String {
    printed("%Y-%m-%d %H:%M UTC", at)
}

fn printed(format: &str, at: Timestamp) -> String {
    strtime::format(format, &at.to_zoned(TimeZone::UTC)).expect("a constant format always prints")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 999, 1_144, 1_000_000].map(count).join(" "), "0 999 1,144 1,000,000");
        let shares = [(1, 3), (1, 2), (1, 10_000), (9_999, 10_000), (0, 5), (5, 5)];
        assert_eq!(
            shares.map(|(part, whole)| percent(part, whole)).join(", "),
            "33.3 %, 50 %, under 0.1 %, over 99.9 %, 0 %, 100 %"
        );
        assert_eq!([59, 900, 7_200, 259_200].map(duration).join(", "), "59 s, 15 min, 2 h, 3 d");
    }

    #[test]
    fn text_of_a_node_cannot_leave_its_place() {
        assert_eq!(printable("a\u{0}b\nc\u{1b}[2J"), "a\u{fffd}b\u{fffd}c\u{fffd}[2J");
        assert_eq!(shortened("2.0.0-rc1", 5), "2.0.…");
        assert_eq!(shortened("2.0.0", 5), "2.0.0");
    }
}
