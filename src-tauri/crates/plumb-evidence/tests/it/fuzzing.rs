//! The body of the fuzz target, over its corpus and seeded mutations.

use std::path::Path;

use plumb_testkit::mutate::mutations;

#[test]
fn nothing_makes_the_reader_panic() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fuzz/corpus/evidence");
    if std::env::var_os("PLUMB_REGENERATE").is_some() {
        std::fs::write(corpus.join("sealed.zip"), crate::support::plain()).expect("written");
    }
    mutations("evidence", &corpus, 3_000, plumb_evidence::fuzz::evidence);
}
