//! Field types that accept what nodes were seen to send instead of what is documented.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

/// A number, or a number in quotes (OPA writes 64-bit counters so).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number(pub(crate) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("expected a number, found {value}")))
    }
}

impl Number {
    /// Milliseconds as whole microseconds; nonsense (negative, NaN, more than a year) is nothing.
    pub(crate) fn milliseconds_as_us(self) -> Option<u64> {
        whole(self.0 * 1_000.0, 3.2e13)
    }

    /// A count; nonsense is nothing.
    pub(crate) fn count(self) -> Option<u64> {
        whole(self.0, 9e15)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked, and below 2^53"
)]
fn whole(number: f64, max: f64) -> Option<u64> {
    (number >= 0.0 && number <= max).then_some(number.round() as u64)
}

/// A label: text, or a bare number that somebody forgot to quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) String);

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            other => Err(D::Error::custom(format!("expected a text, found {other}"))),
        }
    }
}

/// A moment; Go's zero time and the empty text are no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Option<Timestamp>);

impl Moment {
    /// Reads RFC 3339, also without an offset, which Python's `isoformat` leaves out for UTC-naive times.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || text.starts_with("0001-01-01") {
            return Ok(Self(None));
        }
        let zoned = text.parse::<Timestamp>();
        let read = zoned.or_else(|error| {
            let naive = text.parse::<jiff::civil::DateTime>();
            naive
                .and_then(|naive| naive.to_zoned(jiff::tz::TimeZone::UTC))
                .map(|zoned| zoned.timestamp())
                .map_err(|_| error)
        });
        read.map(|at| Self(Some(at))).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self(None)),
            Value::String(text) => Self::read(&text).map_err(D::Error::custom),
            other => Err(D::Error::custom(format!("expected a time, found {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_the_field_writes_them() {
        let check = |text: &str| {
            Moment::read(text).map(|at| at.0.map_or_else(|| "none".to_owned(), |at| at.to_string()))
        };
        assert_eq!(
            check("2026-11-21T05:35:42.539233+00:00").as_deref(),
            Ok("2026-11-21T05:35:42.539233Z")
        );
        assert_eq!(check("2026-11-21T05:35:42").as_deref(), Ok("2026-11-21T05:35:42Z"));
        assert_eq!(check("0001-01-01T00:00:00Z").as_deref(), Ok("none"));
        assert!(check("NaN").is_err());
    }

    #[test]
    fn nonsense_numbers_are_nothing() {
        assert_eq!(Number(f64::NAN).count(), None);
        assert_eq!(Number(-6.795_364_578_871_345e18).count(), None);
        assert_eq!(Number(45.23).milliseconds_as_us(), Some(45_230));
    }
}
