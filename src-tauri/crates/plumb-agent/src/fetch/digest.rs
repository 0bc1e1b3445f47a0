//! The `Digest` header: `sha-256=<hex>` as the field sends it, or base64 as RFC 3230 says.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use plumb_fleet::Digest;

/// Why a `Digest` header says nothing that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestFieldError {
    #[error("it names no sha-256")]
    NoSha256,
    #[error("its sha-256 is neither 64 hex digits nor 44 characters of base64")]
    Unreadable,
    #[error("it names two different sha-256")]
    Contradicts,
}

/// Reads the SHA-256 of a `Digest` header.
pub fn read_digest_field(field: &str) -> Result<Digest, DigestFieldError> {
    let mut found = None;
    for part in field.split(',') {
        let Some((algorithm, value)) = part.trim().split_once('=') else { continue };
        if !algorithm.trim().eq_ignore_ascii_case("sha-256") {
            continue;
        }
        let digest = read_value(value.trim()).ok_or(DigestFieldError::Unreadable)?;
        if found.is_some_and(|found| found != digest) {
            return Err(DigestFieldError::Contradicts);
        }
        found = Some(digest);
    }
    found.ok_or(DigestFieldError::NoSha256)
}

fn read_value(value: &str) -> Option<Digest> {
    if value.len() == 64 {
        return value.to_ascii_lowercase().parse().ok();
    }
    let bytes = STANDARD.decode(value).ok().filter(|bytes| bytes.len() == 32)?;
    hex::encode(bytes).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_base64_name_the_same_digest() {
        let digest = Digest::of(b"pack");
        let base64 = STANDARD.encode(digest.as_bytes());
        for field in [
            format!("sha-256={digest}"),
            format!("SHA-256={}", digest.to_hex().to_uppercase()),
            format!("sha-256={base64}"),
            format!("md5=HUXZLQLMuI/KZ5KDcJPcOA==, sha-256={base64}"),
            format!("sha-256={digest},sha-256={base64}"),
        ] {
            assert_eq!(read_digest_field(&field), Ok(digest), "{field}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_no_digest() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let check = |field: &str, expected| assert_eq!(read_digest_field(field), Err(expected));
        check("", DigestFieldError::NoSha256);
        check("sha-512=abc", DigestFieldError::NoSha256);
        check("sha-256", DigestFieldError::NoSha256);
        check("sha-256=", DigestFieldError::Unreadable);
        check(&format!("sha-256={}", &one.to_hex()[..63]), DigestFieldError::Unreadable);
        check(&format!("sha-256={one},sha-256={two}"), DigestFieldError::Contradicts);
    }
}
