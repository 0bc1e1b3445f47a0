//! What is said to be signed: the artifact itself, or a statement about it.

use plumb_bundle::json::{Value, parse};
use sigstore_types::{DsseEnvelope, HashAlgorithm, MessageSignature};

use super::Artifact;

/// The only content of an envelope that says which artifact it is about.
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
/// Versions of the in-toto statement.
const STATEMENTS: [&str; 2] =
    ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

/// Compares the digest that a bundle states with the artifact.
pub(super) fn digest(artifact: Artifact<'_>, message: &MessageSignature) -> Result<String, String> {
    let Some(stated) = &message.message_digest else {
        return Ok("the bundle states none; the signature covers the artifact".to_owned());
    };
    let own = match (stated.algorithm, artifact) {
        (HashAlgorithm::Sha2256, _) => artifact.sha256().as_bytes().to_vec(),
        (HashAlgorithm::Sha2384, Artifact::Bytes(bytes)) => {
            sigstore_crypto::sha384(bytes).as_bytes().to_vec()
        }
        (HashAlgorithm::Sha2512, Artifact::Bytes(bytes)) => {
            sigstore_crypto::sha512(bytes).as_bytes().to_vec()
        }
        (algorithm, Artifact::Digest(_)) => {
            return Err(format!(
                "the bundle states {algorithm}: give the artifact, not its SHA-256"
            ));
        }
        (algorithm, Artifact::Bytes(_)) => return Err(format!("{algorithm} is not known here")),
    };
    let (stated, own) = (hex::encode(stated.digest.as_bytes()), hex::encode(own));
    if stated == own {
        Ok(own)
    } else {
        Err(format!("the bundle is for {stated}, the artifact is {own}"))
    }
}

/// Finds the artifact among the subjects of a statement.
pub(super) fn subject(artifact: Artifact<'_>, envelope: &DsseEnvelope) -> Result<String, String> {
    if envelope.payload_type != STATEMENT_TYPE {
        let named: String = envelope.payload_type.chars().take(80).collect();
        return Err(format!("the envelope holds {named:?}, not an in-toto statement"));
    }
    let statement = parse(envelope.payload.as_bytes())
        .map_err(|error| format!("the statement cannot be read: {error}"))?;
    let version = statement.get("_type").and_then(Value::as_str).unwrap_or_default();
    if !STATEMENTS.contains(&version) {
        let version: String = version.chars().take(80).collect();
        return Err(format!("{version:?} is not a statement this version knows"));
    }
    let digest = artifact.sha256();
    let own = digests(artifact);
    let subjects = statement.get("subject").and_then(Value::as_array).unwrap_or_default();
    let about = |subject: &&Value| is_about(subject, &own);
    let Some(found) = subjects.iter().find(about) else {
        let count = subjects.len();
        return Err(format!("none of {count} subjects is sha256:{digest}"));
    };
    let name = found.get("name").and_then(Value::as_str).unwrap_or_default();
    let predicate = statement.get("predicateType").and_then(Value::as_str).unwrap_or_default();
    Ok(format!("{name:?} in a statement of type {predicate:?}"))
}

/// The digests of an artifact under the names that statements use.
fn digests(artifact: Artifact<'_>) -> Vec<(&'static str, String)> {
    let mut digests = vec![("sha256", artifact.sha256().to_hex())];
    if let Artifact::Bytes(bytes) = artifact {
        digests.push(("sha384", hex::encode(sigstore_crypto::sha384(bytes).as_bytes())));
        digests.push(("sha512", hex::encode(sigstore_crypto::sha512(bytes).as_bytes())));
    }
    digests
}

/// Whether a subject names the artifact: one known digest fits, and none that is known differs.
fn is_about(subject: &Value, own: &[(&'static str, String)]) -> bool {
    let stated = |name: &str| subject.get("digest")?.get(name)?.as_str();
    let found: Vec<bool> =
        own.iter().filter_map(|(name, own)| Some(stated(name)? == own.as_str())).collect();
    !found.is_empty() && found.iter().all(|fits| *fits)
}
