//! How fast this machine is right now: SHA-256 of 64 MB, timed in the same run as the figures.

use std::hint::black_box;

use sha2::{Digest as _, Sha256};

use crate::report::best_of_five;

/// What the loop takes on an idle core of the machine where the limits were set, in milliseconds: an AMD EPYC
/// with SHA extensions and two cores. Measured as the best of 3,000 slices of 1 MB, times 64, which no other
/// process interrupts.
pub const REFERENCE_MS: f64 = 28.8;

const BYTES: usize = 64_000_000;

/// Milliseconds of the loop on this machine.
pub fn measured() -> f64 {
    let bytes = vec![0x5a_u8; BYTES];
    best_of_five(|| black_box(Sha256::digest(black_box(&bytes))))
}
