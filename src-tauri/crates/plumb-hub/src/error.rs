//! Why a hub does not do what it was asked to.

use std::{io, net::SocketAddr, path::PathBuf};

use plumb_bundle::ArchiveError;

/// Why a hub does not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error(transparent)]
    Exposed(#[from] plumb_serve::ExposureError),
    #[error(transparent)]
    Tls(#[from] plumb_serve::TlsError),
    #[error(transparent)]
    State(#[from] crate::state::StateError),
    #[error(
        "nobody could use this hub: make a token for an admin with `plumb hub token create --role admin --data DIR`, or set PLUMB_HUB_TOKEN"
    )]
    NoAdmin,
    #[error(
        "the first token is too short: {min} characters at least, such as `openssl rand -hex 32` prints"
    )]
    ShortToken { min: usize },
    #[error("the storage of packs cannot be used")]
    Storage {
        #[source]
        error: object_store::Error,
    },
    #[error("{path} cannot be used", path = path.display())]
    Policy {
        path: PathBuf,
        #[source]
        error: plumb_alert::PolicyError,
    },
    #[error(transparent)]
    Backend(#[from] plumb_inbox::BackendError),
    #[error(transparent)]
    Inbox(#[from] plumb_inbox::StoreFailure),
    #[error("{0}")]
    Refused(String),
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
