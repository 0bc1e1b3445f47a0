//! Conditional requests and requests that wait, the same for packs and bundles.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::{Timestamp, fmt::rfc2822};
use plumb_fleet::Digest;
use plumb_wire::packs::{PREFER, etag, etag_digest};

use crate::limits::WAIT_MAX;

/// What is served now: its content, and since when in whole seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stand {
    pub(crate) digest: Digest,
    pub(crate) modified_at: Timestamp,
}

impl Stand {
    /// Whether the reader has it. `If-None-Match` decides where it is given (RFC 9110, 13.2.2), else
    /// `If-Modified-Since`.
    pub(crate) fn is_held(self, headers: &HeaderMap) -> bool {
        let mut tags = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
        if tags.peek().is_some() {
            let own = self.digest.to_hex();
            return tags
                .filter_map(|tags| tags.to_str().ok())
                .flat_map(|tags| tags.split(','))
                .any(|tag| {
                    let tag = tag.trim();
                    tag == "*" || etag_digest(tag) == Some(own.as_str())
                });
        }
        let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|since| since.to_str().ok());
        let since = since.and_then(|since| rfc2822::parse(since).ok());
        since.is_some_and(|since| self.modified_at <= since.timestamp())
    }

    /// ETag and time of an answer.
    pub(crate) fn identify(self, fields: &mut HeaderMap) {
        fields.insert(header::ETAG, value(&etag(&self.digest.to_hex())));
        fields.insert(header::LAST_MODIFIED, value(&http_date(self.modified_at)));
    }
}

fn http_date(at: Timestamp) -> String {
    rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .unwrap_or_else(|_| "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())
}

pub(crate) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digests, dates and numbers are visible ASCII")
}

/// The seconds of `Prefer: wait=N` (RFC 7240), at most what we are willing to hold a request.
pub(crate) fn wanted_wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let wait = preferences.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
        let (name, seconds) = preference.trim().split_once('=')?;
        let seconds = seconds.trim().trim_matches('"').parse::<u64>().ok()?;
        name.trim().eq_ignore_ascii_case("wait").then_some(seconds)
    });
    wait.filter(|seconds| *seconds > 0).map(|s| Duration::from_secs(s).min(WAIT_MAX))
}
