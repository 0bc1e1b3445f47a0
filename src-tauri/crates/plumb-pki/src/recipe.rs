//! What to issue, and what comes out.

use jiff::Timestamp;
use serde_json::Value;

use crate::Fault;

/// Version of the bundle format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V01,
    V02,
    V03,
}

impl Version {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::V01 => "application/vnd.dev.sigstore.bundle+json;version=0.1",
            Self::V02 => "application/vnd.dev.sigstore.bundle+json;version=0.2",
            Self::V03 => "application/vnd.dev.sigstore.bundle.v0.3+json",
        }
    }
}

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// The artifact itself.
    Message,
    /// A statement about it in a DSSE envelope.
    Statement,
}

/// What the signature is checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Material {
    Certificate,
    /// A key the reader already has.
    Key,
}

/// Where the signature is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogKind {
    /// Rekor v1: `hashedrekord` or `dsse`, version 0.0.1, with a promise.
    First,
    /// Rekor v1: `intoto` 0.0.2, for statements.
    FirstInToto,
    /// Rekor v2: `hashedrekord` 0.0.2.
    Second,
    Nowhere,
}

/// A bundle to issue.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub version: Version,
    pub content: Content,
    pub material: Material,
    pub log: LogKind,
    /// Whether a timestamp authority stamps the signature.
    pub stamped: bool,
    pub artifact: Vec<u8>,
    /// An address, or an URI with `://` in it.
    pub identity: String,
    pub issuer: String,
    pub signed_at: Timestamp,
    pub fault: Option<Fault>,
}

impl Recipe {
    /// The most common bundle: an artifact signed by a workflow, logged in Rekor v1, in version 0.3.
    pub fn new(artifact: impl Into<Vec<u8>>, signed_at: Timestamp) -> Self {
        Self {
            version: Version::V03,
            content: Content::Message,
            material: Material::Certificate,
            log: LogKind::First,
            stamped: false,
            artifact: artifact.into(),
            identity: "https://git.example.com/acme/policies/release.yml@refs/heads/main"
                .to_owned(),
            issuer: "https://token.example.com".to_owned(),
            signed_at,
            fault: None,
        }
    }

    /// The same with a timestamp of its own, in Rekor v2, which knows no time.
    #[must_use]
    pub fn in_second_log(mut self) -> Self {
        self.log = LogKind::Second;
        self.stamped = true;
        self
    }

    /// The same without a log: the timestamp alone says when.
    #[must_use]
    pub fn stamped_only(mut self) -> Self {
        self.log = LogKind::Nowhere;
        self.stamped = true;
        self
    }

    /// The same, with one thing wrong.
    #[must_use]
    pub fn broken(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

/// A bundle with everything that is needed to judge it.
#[derive(Debug, Clone)]
pub struct Issued {
    pub artifact: Vec<u8>,
    pub bundle: Value,
    pub trusted_root: Value,
    /// The public key in PEM, for bundles without a certificate.
    pub key_pem: Option<String>,
    pub identity: String,
    pub issuer: String,
    pub signed_at: Timestamp,
    pub(crate) twice: bool,
}

impl Issued {
    /// The bundle as a file.
    pub fn bundle_json(&self) -> String {
        let text = self.bundle.to_string();
        if self.twice {
            return text.replacen("\"signature\":", "\"signature\":\"AAAA\",\"signature\":", 1);
        }
        text
    }

    /// The trusted root as a file.
    pub fn trusted_root_json(&self) -> String {
        self.trusted_root.to_string()
    }
}
