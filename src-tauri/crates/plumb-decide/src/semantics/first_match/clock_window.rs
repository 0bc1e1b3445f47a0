//! Hours of the day in UTC, by minutes, both ends included.

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};

/// From a minute to a minute, over midnight when the end is before the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClockWindow {
    start_minute: i64,
    end_minute: i64,
    /// Days on which the window opens; every day when empty.
    days: Vec<Weekday>,
}

impl ClockWindow {
    /// Reads `HH:MM` texts as the field's program does, which checks no ranges.
    pub(super) fn read(start: &str, end: &str, days: Vec<Weekday>) -> Option<Self> {
        Some(Self { start_minute: minutes(start)?, end_minute: minutes(end)?, days })
    }

    /// True when both ends are times of a day.
    pub(super) fn is_within_a_day(&self) -> bool {
        let day = 0..=24 * 60;
        day.contains(&self.start_minute) && day.contains(&self.end_minute)
    }

    /// The two ends, in minutes after midnight, where they are times of a day.
    pub(super) fn ends(&self) -> [i64; 2] {
        [self.start_minute, self.end_minute]
    }

    /// The days on which it opens; empty for every day.
    pub(super) fn days(&self) -> &[Weekday] {
        &self.days
    }

    pub(super) fn contains(&self, now: Timestamp) -> bool {
        let now = now.to_zoned(TimeZone::UTC);
        let minute = i64::from(now.hour()) * 60 + i64::from(now.minute());
        let (today, yesterday) = (now.weekday(), now.weekday().previous());
        let opens = |day| self.days.is_empty() || self.days.contains(&day);
        if self.start_minute <= self.end_minute {
            return (self.start_minute..=self.end_minute).contains(&minute) && opens(today);
        }
        // After midnight the window is still that of the day on which it opened.
        (minute >= self.start_minute && opens(today))
            || (minute <= self.end_minute && opens(yesterday))
    }
}

fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let part = |text: &str| text.trim().parse::<i64>().ok().filter(|n| n.abs() < 100_000);
    Some(part(hours)? * 60 + part(minutes)?)
}

/// A day by its English name, its first three letters, or its number with Monday as 0.
pub(super) fn weekday(day: &serde_json::Value) -> Option<Weekday> {
    if let Some(number) = day.as_i64() {
        return Weekday::from_monday_zero_offset(i8::try_from(number).ok()?).ok();
    }
    let name = day.as_str()?.to_ascii_lowercase();
    let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let at = names.iter().position(|full| *full == name || full[..3] == name)?;
    Weekday::from_monday_zero_offset(i8::try_from(at).ok()?).ok()
}
