//! Policy files: YAML, read strictly.

use serde::de::DeserializeOwned;

/// Why a policy file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{file} is not valid")]
    Malformed {
        file: &'static str,
        #[source]
        error: Box<serde_saphyr::Error>,
    },
    #[error("{file}: {problem}")]
    Meaning { file: &'static str, problem: String },
}

pub(crate) fn read<T: DeserializeOwned>(file: &'static str, text: &str) -> Result<T, PolicyError> {
    serde_saphyr::from_str(text)
        .map_err(|error| PolicyError::Malformed { file, error: Box::new(error) })
}
