//! Failures as values: every way a node can fail us, with a sentence that says what to do.

use std::{error::Error as StdError, io, time::Duration};

use plumb_fleet::{FailureKind, NodeFailure};
use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    escape::{escape, escape_bytes},
    limits::{ERROR_BODY_BYTES_MAX, EXCERPT_CHARS_MAX},
};

/// A failure with its sentence.
pub(crate) fn failure(kind: FailureKind, message: impl Into<String>) -> NodeFailure {
    NodeFailure { kind, message: message.into() }
}

pub(crate) fn timed_out(path: &str, deadline: Duration) -> NodeFailure {
    failure(FailureKind::TimedOut, format!("{path}: no answer within {}", seconds(deadline)))
}

pub(crate) fn malformed(path: &str, problem: impl std::fmt::Display) -> NodeFailure {
    let problem = escape(&problem.to_string(), EXCERPT_CHARS_MAX);
    failure(FailureKind::Malformed, format!("{path}: unexpected document: {problem}"))
}

pub(crate) fn too_large(path: &str, bytes_max: usize) -> NodeFailure {
    failure(
        FailureKind::TooLarge,
        format!("{path}: the answer is larger than {}", bytes(bytes_max)),
    )
}

/// A duration as people write it.
pub(crate) fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}

pub(crate) fn bytes(count: usize) -> String {
    if count >= 1 << 20 { format!("{} MiB", count >> 20) } else { format!("{} KiB", count >> 10) }
}

/// What a status that is no success means.
pub(crate) fn from_status(path: &str, status: StatusCode, body: &[u8]) -> NodeFailure {
    let said = words(body).map_or(String::new(), |words| format!(": {words}"));
    match status.as_u16() {
        401 => failure(
            FailureKind::Auth,
            format!("{path}: the node asks for a credential (401){said}; set one for this node"),
        ),
        403 => failure(
            FailureKind::Auth,
            format!("{path}: the credential is not allowed to do this (403){said}"),
        ),
        300..=399 => failure(
            FailureKind::HttpStatus,
            format!(
                "{path}: answered a redirect ({}), which is not followed; correct the node's URL",
                status.as_u16()
            ),
        ),
        code => failure(FailureKind::HttpStatus, format!("{path}: answered {code}{said}")),
    }
}

/// The sentence inside an error body, whichever of the known shapes it has, bounded and escaped.
pub(crate) fn words(body: &[u8]) -> Option<String> {
    let body = &body[..body.len().min(ERROR_BODY_BYTES_MAX)];
    let trimmed = body.trim_ascii();
    if trimmed.is_empty() {
        return None;
    }
    let Ok(document) = serde_json::from_slice::<Value>(trimmed) else {
        return Some(escape_bytes(trimmed, EXCERPT_CHARS_MAX));
    };
    let words = ["detail", "error", "message", "title"]
        .iter()
        .find_map(|key| document.get(key).filter(|value| !value.is_null()));
    Some(match words.unwrap_or(&document) {
        Value::String(text) => escape(text, EXCERPT_CHARS_MAX),
        other => escape(&other.to_string(), EXCERPT_CHARS_MAX),
    })
}

/// What went wrong on the way to a node or back.
pub(crate) fn from_transport(path: &str, error: &reqwest::Error) -> NodeFailure {
    if let Some(tls) = cause::<rustls::Error>(error) {
        return failure(FailureKind::Tls, format!("TLS: {}", tls_words(tls)));
    }
    if let Some(io) = cause::<io::Error>(error)
        && let Some(failure) = from_io(io)
    {
        return failure;
    }
    if let Some(http) = cause::<hyper::Error>(error) {
        if http.is_parse() || http.is_parse_status() {
            return malformed(path, format_args!("this is not HTTP ({http})"));
        }
        if http.is_incomplete_message() || http.is_closed() || http.is_canceled() {
            return failure(
                FailureKind::Refused,
                format!("{path}: the node closed the connection before it had answered"),
            );
        }
    }
    let chain = escape(&chain(error), EXCERPT_CHARS_MAX);
    if chain.contains("dns error") {
        return failure(FailureKind::Refused, format!("the name does not resolve ({chain})"));
    }
    if error.is_timeout() {
        return failure(FailureKind::TimedOut, format!("{path}: no answer in time"));
    }
    failure(FailureKind::Refused, format!("{path}: {chain}"))
}

fn from_io(error: &io::Error) -> Option<NodeFailure> {
    use io::ErrorKind as K;
    // EMFILE and ENFILE: our own shortage must not look like a dead node.
    if matches!(error.raw_os_error(), Some(23 | 24)) {
        return Some(failure(
            FailureKind::Policy,
            "this machine has no more open files to give; raise the limit (ulimit -n)",
        ));
    }
    let words = match error.kind() {
        K::ConnectionRefused => "nobody listens there (connection refused)",
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => {
            "the node closed the connection"
        }
        K::HostUnreachable => "there is no way to the host",
        K::NetworkUnreachable => "there is no way to the network",
        K::TimedOut => return Some(failure(FailureKind::TimedOut, "the connection timed out")),
        _ => return None,
    };
    Some(failure(FailureKind::Refused, words))
}

fn tls_words(error: &rustls::Error) -> String {
    use rustls::{CertificateError as C, Error as E};
    match error {
        E::InvalidCertificate(C::UnknownIssuer) => {
            "the node's certificate is signed by no authority trusted here; name its CA in tls.ca"
                .to_owned()
        }
        E::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "the node's certificate has expired".to_owned()
        }
        E::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            "the node's certificate is not valid yet; compare the clocks".to_owned()
        }
        E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "the node's certificate is for another name than the URL's".to_owned()
        }
        E::AlertReceived(alert) => format!(
            "the node refused our side of the handshake ({alert:?}); it may ask for a client certificate"
        ),
        other => escape(&other.to_string(), EXCERPT_CHARS_MAX),
    }
}

/// The first cause of a type, also where `std::io::Error` hides it from `source()`.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = cause::<E>(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The chain of causes in one line, without the URL that reqwest repeats.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = String::new();
    let mut next = error.source();
    if next.is_none() {
        return error.to_string();
    }
    while let Some(cause) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_error_shapes_of_the_field_give_their_words() {
        let check = |body: &str| words(body.as_bytes()).unwrap_or_default();
        assert_eq!(
            check(r#"{"detail":"Bundle file not found: /nope"}"#),
            "Bundle file not found: /nope"
        );
        assert_eq!(
            check(r#"{"success":false,"version":"1.0.0","error":"Bundle verification failed"}"#),
            "Bundle verification failed"
        );
        assert_eq!(
            check(r#"{"error":null,"message":"status plugin not enabled"}"#),
            "status plugin not enabled"
        );
        assert_eq!(check(r#"{"detail":[{"loc":["body"]}]}"#), r#"[{"loc":["body"]}]"#);
        assert_eq!(check("<h1>Bad\u{1b}[2J</h1>"), "<h1>Bad\\u{1b}[2J</h1>");
        assert_eq!(check("  "), "");
    }
}
