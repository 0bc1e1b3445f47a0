//! Bearer tokens, compared without telling anything by the time it takes.

use axum::http::{HeaderMap, header};
use plumb_fleet::Digest;
use secrecy::{ExposeSecret as _, SecretString};

/// What a request shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    Missing,
    Wrong,
    Right,
}

/// Looks for the token in a request's headers.
pub fn shows(headers: &HeaderMap, token: &SecretString) -> Bearer {
    let Some(shown) = headers.get(header::AUTHORIZATION) else { return Bearer::Missing };
    let bearer = shown
        .as_bytes()
        .split_at_checked(7)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    match bearer {
        Some((_, shown)) if same(shown, token.expose_secret().as_bytes()) => Bearer::Right,
        _ => Bearer::Wrong,
    }
}

/// Compares in constant time; hashing first hides the length too.
fn same(shown: &[u8], expected: &[u8]) -> bool {
    let (shown, expected) = (Digest::of(shown.trim_ascii()), Digest::of(expected));
    aws_lc_rs::constant_time::verify_slices_are_equal(shown.as_bytes(), expected.as_bytes()).is_ok()
}
