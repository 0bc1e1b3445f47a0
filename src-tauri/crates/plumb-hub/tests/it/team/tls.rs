//! Client certificates: a name in one stands for a role.

use std::{fs, path::Path, sync::Arc};

use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use plumb_hub::{TeamOptions, admin, serve_team, wire::NewIdentity};
use plumb_serve::TlsConfig;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    },
};

use super::client::BOOTSTRAP;

/// What somebody shows: a certificate and its key in PEM.
struct Shown {
    certificate: String,
    key: String,
}

struct Authority {
    ca: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).expect("signed").pem();
        Self { ca, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, name: &str) -> Shown {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed").pem();
        Shown { certificate, key: key.serialize_pem() }
    }
}

fn place(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("writable");
    path
}

async fn whoami(port: u16, ca: &str, shown: Option<&Shown>) -> (u16, Value) {
    ask(port, ca, shown, "GET", "/v1/hub/whoami", String::new()).await
}

async fn ask(
    port: u16,
    ca: &str,
    shown: Option<&Shown>,
    method: &str,
    path: &str,
    body: String,
) -> (u16, Value) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).expect("PEM")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => {
            let chain =
                vec![CertificateDer::from_pem_slice(shown.certificate.as_bytes()).expect("PEM")];
            let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("a pair")
        }
    };
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header("host", "hub");
    let request = request.body(Body::from(body));
    let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.expect("whole").to_bytes();
    (status, serde_json::from_slice(&bytes).expect("JSON"))
}

#[tokio::test]
async fn a_certificate_whose_name_has_a_role_is_an_identity() {
    let data = TempDir::new().expect("a folder");
    let authority = Authority::new();
    let server = authority.issue("127.0.0.1");
    let mut options = TeamOptions::new(data.path());
    // Beyond loopback, which TLS allows.
    options.listen = "0.0.0.0:0".parse().expect("an address");
    options.bootstrap = Some(BOOTSTRAP.to_owned().into());
    options.tls = Some(TlsConfig {
        certificate: place(data.path(), "server.pem", &server.certificate),
        key: place(data.path(), "server.key", &server.key),
        client_ca: Some(place(data.path(), "ca.pem", &authority.ca)),
    });
    let roles = options.policies.roles.clone();
    let hub = serve_team(options).await.expect("the hub starts");
    let port = hub.address().port();
    let node = authority.issue("gw-1.example");
    let (status, told) = whoami(port, &authority.ca, Some(&node)).await;
    assert_eq!(status, 401);
    let detail = told["detail"].as_str().unwrap_or_default();
    assert!(
        detail.contains("the certificate of gw-1.example") && detail.contains("has no role"),
        "{told}"
    );
    let wanted = NewIdentity {
        name: "gateway 1".to_owned(),
        role: "agent_node".to_owned(),
        expires_after_s: 3_600,
        certificate: Some("gw-1.example".to_owned()),
        node: None,
    };
    let now = jiff::Timestamp::now();
    let made = admin::create_identity(data.path(), &roles, &wanted, "root", now).await;
    assert_eq!(made.expect("made").token, None);
    let again = admin::create_identity(data.path(), &roles, &wanted, "root", now).await;
    assert!(again.expect_err("it has one").to_string().contains("revoke it first"));
    let (status, told) = whoami(port, &authority.ca, Some(&node)).await;
    assert_eq!(
        (status, told["name"].as_str(), told["role"].as_str()),
        (200, Some("gateway 1"), Some("agent_node"))
    );
    // What it tells of is told by that identity.
    let report = serde_json::json!({ "service": "eu", "kind": "quiet", "title": "no answer" });
    let (status, taken) =
        ask(port, &authority.ca, Some(&node), "POST", "/v1/alerts", report.to_string()).await;
    assert_eq!(status, 200, "{taken}");
    let reader = NewIdentity {
        name: "reader".to_owned(),
        role: "viewer".to_owned(),
        certificate: Some("reader.example".to_owned()),
        ..wanted
    };
    admin::create_identity(data.path(), &roles, &reader, "root", now).await.expect("made");
    let path = format!("/v1/alerts/{}", taken["alert_ref"].as_str().expect("a reference"));
    let reader = authority.issue("reader.example");
    let (_, kept) = ask(port, &authority.ca, Some(&reader), "GET", &path, String::new()).await;
    let tellers = kept["told_by"].as_object().expect("somebody").keys().cloned();
    assert_eq!(tellers.collect::<Vec<_>>(), ["gateway 1"]);
    // Another name, nobody, and the same name by an authority that we do not know.
    assert_eq!(whoami(port, &authority.ca, Some(&authority.issue("gw-2.example"))).await.0, 401);
    assert_eq!(whoami(port, &authority.ca, None).await.0, 401);
    admin::revoke_identity(data.path(), "cert:gw-1.example", "root", now).await.expect("revoked");
    assert_eq!(whoami(port, &authority.ca, Some(&node)).await.0, 401);
    hub.shutdown().await;
}
