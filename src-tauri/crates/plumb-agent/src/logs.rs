//! The agent's own log: to `tracing`, and the newest lines at hand for `GET logs`.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use plumb_wire::v1::{LogLevel, LogLine, Logs, LogsQuery, ReloadRecord};

use crate::limits::{LOG_LINE_BYTES_MAX, LOG_LINES_DEFAULT, LOG_LINES_MAX};

/// The newest lines.
#[derive(Debug, Default)]
pub(crate) struct LogRing {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    dropped: u64,
}

impl LogRing {
    /// Keeps a line and hands it to `tracing`. The whole line is the message because the field's
    /// tools read `Hot-reload successful: v2.0.0 (45.23ms, 12 policies)` (R280).
    pub(crate) fn write(&self, at: Timestamp, level: LogLevel, line: &str) {
        let line = printable(line);
        match level {
            LogLevel::Error => tracing::error!("{line}"),
            LogLevel::Warn => tracing::warn!("{line}"),
            LogLevel::Info => tracing::info!("{line}"),
            LogLevel::Debug => tracing::debug!("{line}"),
        }
        self.keep(at, level, line);
    }

    /// The line of a reload, with what it says as fields beside it for a collector.
    pub(crate) fn write_reload(&self, line: &str, reload: &ReloadRecord) {
        let line = printable(line);
        let trigger = serde_json::to_value(reload.trigger).unwrap_or_default();
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(
                    event.kind = "reload",
                    event.success = reload.success,
                    event.version = reload.version.as_deref(),
                    event.digest = reload.digest.as_deref(),
                    event.trigger = trigger.as_str(),
                    event.duration_ms = reload.duration_ms,
                    event.policies = reload.policies_loaded,
                    event.error = reload.error.as_deref(),
                    "{line}"
                )
            };
        }
        let level = if reload.success { LogLevel::Info } else { LogLevel::Error };
        if reload.success {
            event!(info);
        } else {
            event!(error);
        }
        self.keep(reload.timestamp, level, line);
    }

    fn keep(&self, at: Timestamp, level: LogLevel, line: String) {
        let mut kept = self.lock();
        if kept.lines.len() == LOG_LINES_MAX {
            kept.lines.pop_front();
            kept.dropped += 1;
        }
        kept.lines.push_back(LogLine { at, level, message: line });
    }

    /// The newest lines that a query asks for, newest last.
    pub(crate) fn read(&self, query: &LogsQuery, now: Timestamp) -> Logs {
        let limit = query.limit.unwrap_or(LOG_LINES_DEFAULT).min(plumb_wire::v1::LOG_LINES_MAX);
        let filter = query.filter.as_deref().map(str::to_lowercase);
        let level = query.level.unwrap_or(LogLevel::Debug);
        let oldest = query.max_age_s.and_then(|age_s| {
            let oldest_s = now.as_second().saturating_sub(i64::try_from(age_s).ok()?);
            Timestamp::from_second(oldest_s).ok()
        });
        let kept = self.lock();
        let mut lines: Vec<LogLine> = kept
            .lines
            .iter()
            .rev()
            .filter(|line| line.level <= level && oldest.is_none_or(|oldest| line.at >= oldest))
            .filter(|line| {
                filter.as_deref().is_none_or(|text| line.message.to_lowercase().contains(text))
            })
            .take(limit as usize)
            .cloned()
            .collect();
        lines.reverse();
        Logs { lines, dropped: kept.dropped }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A line is pushed whole or not at all, so what a panicking thread left is sound.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Escapes control characters, so that a file name cannot forge a second line, and cuts the rest.
pub(crate) fn printable(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if out.len() > LOG_LINE_BYTES_MAX {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
