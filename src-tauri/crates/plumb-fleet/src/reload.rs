//! Reloads: who asked for one, and how long one of its size should take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who asked for a reload, where the node tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadTrigger {
    Start,
    Request,
    Sync,
    Rollback,
    Restart,
    /// A file changed.
    Watch,
    /// The node's own look at its source.
    Poll,
}

impl ReloadTrigger {
    const ALL: [Self; 7] = [
        Self::Start,
        Self::Request,
        Self::Sync,
        Self::Rollback,
        Self::Restart,
        Self::Watch,
        Self::Poll,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Request => "request",
            Self::Sync => "sync",
            Self::Rollback => "rollback",
            Self::Restart => "restart",
            Self::Watch => "watch",
            Self::Poll => "poll",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.name() == name)
    }

    /// The node did it by itself: nobody sent a request.
    pub const fn is_own(self) -> bool {
        matches!(self, Self::Start | Self::Watch | Self::Poll)
    }
}

/// A reload that takes more than so many times what is documented for its size is called out.
pub const SLOW_FACTOR: u32 = 3;

/// Bytes, policies and milliseconds as documented (R284).
const DOCUMENTED: [(f64, f64, f64); 4] =
    [(10e3, 5.0, 30.0), (100e3, 50.0, 50.0), (1e6, 500.0, 100.0), (10e6, 5_000.0, 500.0)];

/// How long a reload should take, by the bytes of the bundle where they are known, else by how many
/// policies it has; nothing where neither is known.
///
/// Between the documented sizes milliseconds grow along a straight line over the logarithm of the
/// size; below the smallest they stay, beyond the largest they grow as the size does.
pub fn expected_duration(bytes: Option<u64>, policies: u32) -> Option<Duration> {
    let size = |row: &(f64, f64, f64)| if bytes.is_some() { row.0 } else { row.1 };
    #[expect(clippy::cast_precision_loss, reason = "a size is known to a few digits")]
    let wanted = bytes.map_or(f64::from(policies), |bytes| bytes as f64);
    if wanted <= 0.0 {
        return None;
    }
    let first = &DOCUMENTED[0];
    let last = &DOCUMENTED[DOCUMENTED.len() - 1];
    let expected_ms = if wanted <= size(first) {
        first.2
    } else if wanted >= size(last) {
        last.2 * wanted / size(last)
    } else {
        let above = DOCUMENTED.iter().position(|row| size(row) >= wanted)?;
        let (low, high) = (&DOCUMENTED[above - 1], &DOCUMENTED[above]);
        let part = (wanted / size(low)).ln() / (size(high) / size(low)).ln();
        low.2 + part * (high.2 - low.2)
    };
    Some(Duration::from_secs_f64(expected_ms / 1_000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(bytes: Option<u64>, policies: u32) -> Option<u128> {
        expected_duration(bytes, policies).map(|expected| expected.as_millis())
    }

    /// R284.
    #[test]
    fn documented_sizes_take_what_is_documented() {
        for (bytes, policies, expected) in
            [(10_000, 5, 30), (100_000, 50, 50), (1_000_000, 500, 100), (10_000_000, 5_000, 500)]
        {
            assert_eq!(ms(Some(bytes), 0), Some(expected), "{bytes} bytes");
            assert_eq!(ms(None, policies), Some(expected), "{policies} policies");
        }
    }

    #[test]
    fn sizes_between_and_beyond_are_derived() {
        assert_eq!(ms(Some(31_623), 0), Some(40), "half way by logarithm");
        assert_eq!(ms(Some(1), 9_999), Some(30), "the smallest documented");
        assert_eq!(ms(Some(20_000_000), 0), Some(1_000), "as the size grows");
        assert_eq!(ms(None, 0), None);
        assert_eq!(ms(Some(0), 5), None, "a file without bytes has no expected time");
    }

    #[test]
    fn a_larger_bundle_never_takes_less() {
        let mut before = Duration::ZERO;
        for exponent in 0..90_u32 {
            let bytes = 1.2_f64.powi(exponent.cast_signed()).ceil();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let now = expected_duration(Some(bytes as u64), 0).expect("a size");
            assert!(now >= before, "{bytes} bytes");
            before = now;
        }
    }

    #[test]
    fn triggers_are_found_by_their_names() {
        for trigger in ReloadTrigger::ALL {
            assert_eq!(ReloadTrigger::from_name(trigger.name()), Some(trigger));
        }
    }
}
