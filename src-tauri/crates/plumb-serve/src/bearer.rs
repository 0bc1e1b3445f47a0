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
    match bearer(headers) {
        None if !headers.contains_key(header::AUTHORIZATION) => Bearer::Missing,
        Some(shown) if same(shown, token.expose_secret().as_bytes()) => Bearer::Right,
        _ => Bearer::Wrong,
    }
}

/// The bearer token of a request, where it shows one.
pub fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let shown = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = shown.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Compares in constant time; hashing first hides the length too.
pub fn same(shown: &[u8], expected: &[u8]) -> bool {
    let (shown, expected) = (Digest::of(shown), Digest::of(expected));
    aws_lc_rs::constant_time::verify_slices_are_equal(shown.as_bytes(), expected.as_bytes()).is_ok()
}
