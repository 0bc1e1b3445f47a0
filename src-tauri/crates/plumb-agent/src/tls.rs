//! TLS with or without client certificates.

use std::{fs, io, path::Path, sync::Arc};

use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{config::TlsConfig, error::AgentError};

/// Reads the files and prepares a server. With a client CA a certificate is welcome but not
/// demanded: reading needs none, and mutating requests check for it.
pub(crate) fn server(config: &TlsConfig) -> Result<Arc<ServerConfig>, AgentError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(AgentError::Tls)?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(AgentError::Tls)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(AgentError::ClientCa)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = certificates(&config.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&config.key)?)
        .map_err(|error| AgentError::Pem { path: config.key.clone(), error })?;
    let mut server = builder.with_single_cert(chain, key).map_err(AgentError::Tls)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(server))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AgentError> {
    let pem = |error| AgentError::Pem { path: path.to_path_buf(), error };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<_, _>>().map_err(pem)?;
    if chain.is_empty() {
        return Err(pem(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn read(path: &Path) -> Result<Vec<u8>, AgentError> {
    fs::read(path)
        .map_err(|error: io::Error| AgentError::ReadTls { path: path.to_path_buf(), error })
}
