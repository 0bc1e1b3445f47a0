//! Real handshakes: unknown authorities, own authorities, mutual TLS.

use std::{fs, net::SocketAddr, sync::Arc};

use plumb_clients::{HttpPool, TokenSource, observe};
use plumb_fleet::{CredentialRef, FailureKind, Node, NodeApi, NodeFailure, NodeReport, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{PATIENT, http, node, now};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

fn leaf(name: &str, authority: &Authority) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    (params.signed_by(&key, authority).expect("signed"), key)
}

/// A node that speaks TLS for `name`, and asks for a client certificate of `clients` if given.
async fn start(authority: &Authority, name: &str, clients: Option<&Authority>) -> SocketAddr {
    let (certificate, key) = leaf(name, authority);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let config = builder.with_single_cert(vec![certificate.der().clone()], key).expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let asked = String::from_utf8_lossy(&request[..length]).to_lowercase();
                let ready = asked.contains("authorization: bearer ");
                let body = format!(r#"{{"ready":{ready},"bundle_version":"2.0.0"}}"#);
                let _ = stream.write_all(&http(200, "", body.as_bytes())).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

/// Observes over TLS with files in a folder.
async fn check(
    folder: &TempDir,
    address: SocketAddr,
    tls: impl Into<Option<TlsFiles>>,
) -> Result<NodeReport, NodeFailure> {
    let pool = HttpPool::new(TokenSource::system(), folder.path());
    let node = Node {
        tls: tls.into().map(Arc::new),
        credential: Some(CredentialRef::Command(vec!["echo".to_owned(), "t0ken".to_owned()])),
        ..node(NodeApi::Reload, &format!("https://{address}"))
    };
    observe(&pool, &node, PATIENT, &now()).await
}

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    fs::write(folder.path().join(name), text).expect("written");
    name.to_owned()
}

fn only_ca(ca: String) -> TlsFiles {
    TlsFiles { ca: Some(ca), ..TlsFiles::default() }
}

#[tokio::test]
async fn an_unknown_authority_is_refused_and_the_remedy_named() {
    let (folder, own) = (TempDir::new().expect("a folder"), authority("own"));
    let address = start(&own, "127.0.0.1", None).await;
    let failure = check(&folder, address, None).await.expect_err("nobody knows this authority");
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(
        failure.message.contains("tls.ca") || failure.message.contains("No CA"),
        "{}",
        failure.message
    );
    let ca = write(&folder, "other.pem", &authority("other").pem());
    let failure = check(&folder, address, only_ca(ca)).await;
    let failure = failure.expect_err("another authority");
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(failure.message.contains("tls.ca"), "{}", failure.message);
}

#[tokio::test]
async fn the_nodes_authority_is_enough_and_the_token_travels() {
    let (folder, own) = (TempDir::new().expect("a folder"), authority("own"));
    let address = start(&own, "127.0.0.1", None).await;
    let ca = write(&folder, "ca.pem", &own.pem());
    let report = check(&folder, address, only_ca(ca)).await;
    let report = report.expect("trusted");
    assert_eq!(report.ready.map(|ready| ready.value), Some(true), "the bearer token arrived");
    assert!(!report.unauthenticated_reload);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (folder, own) = (TempDir::new().expect("a folder"), authority("own"));
    let address = start(&own, "gw.example", None).await;
    let ca = write(&folder, "ca.pem", &own.pem());
    let failure = check(&folder, address, only_ca(ca)).await;
    let failure = failure.expect_err("another name");
    assert_eq!(failure.message, "TLS: the node's certificate is for another name than the URL's");
}

#[tokio::test]
async fn mutual_tls_needs_our_certificate() {
    let (folder, own, people) =
        (TempDir::new().expect("a folder"), authority("own"), authority("people"));
    let address = start(&own, "127.0.0.1", Some(&people)).await;
    let ca = write(&folder, "ca.pem", &own.pem());
    let failure = check(&folder, address, only_ca(ca.clone())).await.expect_err("no certificate");
    assert_eq!(failure.kind, FailureKind::Tls, "{}", failure.message);
    assert!(failure.message.contains("client certificate"), "{}", failure.message);
    let (certificate, key) = leaf("console", &people);
    let with = TlsFiles {
        ca: Some(ca),
        certificate: Some(write(&folder, "console.pem", &certificate.pem())),
        key: Some(write(&folder, "console.key", &key.serialize_pem())),
    };
    check(&folder, address, with).await.expect("our certificate is known there");
}

#[tokio::test]
async fn files_that_are_missing_or_empty_are_named() {
    let folder = TempDir::new().expect("a folder");
    let address = "127.0.0.1:1".parse().expect("an address");
    let failure =
        check(&folder, address, only_ca("gone.pem".to_owned())).await.expect_err("no file");
    assert!(failure.message.starts_with("gone.pem cannot be read"), "{}", failure.message);
    let ca = write(&folder, "empty.pem", "nothing here");
    let failure = check(&folder, address, only_ca(ca)).await;
    assert_eq!(failure.expect_err("no certificate").message, "empty.pem holds no certificate");
}
