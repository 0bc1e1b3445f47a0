//! Fuzz bodies over their corpus and seeded mutations.

use std::path::Path;

use plumb_bundle::fuzz;
use plumb_testkit::mutate::mutations;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fuzz/corpus");
const COUNT: usize = 10_000;

#[test]
fn signed_json_holds_over_mutations() {
    mutations("signed_json", &Path::new(CORPUS).join("signed_json"), COUNT, fuzz::signed_json);
}

#[test]
fn opa_archives_hold_over_mutations() {
    mutations("opa_archive", &Path::new(CORPUS).join("opa_archive"), COUNT, fuzz::opa_archive);
}

#[test]
fn policy_packs_hold_over_mutations() {
    mutations("pack", &Path::new(CORPUS).join("pack"), COUNT, fuzz::pack);
}
