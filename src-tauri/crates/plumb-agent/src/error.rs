//! Why an agent does not start.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::fetch::{FetchError, FetchSettingError, SourceError};

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Exposed(#[from] plumb_serve::ExposureError),
    #[error("no trusted key is given, so no bundle could ever be verified")]
    NoTrust,
    #[error("trusted key {id}: reading {path}", path = path.display())]
    ReadKey {
        id: String,
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("trusted key {id} in {path} cannot be used: {reason}", path = path.display())]
    Key { id: String, path: PathBuf, reason: String },
    #[error("{message}")]
    Setting { message: String },
    #[error("bundle folder {path} cannot be used", path = path.display())]
    Root {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("state folder {path} cannot be used", path = path.display())]
    StateDir {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{path} cannot be gone by: {reason}", path = path.display())]
    Governance { path: PathBuf, reason: String },
    #[error("state folder {path} is used by another agent", path = path.display())]
    StateInUse { path: PathBuf },
    #[error(transparent)]
    Tls(#[from] plumb_serve::TlsError),
    #[error(transparent)]
    Packs(#[from] FetchError),
    #[error(transparent)]
    PackSource(#[from] SourceError),
    #[error("listening on {listen}")]
    Listen {
        listen: SocketAddr,
        #[source]
        error: io::Error,
    },
}

impl From<FetchSettingError> for AgentError {
    fn from(error: FetchSettingError) -> Self {
        Self::Packs(FetchError::Setting(error))
    }
}
