//! Why there are checks of our own: what the library accepts by itself.

use plumb_pki::{Fault, Recipe, Version};
use sigstore_trust_root::TrustedRoot;
use sigstore_types::Bundle;
use sigstore_verify::{VerificationPolicy, Verifier};

use super::{failed, issue, profile, recipe, verdict};

/// Whether the library alone would have accepted a bundle. If one day it refuses these, our check is
/// a second one; it stays.
#[track_caller]
fn alone(recipe: &Recipe, expected: &str) -> bool {
    let issued = issue(recipe);
    let bundle = issued.bundle_json();
    assert_eq!(failed(&verdict(&issued, bundle.as_bytes(), profile(recipe))), expected);
    let root = TrustedRoot::from_json(&issued.trusted_root_json()).expect("a root");
    let bundle = Bundle::from_json(&bundle).expect("a bundle");
    let verifier = Verifier::new(&root).expect("a usable root");
    verifier.verify(&issued.artifact[..], &bundle, &VerificationPolicy::any_identity()).is_ok()
}

#[test]
fn a_checkpoint_of_another_trusted_log_is_refused_by_us_only() {
    assert!(alone(&recipe().broken(Fault::CheckpointOfAnotherLog), "log.checkpoint"));
    let second = recipe().in_second_log();
    assert!(alone(&second.broken(Fault::CheckpointOfAnotherLog), "log.checkpoint"));
}

#[test]
fn a_checkpoint_of_a_retired_key_is_refused_by_us_only() {
    assert!(alone(&recipe().broken(Fault::CheckpointOfRetiredKey), "log.checkpoint"));
}

#[test]
fn a_log_key_retired_before_the_signature_is_refused_by_us_only() {
    assert!(alone(&recipe().in_second_log().broken(Fault::LogKeyRetired), "log.key_window"));
}

#[test]
fn a_version_turned_back_to_drop_the_proof_is_refused_by_us_only() {
    let chain = Recipe { version: Version::V02, ..recipe() };
    assert!(alone(&chain.broken(Fault::ProofMissingInVersion1), "log.inclusion_proof"));
}

#[test]
fn a_root_inside_the_chain_is_refused_by_us_only() {
    let chain = Recipe { version: Version::V02, ..recipe() };
    assert!(alone(&chain.broken(Fault::RootInChain), "certificate.path"));
}
