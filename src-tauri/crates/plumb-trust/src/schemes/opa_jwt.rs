//! Signatures of OPA bundles: a JSON web token in `.signatures.json` that lists every file with its
//! hash (<https://www.openpolicyagent.org/docs/latest/management-bundles/#signing>).

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use plumb_bundle::{
    OpaArchive,
    canonical::canonical,
    formats::{
        archive::Members,
        opa_archive::{SIGNATURES, file_hash},
    },
    json::{Value, parse},
};
use rsa::{RsaPublicKey, pkcs1v15, sha2::Sha256, signature::Verifier as _};

use super::rsa_pss::{cut, verifies};
use crate::{
    keys::{JwtAlgorithm, KeySet, PublicKey, TrustedKey, salt_max},
    random::Fill,
    signing::{SignError, SigningKey},
    verdict::{CheckName, KeyUse, Verdict},
};

/// Longest accepted `.signatures.json`: a line of 200 bytes for each of 20,000 files, in base64.
const SIGNATURES_BYTES_MAX: usize = 8 << 20;
/// Names of files shown in a message.
const NAMES_SHOWN: usize = 3;

/// What follows the first check.
const REST: [CheckName; 4] =
    [CheckName::Algorithm, CheckName::TrustedSignature, CheckName::Scope, CheckName::Files];

/// A token taken apart, not yet believed.
#[derive(Debug)]
struct Token {
    algorithm: String,
    payload: Value,
    key_hint: Option<String>,
    signed: String,
    signature: Vec<u8>,
}

/// Checks an OPA bundle: one token, by a trusted key configured for the token's algorithm, for this
/// scope, naming exactly the files of the archive with their hashes.
pub fn verify_opa_bundle(archive: &OpaArchive, keys: &KeySet, scope: Option<&str>) -> Verdict {
    let mut verdict = Verdict::new(None);
    let token = match read_token(archive) {
        Ok(token) => token,
        Err(problem) => {
            verdict.check(CheckName::SignaturePresent, false, problem);
            return verdict.skip(&REST);
        }
    };
    verdict.check(CheckName::SignaturePresent, true, "one signature");
    verdict.hint(token.key_hint.clone());
    let Some(algorithm) = JwtAlgorithm::from_name(&token.algorithm) else {
        let problem = format!("{:?} is not RS256, PS256 or ES256", cut(&token.algorithm));
        verdict.check(CheckName::Algorithm, false, problem);
        return verdict.skip(&REST[1..]);
    };
    let candidates: Vec<&TrustedKey> =
        keys.iter().filter(|key| key.algorithm() == algorithm).collect();
    if candidates.is_empty() {
        let problem = format!("signed with {algorithm}, for which no trusted key is configured");
        verdict.check(CheckName::Algorithm, false, problem);
        return verdict.skip(&REST[1..]);
    }
    verdict.check(CheckName::Algorithm, true, algorithm.as_str());
    let Some(key) = candidates.iter().find(|key| signed_by(key, algorithm, &token)) else {
        let problem = format!("by none of {} trusted {algorithm} keys", candidates.len());
        verdict.check(CheckName::TrustedSignature, false, problem);
        return verdict.skip(&REST[2..]);
    };
    verdict.check(CheckName::TrustedSignature, true, format!("by {}", key.id()));
    verdict.carried_by(KeyUse::of(algorithm.as_str(), key));
    check_scope(&mut verdict, &token.payload, scope);
    match compare_files(archive, &token.payload) {
        Ok(count) => verdict.check(CheckName::Files, true, format!("{count} files as signed")),
        Err(problem) => verdict.check(CheckName::Files, false, problem),
    };
    verdict
}

fn read_token(archive: &OpaArchive) -> Result<Token, String> {
    let text = archive.signatures().ok_or("the archive has no .signatures.json")?;
    if text.len() > SIGNATURES_BYTES_MAX {
        return Err(format!(".signatures.json has more than {SIGNATURES_BYTES_MAX} bytes"));
    }
    let document = parse(text).map_err(|error| format!(".signatures.json: {error}"))?;
    match document.get("plugin") {
        None | Some(Value::Null) => {}
        Some(plugin) if matches!(plugin.as_str(), Some("" | "_default")) => {}
        Some(_) => return Err("signed for a verification plugin of OPA's".to_owned()),
    }
    let tokens = document.get("signatures").and_then(Value::as_array).unwrap_or_default();
    match tokens {
        [token] => take_apart(token.as_str().ok_or(".signatures.json: a signature is no text")?),
        [] => Err(".signatures.json holds no signature".to_owned()),
        _ => Err("more than one signature; OPA accepts exactly one".to_owned()),
    }
}

fn take_apart(token: &str) -> Result<Token, String> {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("the signature is not a JSON web token".to_owned());
    };
    let decode = |name: &str, part: &str| {
        URL_SAFE_NO_PAD.decode(part).map_err(|_| format!("the token's {name} is not base64url"))
    };
    let read = |name: &str, part: &str| {
        parse(&decode(name, part)?).map_err(|error| format!("the token's {name}: {error}"))
    };
    let (head, body) = (read("header", header)?, read("payload", payload)?);
    if head.get("crit").is_some() {
        return Err("the token asks for extensions that are not known here".to_owned());
    }
    let text = |value: &Value, key| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Token {
        algorithm: text(&head, "alg").ok_or("the token names no algorithm")?,
        key_hint: text(&head, "kid").or_else(|| text(&body, "keyid")),
        payload: body,
        signed: format!("{header}.{payload}"),
        signature: decode("signature", signature)?,
    })
}

fn signed_by(key: &TrustedKey, algorithm: JwtAlgorithm, token: &Token) -> bool {
    let (message, signature) = (token.signed.as_bytes(), token.signature.as_slice());
    match (&key.public, algorithm) {
        (PublicKey::Rsa(key), JwtAlgorithm::Rs256) => rs256(key, message, signature),
        // RFC 7518 says a salt of 32 bytes; OPA itself signs with the longest one.
        (PublicKey::Rsa(key), JwtAlgorithm::Ps256) => {
            verifies(key, 32, message, signature)
                || verifies(key, salt_max(key), message, signature)
        }
        (PublicKey::P256(point), JwtAlgorithm::Es256) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok()
        }
        _ => false,
    }
}

fn rs256(key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> bool {
    let verifier = pkcs1v15::VerifyingKey::<Sha256>::new(key.clone());
    pkcs1v15::Signature::try_from(signature)
        .is_ok_and(|signature| verifier.verify(message, &signature).is_ok())
}

fn check_scope(verdict: &mut Verdict, payload: &Value, wanted: Option<&str>) {
    let signed = match payload.get("scope") {
        None => Some(""),
        Some(scope) => scope.as_str(),
    };
    let wanted = wanted.unwrap_or_default();
    let shown = |scope: &str| {
        if scope.is_empty() { "no scope".to_owned() } else { format!("scope {:?}", cut(scope)) }
    };
    let same = signed == Some(wanted);
    let detail = if same {
        shown(wanted)
    } else {
        let signed = signed.map_or_else(|| "a scope that is no text".to_owned(), shown);
        format!("signed for {signed}, wanted {}", shown(wanted))
    };
    verdict.check(CheckName::Scope, same, detail);
}

/// Compares the signed list with the archive, both ways.
fn compare_files(archive: &OpaArchive, payload: &Value) -> Result<usize, String> {
    let mut signed = signed_files(payload)?;
    let present = archive.file_hashes().map_err(|error| chain(&error))?;
    let count = present.len();
    let (mut unsigned, mut changed) = (Vec::new(), Vec::new());
    for file in present {
        match signed.remove(&file.name) {
            None => unsigned.push(file.name),
            Some(hash) if hash != file.hash.to_hex() => changed.push(file.name),
            Some(_) => {}
        }
    }
    let missing: Vec<String> = signed.into_keys().collect();
    let problems: Vec<String> =
        [("not signed", unsigned), ("changed", changed), ("missing", missing)]
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(problem, names)| format!("{problem}: {}", some_of(&names)))
            .collect();
    if problems.is_empty() { Ok(count) } else { Err(problems.join("; ")) }
}

fn signed_files(payload: &Value) -> Result<BTreeMap<String, String>, String> {
    let files = payload.get("files").and_then(Value::as_array).ok_or("the token lists no files")?;
    let mut signed = BTreeMap::new();
    for file in files {
        let text = |key| file.get(key).and_then(Value::as_str);
        let (Some(name), Some(hash)) = (text("name"), text("hash")) else {
            return Err("the token lists a file without name or hash".to_owned());
        };
        let name = name.trim_start_matches('/');
        match text("algorithm").map(str::to_ascii_uppercase).as_deref() {
            None | Some("" | "SHA-256") => {}
            Some(other) => {
                return Err(format!(
                    "{:?} is hashed with {:?}, not SHA-256",
                    cut(name),
                    cut(other)
                ));
            }
        }
        if signed.insert(name.to_owned(), hash.to_ascii_lowercase()).is_some() {
            return Err(format!("the token lists {:?} twice", cut(name)));
        }
    }
    Ok(signed)
}

fn some_of(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| cut(name)).collect();
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{rest}", shown.join(", "))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Signs the files of an OPA bundle: adds `.signatures.json`, in place of one that is there.
pub fn sign_opa_files(
    files: &Members,
    key: &SigningKey,
    algorithm: JwtAlgorithm,
    key_id: &str,
    scope: Option<&str>,
    fill: Fill<'_>,
) -> Result<Members, SignError> {
    let mut listed = Vec::new();
    for (path, content) in files.iter().filter(|(path, _)| path.as_str() != SIGNATURES) {
        let file = file_hash(path, content)
            .map_err(|error| SignError::File { name: path.clone(), problem: chain(&error) })?;
        listed.push(Value::object([
            ("name", Value::from(file.name.as_str())),
            ("hash", Value::from(file.hash.to_hex().as_str())),
            ("algorithm", Value::from("SHA-256")),
        ]));
    }
    let mut payload =
        Value::object([("files", Value::Array(listed)), ("keyid", Value::from(key_id))]);
    if let Some(scope) = scope {
        payload.set("scope", Value::from(scope));
    }
    let header = Value::object([
        ("alg", Value::from(algorithm.as_str())),
        ("kid", Value::from(key_id)),
        ("typ", Value::from("JWT")),
    ]);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(canonical(value));
    let signed = format!("{}.{}", part(&header), part(&payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign_jwt(algorithm, signed.as_bytes(), fill)?);
    let token = format!("{signed}.{signature}");
    let document = Value::object([("signatures", Value::Array(vec![Value::from(token.as_str())]))]);
    let mut files = files.clone();
    files.insert(SIGNATURES.to_owned(), canonical(&document).into_bytes());
    Ok(files)
}
