//! Reload figures: since the first start, or as the field's service counts them.

use plumb_wire::v1::ReloadRecord;

use crate::core::Core;

/// Figures over reload attempts.
#[derive(Debug, Clone)]
pub(crate) struct Stats {
    pub(crate) total: u64,
    pub(crate) succeeded: u64,
    /// Sum in milliseconds.
    duration_ms: f64,
    pub(crate) last: Option<ReloadRecord>,
}

impl Stats {
    pub(crate) fn success_rate(&self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        round(self.succeeded as f64 / self.total as f64 * 100.0)
    }

    pub(crate) fn average_ms(&self) -> f64 {
        if self.total == 0 { 0.0 } else { round(self.duration_ms / self.total as f64) }
    }
}

/// Two decimals, as the field rounds.
pub(crate) fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

impl Core {
    /// The documented figures never go down; the field's are of the ten newest attempts only, so
    /// they stop at ten and fall when a success leaves the ring.
    pub(crate) fn stats(&self) -> Stats {
        let book = self.book();
        let last = book.history.ring().next().cloned();
        if self.config.field_compatible {
            let ring = || book.history.ring();
            return Stats {
                total: ring().len() as u64,
                succeeded: ring().filter(|record| record.success).count() as u64,
                duration_ms: ring().map(|record| record.duration_ms).sum(),
                last,
            };
        }
        let totals = book.history.totals().as_reloads();
        Stats {
            total: totals.total,
            succeeded: totals.succeeded,
            duration_ms: totals.average_ms * totals.total as f64,
            last,
        }
    }
}
