//! A folder with packs and readers of it, without a socket.

use std::{fs, path::Path};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
};
use http_body_util::BodyExt as _;
use plumb_hub::{PackFolder, Packs, build, publish, router};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub(crate) const ID: &str = "policy-pack-v0";
pub(crate) const PATH: &str = "/v1/policy/packs/policy-pack-v0";

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) packs: Packs,
    pub(crate) stop: CancellationToken,
    router: Router,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let stop = CancellationToken::new();
        let opened = PackFolder::open(folder.path()).expect("a folder");
        let expected = ["expected".to_owned()];
        let packs = Packs::open(opened, expected, stop.clone()).expect("readable");
        Self { folder, router: router(packs.clone()), packs, stop }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Publishes a pack that decides so, and returns its digest in hex.
    pub(crate) fn publish(&self, allow: &str, attestation: Option<&[u8]>) -> String {
        let digest = publish(self.path(), ID, &tar(allow), attestation).expect("published");
        self.packs.refresh().expect("readable");
        digest.to_hex()
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.ask("GET", path, headers).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let response = self.open(method, path, headers).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// The pack of the field, with one rule.
pub(crate) fn tar(allow: &str) -> Vec<u8> {
    let source = TempDir::new().expect("a temporary folder");
    let place = |path: &str, text: &str| {
        let path = source.path().join(path);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("writable");
        fs::write(path, text).expect("writable");
    };
    place(
        "opa/cos.abac.rego",
        &format!("package cos.abac\nimport rego.v1\ndefault allow := {allow}\n"),
    );
    place("data/retention.json", r#"{"tiers":{"gold":365}}"#);
    place("README.md", "Policy pack\n");
    build(source.path(), ID, Some("0.1.0")).expect("a sound pack")
}
