use super::*;
use crate::bundle::BundleError;

const REGO: &[u8] = b"package authz\n\nimport rego.v1\n\ndefault allow := false\n";

fn files(manifest: &str) -> Members {
    Members::from([
        (MANIFEST.to_owned(), manifest.as_bytes().to_vec()),
        ("authz/authz.rego".to_owned(), REGO.to_vec()),
        ("data.json".to_owned(), b"{\"roles\": [1, 2.50]}".to_vec()),
    ])
}

#[test]
fn an_archive_becomes_a_bundle_of_its_modules() {
    let bytes = write(&files(
        r#"{"revision":"r42","roots":["/authz/"],"metadata":{"name":"authz bundle"}}"#,
    ))
    .unwrap();
    let bundle = Bundle::read(&bytes).unwrap();
    assert_eq!((bundle.id.as_str(), bundle.version.as_str()), ("authz bundle", "r42"));
    assert_eq!((bundle.format, bundle.ordering), (Format::OpaArchive, Ordering::Unordered));
    assert_eq!(bundle.policies.len(), 1);
    assert_eq!(bundle.policies[0].id, "authz/authz.rego");
    assert_eq!(bundle.policies[0].digest, Digest::of(REGO));
    assert_eq!(OpaArchive::read(&bytes).unwrap().manifest().roots, ["authz"]);
}

#[test]
fn a_bundle_without_revision_is_named_by_its_digest() {
    let mut files = files("{}");
    files.remove(MANIFEST);
    let bytes = write(&files).unwrap();
    let bundle = Bundle::read(&bytes).unwrap();
    assert_eq!(bundle.version.as_str(), format!("sha256:{}", bundle.digest.short()));
    assert_eq!(bundle.id, "opa");
}

#[test]
fn names_as_opa_build_writes_them_mean_the_root() {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in [("/.manifest", &b"{\"revision\":\"1\"}"[..]), ("/authz/a.rego", REGO)] {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    let tar = builder.into_inner().unwrap();
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
    gzip.write_all(&tar).unwrap();
    let bytes = gzip.finish().unwrap();
    let read = OpaArchive::read(&bytes).unwrap();
    assert_eq!(read.files().keys().collect::<Vec<_>>(), [".manifest", "authz/a.rego"]);
    // A pack is not written by `opa build`.
    assert!(crate::formats::pack::PolicyPack::read(&tar).is_err());
}

/// Captured from OPA 1.9.0: `wire/opa/signatures-*.decoded.json` and the manifest it served.
#[test]
fn file_hashes_are_those_of_opa() {
    for (revision, expected) in [
        ("rev-RS256", "188444f263cab5f9fa4902aa2893710273cf8eed101bf1724f508d22baf963c9"),
        ("rev-PS256", "a6e49d45fd8a81cd3072c5fa388d0530ee13f4ee1eed6b41a88f1db07a3d825a"),
        ("rev-ES256", "2acb31350ed8cb4bbcacbacd31a1cd0e013cac123c79c68f1adbdfa4ee9df54a"),
    ] {
        let manifest = format!(
            r#"{{"revision": "{revision}", "roots": ["authz"], "rego_version": 1,
                "metadata": {{"git": "abc123", "built_by": "test"}}}}"#
        );
        let hash = file_hash(MANIFEST, manifest.as_bytes()).unwrap().hash;
        assert_eq!(hash.to_hex(), expected, "{revision}");
    }
}

#[test]
fn structured_files_are_hashed_as_go_prints_them() {
    let hash = |path: &str, text: &str| file_hash(path, text.as_bytes()).unwrap().hash;
    let go = "{\"<a>\":\"é\u{7f}\\u2028\\b\u{fffd}\",\"n\":1.50}";
    assert_eq!(
        hash("x/data.json", r#"{ "n":1.50, "<a>":"\u00e9\u007f\u2028\u0008\ud800" }"#),
        Digest::of(go.as_bytes())
    );
    assert_eq!(hash("x/other.json", "{ }"), Digest::of(b"{ }"), "only data.json is structured");
    assert!(file_hash("data.yaml", b"a: 1").is_err());
}

#[test]
fn bad_archives_are_refused_with_a_reason() {
    let refuses = |bytes: &[u8], expected: &str| {
        let error = Bundle::read(bytes).unwrap_err();
        let BundleError::Archive(error) = error else { panic!("{error}") };
        assert_eq!(error.to_string(), expected);
    };
    let good = write(&files("{}")).unwrap();
    refuses(&good[..good.len() - 12], "is damaged, cut short, or not an archive");
    let mut wrong_checksum = good.clone();
    let at = wrong_checksum.len() - 6;
    wrong_checksum[at] ^= 1;
    refuses(&wrong_checksum, "is damaged, cut short, or not an archive");
    refuses(b"\x1f\x8bnonsense", "is damaged, cut short, or not an archive");
    refuses(&write(&files("[]")).unwrap(), "member \".manifest\": must be an object");
    refuses(
        &write(&files("{\"roots\":[1]}")).unwrap(),
        "member \".manifest\": a root must be a text",
    );
    refuses(&write(&files("{\"a\":1,\"a\":1}")).unwrap(), "member \".manifest\" is not valid JSON");
    refuses(
        &write(&files("{\"revision\":\"a\\u0007\"}")).unwrap(),
        "member \".manifest\": the version holds the control character '\\u{7}'",
    );
    refuses(&write(&Members::new()).unwrap(), "holds no Rego module");
    let latin = Members::from([("a.rego".to_owned(), b"\xe9".to_vec())]);
    refuses(&write(&latin).unwrap(), "member \"a.rego\" is not UTF-8 text");
}

#[test]
fn a_small_file_that_unpacks_huge_is_a_bomb() {
    let mut header = tar::Header::new_ustar();
    header.set_path("a.rego").unwrap();
    header.set_size(crate::limits::ARCHIVE_UNPACKED_BYTES_MAX + 1);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
    gzip.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..=crate::limits::ARCHIVE_UNPACKED_BYTES_MAX >> 20 {
        gzip.write_all(&zeros).unwrap();
    }
    let bytes = gzip.finish().unwrap();
    assert!(bytes.len() < 2 << 20, "a small file: {}", bytes.len());
    assert!(matches!(OpaArchive::read(&bytes), Err(ArchiveError::Bomb { .. })));
}

#[test]
fn data_is_what_a_bundle_means_though_no_node_reports_it() {
    let bundle = |changes: &[(&str, Option<&str>)]| {
        let mut files = files("{}");
        for (path, content) in changes {
            match content {
                Some(content) => files.insert((*path).to_owned(), content.as_bytes().to_vec()),
                None => files.remove(*path),
            };
        }
        Bundle::read(&write(&files).unwrap()).unwrap()
    };
    let base = bundle(&[]);
    let told = |after: &Bundle| -> Vec<String> {
        let diff = crate::diff::diff_data(&base.data, &after.data);
        assert_eq!(diff.is_empty(), base.same_meaning(after), "{diff:?}");
        assert_eq!(base.content, after.content, "a node reports its modules only");
        diff.deltas.iter().map(|delta| format!("{:?} {}", delta.kind(), delta.id)).collect()
    };
    assert_eq!(base.data[0].text, r#"{"roles":[1,2.5]}"#);
    let layout = bundle(&[("data.json", Some("{ \"roles\" : [1,2.50]\n}"))]);
    assert_eq!(told(&layout), [""; 0], "layout is no content");
    assert_eq!(
        told(&bundle(&[("data.json", Some(r#"{"roles":[2,2.5]}"#))])),
        ["Changed data.json"]
    );
    assert_eq!(
        told(&bundle(&[("data.json", None), ("roles/data.yaml", Some("admins: [mara]\n"))])),
        ["Removed data.json", "Added roles/data.yaml"]
    );
    assert_eq!(bundle(&[("data.json", None)]).data_digest(), None);
    // Files that OPA would not load are no data.
    assert_eq!(told(&bundle(&[("notes.json", Some("{}"))])), [""; 0]);
    let broken = write(&{
        let mut files = files("{}");
        files.insert("data.json".to_owned(), b"{".to_vec());
        files
    });
    let error = Bundle::read(&broken.unwrap()).unwrap_err();
    let BundleError::Archive(error) = error else { panic!("{error}") };
    assert_eq!(error.to_string(), "member \"data.json\" is not valid JSON");
}
