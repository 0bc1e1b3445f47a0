//! The file of probes: questions a pack has to answer before it counts as in force, whoever evaluates it.

use serde::Deserialize;
use serde_json::Value;

/// Probes of one file, and bytes of it.
const PROBES_MAX: usize = 64;
pub const PROBES_BYTES_MAX: usize = 1 << 20;

/// One question.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeEntry {
    /// What is asked for, as a place below `data`: `cos/abac/allow`.
    pub path: String,
    #[serde(default)]
    pub input: Value,
    /// Nothing where any answer will do, as long as there is one.
    #[serde(default)]
    pub expect: Option<Value>,
}

/// Why a file of probes is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFileError {
    #[error("it is larger than {PROBES_BYTES_MAX} bytes")]
    TooLarge,
    #[error(
        "it is not {{\"probes\": [{{\"path\": \"cos/abac/allow\", \"input\": {{}}, \"expect\": true}}]}}"
    )]
    Format(#[source] serde_json::Error),
    #[error("it has {count} probes; 1 to {PROBES_MAX} are asked before a pack counts as in force")]
    Count { count: usize },
    #[error("probe {number}: {path:?} is no place below data; write it as cos/abac/allow")]
    Path { number: usize, path: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbeFile {
    probes: Vec<ProbeEntry>,
}

/// Reads a file of probes.
pub fn read_probes(text: &[u8]) -> Result<Vec<ProbeEntry>, ProbeFileError> {
    if text.len() > PROBES_BYTES_MAX {
        return Err(ProbeFileError::TooLarge);
    }
    let ProbeFile { probes } = serde_json::from_slice(text).map_err(ProbeFileError::Format)?;
    if probes.is_empty() || probes.len() > PROBES_MAX {
        return Err(ProbeFileError::Count { count: probes.len() });
    }
    for (index, probe) in probes.iter().enumerate() {
        let wrong = |part: &str| part.is_empty() || part == "." || part == "..";
        if probe.path.split('/').any(wrong) || probe.path.contains(['?', '#', '\\']) {
            let path = probe.path.chars().take(200).collect();
            return Err(ProbeFileError::Path { number: index + 1, path });
        }
    }
    Ok(probes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_probes_is_read_whole_or_not_at_all() {
        let check = |text: &str, wanted: &str| {
            let error = read_probes(text.as_bytes()).expect_err("refused").to_string();
            assert!(error.contains(wanted), "{error}");
        };
        check("[]", "\"path\": \"cos/abac/allow\"");
        check(r#"{"probes":[]}"#, "0 probes");
        check(r#"{"probes":[{"path":"/a"}]}"#, "probe 1");
        check(r#"{"probes":[{"path":"a/../b"}]}"#, "no place below data");
        check(r#"{"probes":[{"path":"a","expected":true}]}"#, "it is not");
        let read = read_probes(br#"{"probes":[{"path":"a/b","input":{"x":1},"expect":true}]}"#);
        assert_eq!(read.expect("sound")[0].expect, Some(Value::Bool(true)));
    }
}
