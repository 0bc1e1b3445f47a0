//! The bodies of the fuzz targets over their corpus and 10,000 seeded mutations of it.

use std::path::Path;

use plumb_clients::fuzz;
use plumb_testkit::mutate::mutations;

const MUTATIONS: usize = 10_000;

fn check(target: &str, body: fn(&[u8])) {
    let corpus =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fuzz/corpus").join(target);
    mutations(target, &corpus, MUTATIONS, body);
}

#[test]
fn prometheus() {
    check("prometheus", fuzz::prometheus);
}

#[test]
fn wire_reload() {
    check("wire_reload", fuzz::wire_reload);
}

#[test]
fn wire_opa() {
    check("wire_opa", fuzz::wire_opa);
}

#[test]
fn wire_agent() {
    check("wire_agent", fuzz::wire_agent);
}
