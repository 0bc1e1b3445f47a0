//! Why packs are not served or written.

use std::{io, net::SocketAddr, path::PathBuf};

use plumb_bundle::ArchiveError;

/// Why packs are not served or written.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error(transparent)]
    Exposed(#[from] plumb_serve::ExposureError),
    #[error(transparent)]
    Tls(#[from] plumb_serve::TlsError),
    #[error("listening on {listen}")]
    Listen {
        listen: SocketAddr,
        #[source]
        error: io::Error,
    },
    #[error("pack folder {path} cannot be used", path = path.display())]
    Folder {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("pack folder {path} holds more than {max} files", path = path.display())]
    TooManyFiles { path: PathBuf, max: usize },
    #[error("pack folder {path} cannot be watched", path = path.display())]
    Watch {
        path: PathBuf,
        #[source]
        error: notify::Error,
    },
    #[error("{id:?} cannot name a pack: letters, digits, '.', '_' and '-', at most 128")]
    PackId { id: String },
    #[error("{path} is no policy pack", path = path.display())]
    Pack {
        path: PathBuf,
        #[source]
        error: ArchiveError,
    },
    #[error("{path} has a manifest that is not valid JSON", path = path.display())]
    Manifest {
        path: PathBuf,
        #[source]
        error: plumb_bundle::json::JsonError,
    },
    #[error("{path}: {problem}", path = path.display())]
    Member { path: PathBuf, problem: &'static str },
}
