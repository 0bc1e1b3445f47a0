//! Inbound HTTP: accept, TLS, client certificates, bearer tokens, and a stop that lets requests
//! finish. The same for every server of ours.

mod bearer;
mod connections;
mod exposure;
mod limits;
mod names;
mod tls;

pub use bearer::{Bearer, bearer, same, shows};
pub use connections::{Peer, Serving, serve};
pub use exposure::{Exposure, ExposureError};
pub use tls::{TlsConfig, TlsError, server};
