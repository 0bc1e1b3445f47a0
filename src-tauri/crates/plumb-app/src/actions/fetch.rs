//! Looks at one node now: raw answers, logs. Nothing of it is stored.

use std::time::Duration;

use plumb_clients::{escape, operations};
use plumb_wire::v1::{LogLevel, LogsQuery};

use crate::{
    app::App,
    error::{AppError, Code},
    views::{
        convert::ms,
        node::{LogLine, RawAnswer},
    },
};

/// Characters of one raw answer that are shown.
const RAW_CHARS_MAX: usize = 256 << 10;

impl App {
    /// Every document of a node as received, with control characters escaped.
    pub async fn node_raw(&self, fleet: &str, id: &str) -> Result<Vec<RawAnswer>, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let node = loaded.node(id)?;
        if let Some(evidence) = self.in_evidence() {
            return evidence.answers(&node.id).await;
        }
        let deadline = Duration::from_secs(u64::from(loaded.fleet.deadline_s));
        let answers = operations::raw(&loaded.pool, node, deadline, &self.wall()).await;
        Ok(answers
            .into_iter()
            .map(|answer| {
                let (status, text) = match answer.answer {
                    Ok(document) => (document.status, document.text),
                    Err(failure) => (0, failure.message),
                };
                RawAnswer {
                    path: answer.path.to_owned(),
                    status,
                    truncated: text.chars().nth(RAW_CHARS_MAX).is_some(),
                    body: printable(&text),
                    at_ms: ms(answer.at),
                }
            })
            .collect())
    }

    /// Log lines of an agent, newest last.
    pub async fn node_logs(
        &self,
        fleet: &str,
        id: &str,
        filter: &str,
        level: &str,
        max_age_s: u32,
    ) -> Result<Vec<LogLine>, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let node = loaded.node(id)?;
        let query = LogsQuery {
            filter: (!filter.is_empty()).then(|| filter.to_owned()),
            level: log_level(level)?,
            max_age_s: (max_age_s > 0).then_some(u64::from(max_age_s)),
            limit: None,
        };
        let deadline = Duration::from_secs(u64::from(loaded.fleet.deadline_s));
        let logs = operations::logs(&loaded.pool, node, &query, deadline, &self.wall())
            .await
            .map_err(|failure| {
                let code = if failure.kind == plumb_fleet::FailureKind::Policy {
                    Code::Invalid
                } else {
                    Code::Unreachable
                };
                AppError::new(
                    code,
                    format!("{id}: {}", failure.message),
                    "read the logs where the node runs",
                )
            })?;
        Ok(logs
            .lines
            .into_iter()
            .map(|line| LogLine {
                at_ms: ms(line.at),
                level: level_name(line.level).to_owned(),
                message: line.message,
            })
            .collect())
    }
}

/// Keeps line breaks and tabs, escapes every other control character, cuts at the limit.
fn printable(text: &str) -> String {
    let lines: Vec<String> = text
        .chars()
        .take(RAW_CHARS_MAX)
        .collect::<String>()
        .split('\n')
        .map(|line| escape(line.trim_end_matches('\r'), RAW_CHARS_MAX))
        .collect();
    lines.join("\n")
}

fn log_level(level: &str) -> Result<Option<LogLevel>, AppError> {
    Ok(match level.to_ascii_lowercase().as_str() {
        "" => None,
        "error" => Some(LogLevel::Error),
        "warn" | "warning" => Some(LogLevel::Warn),
        "info" => Some(LogLevel::Info),
        "debug" => Some(LogLevel::Debug),
        _ => {
            return Err(AppError::new(
                Code::Invalid,
                format!("{level:?} is not a log level"),
                "use error, warning, info or debug",
            ));
        }
    })
}

const fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warning",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}
