//! TLS with or without client certificates.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// Files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM chain, leaf first.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
    /// PEM certificates that client certificates have to descend from.
    pub client_ca: Option<PathBuf>,
}

impl TlsConfig {
    /// Whether a client can show who it is.
    pub fn asks_for_certificates(&self) -> bool {
        self.client_ca.is_some()
    }
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("TLS: reading {path}", path = path.display())]
    Read {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("TLS: {path} holds no usable PEM", path = path.display())]
    Pem {
        path: PathBuf,
        #[source]
        error: rustls_pki_types::pem::Error,
    },
    #[error("TLS: certificate and key cannot be used")]
    Unusable(#[source] rustls::Error),
    #[error("TLS: client CA cannot be used")]
    ClientCa(#[source] rustls::server::VerifierBuilderError),
}

/// Reads the files and prepares a server. With a client CA a certificate is welcome but not
/// demanded: reading needs none, and mutating requests check for it.
pub fn server(config: &TlsConfig) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(TlsError::Unusable)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(TlsError::ClientCa)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = certificates(&config.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&config.key)?)
        .map_err(|error| TlsError::Pem { path: config.key.clone(), error })?;
    let mut server = builder.with_single_cert(chain, key).map_err(TlsError::Unusable)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(server))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |error| TlsError::Pem { path: path.to_path_buf(), error };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<_, _>>().map_err(pem)?;
    if chain.is_empty() {
        return Err(pem(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error: io::Error| TlsError::Read { path: path.to_path_buf(), error })
}
