//! Times reading, canonicalising and hashing of signed JSON bundles: best of nine, in milliseconds.

use std::{hint::black_box, time::Instant};

use plumb_bundle::{
    SignedJson,
    canonical::canonicalise,
    json::{Layout, parse, print},
};
use plumb_fleet::ids::{BundleDigest, Digest};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let write = |text: String| {
        use std::io::Write as _;
        writeln!(std::io::stdout(), "{text}")
    };
    write("policies  layout   bytes       utf8+parse+canon  signed-hash  refs   file-hash  copy   tree".into())?;
    for policies in [5, 50, 500, 5_000] {
        let compact = bundle(policies);
        let indented = print(&parse(compact.as_bytes())?, Layout::PythonFile);
        for (layout, text) in [("compact", compact), ("indented", indented)] {
            let bytes = text.as_bytes();
            let read = best(|| SignedJson::read(bytes).map(|b| b.policies_count()));
            let bundle = SignedJson::read(bytes)?;
            assert_eq!(canonicalise(bytes)?, bundle.signed_text(), "nothing here is unsigned");
            let hash = best(|| bundle.signed_hash());
            let refs = best(|| bundle.policy_refs());
            let file = best(|| Digest::of(bytes));
            let known = bundle.policy_refs();
            let copy = best(|| bundle.to_bundle_with(BundleDigest(Digest::of(b"")), known.clone()));
            let tree = best(|| parse(bytes).is_ok());
            write(format!(
                "{policies:8}  {layout:8} {:9} {read:17.3} {hash:12.3} {refs:6.3} {file:9.3} {copy:7.3} {tree:7.3}",
                bytes.len()
            ))?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "measuring time is what this program does")]
fn best<T>(mut work: impl FnMut() -> T) -> f64 {
    let times = (0..9).map(|_| {
        let start = Instant::now();
        black_box(work());
        start.elapsed().as_secs_f64() * 1_000.0
    });
    times.fold(f64::INFINITY, f64::min)
}

/// About 2 KB a policy, with keys in the order people write them.
fn bundle(policies: usize) -> String {
    let policy = |index: usize| {
        let scopes: Vec<String> =
            (0..40).map(|n| format!("\"scope.{index}.read-write.{n:04}\"")).collect();
        format!(
            "{{\"id\":\"capability.area-{index:05}\",\"effect\":\"allow\",\"priority\":{index},\"description\":\"Allow area {index} \
             for the people who work there, caf\\u00e9 included\",\"conditions\":{{\"data_classification\":[\"public\",\"internal\"],\
             \"time_restrictions\":{{\"start\":\"08:00\",\"end\":\"18:30\"}},\"required_scopes\":[{}],\"weight\":0.{index}5}}}}",
            scopes.join(","),
        )
    };
    let policies: Vec<String> = (0..policies).map(policy).collect();
    format!(
        "{{\"metadata\":{{\"bundle_id\":\"speed\",\"version\":\"1.0.0\",\"issued_at\":\"2026-11-21T05:35:42Z\"}},\"policies\":[{}]}}",
        policies.join(",")
    )
}
