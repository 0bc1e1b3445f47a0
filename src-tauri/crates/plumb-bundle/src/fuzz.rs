//! Bodies of the fuzz targets in `tests/fuzz`: what must hold for every input.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use crate::{
    Bundle, OpaArchive, PolicyPack, SignedJson,
    canonical::{canonical, canonicalise},
    formats::{
        archive::{ArchiveError, Members},
        opa_archive, pack,
    },
    json::{Layout, parse, print},
};

/// Signed JSON: both readers agree, the canonical form is a fixed point, printing loses nothing.
pub fn signed_json(bytes: &[u8]) {
    let (text, value) = (canonicalise(bytes), parse(bytes));
    assert_eq!(text.is_ok(), value.is_ok(), "both readers accept the same texts: {value:?}");
    if let (Ok(text), Ok(value)) = (text, value) {
        assert_eq!(canonical(&value), text, "both ways lead to one canonical form");
        assert_eq!(canonicalise(text.as_bytes()).as_ref(), Ok(&text), "a fixed point");
        for layout in [Layout::PythonFile, Layout::ForPeople] {
            let printed = print(&value, layout);
            assert_eq!(
                canonicalise(printed.as_bytes()).as_ref(),
                Ok(&text),
                "printing loses nothing"
            );
        }
    }
    if let Ok(bundle) = SignedJson::read(bytes) {
        let signed = bundle.signed_text();
        assert_eq!(
            canonicalise(signed.as_bytes()).as_ref(),
            Ok(&signed),
            "what is signed is canonical"
        );
        assert_eq!(bundle.to_unsigned().signed_hash(), bundle.signed_hash(), "one hash");
        for ((id, effect, text), rule) in bundle.policies().zip(bundle.rules()) {
            let policy = parse(text.as_bytes()).expect("a policy's text is JSON");
            assert_eq!(policy.get("id").and_then(|id| id.as_str()), Some(id), "its own id");
            assert_eq!((rule.id, rule.effect), (id, effect), "rules stand in the same order");
        }
    }
}

/// OPA archives: no member escapes, and what was read can be written and read again. The input is
/// tried as it is and as a tar, because few changed bytes of a gzip reach the tar inside.
pub fn opa_archive(bytes: &[u8]) {
    opa_gzip(bytes);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(bytes).expect("memory takes bytes");
    opa_gzip(&gzip.finish().expect("memory takes bytes"));
}

fn opa_gzip(bytes: &[u8]) {
    if let Ok(archive) = OpaArchive::read(bytes) {
        let _ = archive.file_hashes();
        check_members(archive.files(), opa_archive::write, |bytes| {
            Ok(OpaArchive::read(bytes)?.files().clone())
        });
    }
    let _ = Bundle::read(bytes);
}

/// Policy packs, likewise.
pub fn pack(bytes: &[u8]) {
    if let Ok(read) = PolicyPack::read(bytes) {
        check_members(read.files(), crate::formats::archive::write, |bytes| {
            Ok(PolicyPack::read(bytes)?.files().clone())
        });
        if let Ok(written) = pack::write(read.manifest(), read.files()) {
            let again = PolicyPack::read(&written).expect("a written pack is sound");
            let described = again.described_digest().expect("it was written from this");
            assert_eq!(again.claimed_digest(), Some(described), "the manifest names its pack");
        }
    }
    let _ = Bundle::read(bytes);
}

fn check_members(
    files: &Members,
    write: fn(&Members) -> Result<Vec<u8>, ArchiveError>,
    read: fn(&[u8]) -> Result<Members, ArchiveError>,
) {
    for path in files.keys() {
        assert!(!path.starts_with('/') && !path.contains('\\'), "{path:?} is relative");
        assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path:?} is plain");
    }
    // A name without a place to split it does not fit a `ustar` header: refused, never cut.
    if let Ok(written) = write(files) {
        assert_eq!(read(&written).expect("what was written is sound"), *files, "nothing is lost");
    }
}
