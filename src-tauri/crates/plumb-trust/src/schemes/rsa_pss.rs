//! Signatures inside signed JSON bundles: RSA-PSS (RFC 8017, 8.1) with MGF1-SHA-256, SHA-256 and
//! the longest salt, over the 64 hex characters of the bundle's hash, not over the bundle.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use plumb_bundle::{
    BundleError, SignedJson,
    formats::signed_json::{SIGNATURE_ALGORITHM, SignatureBlock, UnsignedBundle},
};
use plumb_fleet::ids::Digest;
use rsa::{RsaPublicKey, pss, sha2::Sha256, signature::Verifier as _};

use crate::{
    keys::{KeySet, PublicKey, TrustedKey, salt_max},
    random::Fill,
    signing::{SignError, SigningKey},
    verdict::{CheckName, KeyUse, Verdict},
};

/// How a verdict names this scheme.
pub const SCHEME: &str = "rsa-pss-sha256";

/// Longest signature text looked at: 8192 bits in base64.
const SIGNATURE_TEXT_BYTES_MAX: usize = 1_400;

/// Reads a bundle and checks its signature.
pub fn verify_signed_json_bytes(bytes: &[u8], keys: &KeySet) -> Result<Verdict, BundleError> {
    Ok(verify_signed_json(&SignedJson::read(bytes)?, keys))
}

/// Checks the signature of a bundle against every trusted RSA key, whatever key the file names.
pub fn verify_signed_json(bundle: &SignedJson, keys: &KeySet) -> Verdict {
    let Some(signature) = bundle.signature() else {
        let mut verdict = Verdict::new(None);
        verdict.check(CheckName::SignaturePresent, false, "the bundle is not signed");
        let rest = [CheckName::Algorithm, CheckName::ContentHash, CheckName::TrustedSignature];
        return verdict.skip(&rest);
    };
    verify_block(signature, bundle.signed_hash(), keys)
}

/// Checks a signature section over a hash that was computed by the caller.
pub fn verify_block(signature: &SignatureBlock, hash: Digest, keys: &KeySet) -> Verdict {
    let mut verdict = Verdict::new(signature.key_id.clone());
    verdict.check(CheckName::SignaturePresent, true, "one signature");
    let named = &signature.algorithm;
    let known = named == SIGNATURE_ALGORITHM;
    let detail = if known {
        named.clone()
    } else {
        format!("{:?} is not {SIGNATURE_ALGORITHM}", cut(named))
    };
    if !verdict.check(CheckName::Algorithm, known, detail) {
        return verdict.skip(&[CheckName::ContentHash, CheckName::TrustedSignature]);
    }
    let hex = hash.to_hex();
    let same = signature.hash == hex;
    let detail = if same {
        format!("sha256:{hex}")
    } else {
        format!(
            "the file says {:?}, its content has {hex}: it was changed after signing",
            cut(&signature.hash)
        )
    };
    verdict.check(CheckName::ContentHash, same, detail);
    check_signature(&mut verdict, signature, hex.as_bytes(), keys);
    verdict
}

fn check_signature(
    verdict: &mut Verdict,
    signature: &SignatureBlock,
    message: &[u8],
    keys: &KeySet,
) {
    const NAME: CheckName = CheckName::TrustedSignature;
    let candidates: Vec<(&TrustedKey, &RsaPublicKey)> = keys
        .iter()
        .filter_map(|key| match &key.public {
            PublicKey::Rsa(public) => Some((key, public)),
            PublicKey::P256(_) => None,
        })
        .collect();
    if candidates.is_empty() {
        verdict.check(NAME, false, "no RSA key is trusted");
        return;
    }
    let Some(bytes) = decode(&signature.signature_b64) else {
        verdict.check(NAME, false, "the signature is not valid base64");
        return;
    };
    let signed_by = |salt: fn(&RsaPublicKey) -> usize| {
        candidates.iter().find(|(_, key)| verifies(key, salt(key), message, &bytes))
    };
    if let Some((key, _)) = signed_by(salt_max) {
        verdict.check(NAME, true, format!("by {}", key.id()));
        verdict.carried_by(KeyUse::of(SCHEME, key));
    } else if let Some((key, _)) = signed_by(|_| 32) {
        let problem = "with a salt of 32 bytes, not of the maximum length this format asks for";
        verdict.check(NAME, false, format!("by {}, but {problem}", key.id()));
    } else {
        let hint = signature
            .key_id
            .as_deref()
            .map_or_else(String::new, |id| format!("; the file names the key {:?}", cut(id)));
        verdict.check(NAME, false, format!("by none of {} trusted keys{hint}", candidates.len()));
    }
}

/// True when a key made an RSA-PSS signature with a salt of this length.
pub(crate) fn verifies(key: &RsaPublicKey, salt: usize, message: &[u8], signature: &[u8]) -> bool {
    let verifier = pss::VerifyingKey::<Sha256>::new_with_salt_len(key.clone(), salt);
    pss::Signature::try_from(signature)
        .is_ok_and(|signature| verifier.verify(message, &signature).is_ok())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    (text.len() <= SIGNATURE_TEXT_BYTES_MAX).then(|| STANDARD.decode(text).ok()).flatten()
}

/// The start of a text from a file, for a message.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Signs a bundle; the file that results is what the field's service accepts.
pub fn sign_bundle(
    bundle: &UnsignedBundle,
    key: &SigningKey,
    key_id: &str,
    fill: Fill<'_>,
) -> Result<Vec<u8>, SignError> {
    let hash = bundle.signed_hash().to_hex();
    let signature = key.sign_pss_max(hash.as_bytes(), fill)?;
    Ok(bundle.to_signed_file(&SignatureBlock {
        algorithm: SIGNATURE_ALGORITHM.to_owned(),
        key_id: Some(key_id.to_owned()),
        signature_b64: STANDARD.encode(signature),
        hash,
    }))
}
