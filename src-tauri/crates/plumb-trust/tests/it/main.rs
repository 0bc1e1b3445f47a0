//! What a verdict says about bundles of every kind.

mod approval;
mod dsse;
mod opa_jwt;
mod policy;
mod readiness;
mod refused;
mod roster;
mod rsa_pss;
mod sigstore;
mod timestamp;

use std::sync::LazyLock;

use plumb_trust::{SigningKey, Verdict};

/// A throw-away key; making one takes a moment, so the tests share it.
pub(crate) static RSA: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate_rsa(2048, &mut seeded(1)).expect("a key of 2048 bits"));

/// Reproducible bytes (SplitMix64), good enough for keys that are thrown away.
pub(crate) fn seeded(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut state = seed;
    move |buffer| {
        for chunk in buffer.chunks_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Every check as an operator reads it.
pub(crate) fn shown(verdict: &Verdict) -> Vec<String> {
    let checks = verdict.checks().iter();
    checks.map(|check| format!("{:?} {}: {}", check.outcome, check.name, check.detail)).collect()
}

/// The check that failed, as an operator reads it.
#[track_caller]
pub(crate) fn failure(verdict: &Verdict) -> String {
    assert!(!verdict.is_trusted(), "{verdict:?}");
    let check = verdict.failure().expect("an untrusted bundle has a failed check");
    format!("{}: {}", check.name, check.detail)
}
