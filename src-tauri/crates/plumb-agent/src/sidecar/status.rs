//! What OPA says about a bundle: the few fields of `/v1/status` that tell whether it is in force.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::limits::{ERRORS_MAX, TEXT_CHARS_MAX};

/// An error as OPA tells it, in status documents and in answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OpaFault {
    pub code: String,
    pub message: String,
    pub errors: Vec<OpaError>,
    /// What the bundle server answered, where that was the error.
    pub http_code: Option<u16>,
}

/// One of the errors behind a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpaError {
    pub code: String,
    pub message: String,
    pub file: Option<String>,
    pub row: Option<u64>,
}

impl fmt::Display for OpaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(first) = self.errors.first() {
            write!(f, ": {}: {}", first.code, first.message)?;
            if let (Some(file), Some(row)) = (&first.file, first.row) {
                write!(f, " ({file}, line {row})")?;
            }
        }
        if self.errors.len() > 1 {
            write!(f, " and {} more", self.errors.len() - 1)?;
        }
        Ok(())
    }
}

/// The state of one bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BundleStatus {
    pub(super) revision: Option<String>,
    pub(super) fault: Option<OpaFault>,
    /// The moment of the newest request, as OPA writes it; only ever compared for equality.
    pub(super) last_request: Option<String>,
}

#[derive(Deserialize)]
struct StatusDocument {
    result: StatusResult,
}

#[derive(Deserialize)]
struct StatusResult {
    #[serde(default)]
    bundles: Option<BTreeMap<String, WireBundle>>,
}

#[derive(Deserialize)]
struct WireBundle {
    active_revision: Option<String>,
    last_request: Option<String>,
    #[serde(flatten)]
    fault: WireFault,
}

/// The error part of a status, and the body of an answer that is an error.
#[derive(Deserialize)]
pub(super) struct WireFault {
    code: Option<String>,
    message: Option<String>,
    #[serde(default)]
    errors: Option<Vec<WireError>>,
    http_code: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct WireError {
    code: Option<String>,
    message: Option<String>,
    location: Option<WireLocation>,
}

#[derive(Deserialize)]
struct WireLocation {
    file: Option<String>,
    row: Option<u64>,
}

impl WireFault {
    /// The fault, where there is one.
    pub(super) fn fault(self) -> Option<OpaFault> {
        let errors = self.errors.unwrap_or_default();
        let code = self.code.filter(|code| !code.is_empty());
        if code.is_none() && errors.is_empty() {
            return None;
        }
        let http_code = self.http_code.as_ref().and_then(|code| match code {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64().and_then(|code| code.try_into().ok()),
        });
        let error = |error: WireError| {
            let location = error.location;
            OpaError {
                code: shown(error.code),
                message: shown(error.message),
                row: location.as_ref().and_then(|location| location.row),
                file: location.and_then(|location| location.file).map(|file| shown(Some(file))),
            }
        };
        Some(OpaFault {
            code: code.map_or_else(|| "unknown".to_owned(), |code| shown(Some(code))),
            message: shown(self.message),
            errors: errors.into_iter().take(ERRORS_MAX).map(error).collect(),
            http_code,
        })
    }
}

/// A text of OPA as it may stand in a log.
fn shown(text: Option<String>) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.unwrap_or_default().chars().take(TEXT_CHARS_MAX).map(plain).collect()
}

/// Reads the state of one bundle; a bundle OPA does not know is one that says nothing.
pub(super) fn read_status(text: &[u8], bundle: &str) -> Result<BundleStatus, serde_json::Error> {
    let document: StatusDocument = serde_json::from_slice(text)?;
    let found = document.result.bundles.unwrap_or_default().remove(bundle);
    Ok(found.map_or_else(BundleStatus::default, |wire| BundleStatus {
        revision: wire.active_revision.filter(|revision| !revision.is_empty()),
        last_request: wire.last_request,
        fault: wire.fault.fault(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bundle: &str) -> BundleStatus {
        let text = format!(r#"{{"result":{{"labels":{{}},"bundles":{{"authz":{bundle}}}}}}}"#);
        read_status(text.as_bytes(), "authz").expect("a status")
    }

    #[test]
    fn failures_of_a_status_are_values_with_code_and_message() {
        // As OPA 1.9.0 answers, without what is not read.
        let parse = read(
            r#"{"name":"authz","active_revision":"rev-2","last_request":"2026-11-21T05:26:25Z",
            "code":"bundle_error","message":"error(s) occurred while compiling module(s)",
            "errors":[{"code":"rego_parse_error","message":"unexpected } token",
            "location":{"file":"a.rego","row":4,"col":1},"details":{"line":"}","idx":0}}],"metrics":{}}"#,
        );
        assert_eq!(
            parse.fault.expect("a fault").to_string(),
            "bundle_error: error(s) occurred while compiling module(s): rego_parse_error: unexpected } token (a.rego, line 4)"
        );
        let missing = read(
            r#"{"active_revision":"rev-2","code":"bundle_error","message":"server replied with Not Found","http_code":404}"#,
        );
        assert_eq!(missing.fault.expect("a fault").http_code, Some(404));
        let clean = read(r#"{"active_revision":"rev-2","type":"snapshot"}"#);
        assert_eq!((clean.revision.as_deref(), clean.fault), (Some("rev-2"), None));
        let never = read_status(br#"{"result":{"bundles":null}}"#, "authz").expect("a status");
        assert_eq!(never, BundleStatus::default());
        assert!(read_status(b"{}", "authz").is_err() && read_status(b"<html>", "authz").is_err());
    }
}
