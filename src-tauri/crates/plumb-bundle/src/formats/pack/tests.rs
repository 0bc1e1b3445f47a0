use super::*;

fn files() -> Members {
    Members::from([
        ("opa/cos.abac.rego".to_owned(), b"package cos.abac\n".to_vec()),
        ("data/retention.json".to_owned(), b"{\"tiers\":{}}".to_vec()),
        ("README.md".to_owned(), b"Policy pack\n".to_vec()),
    ])
}

fn manifest(text: &str) -> Value {
    parse(text.as_bytes()).unwrap()
}

#[test]
fn a_pack_names_itself() {
    let bytes = write(&manifest(r#"{"id":"policy-pack-v0","version":"0.1.0"}"#), &files()).unwrap();
    let pack = PolicyPack::read(&bytes).unwrap();
    assert_eq!(pack.claimed_digest(), Some(pack.described_digest().unwrap()));
    assert_eq!(pack.digest(), BundleDigest(Digest::of(&bytes)));
    let bundle = Bundle::read(&bytes).unwrap();
    assert_eq!((bundle.id.as_str(), bundle.version.as_str()), ("policy-pack-v0", "0.1.0"));
    assert_eq!(bundle.format, Format::PolicyPack);
    assert_eq!(bundle.policies[0].id, "opa/cos.abac.rego");
    assert_eq!(
        bundle.data.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(),
        ["data/retention.json"]
    );
    assert_eq!(
        bytes,
        write(&manifest(r#"{"version":"0.1.0","id":"policy-pack-v0"}"#), &files()).unwrap()
    );
}

#[test]
fn signing_later_does_not_change_what_the_manifest_describes() {
    let manifest = manifest(r#"{"id":"p"}"#);
    let before = PolicyPack::read(&write(&manifest, &files()).unwrap()).unwrap();
    let mut files = files();
    files.insert("signing/cosign.bundle.json".to_owned(), b"{}".to_vec());
    let after = PolicyPack::read(&write(&manifest, &files).unwrap()).unwrap();
    assert_eq!(before.claimed_digest(), after.claimed_digest());
}

#[test]
fn a_changed_member_no_longer_fits_the_manifest() {
    let bytes = write(&manifest("{}"), &files()).unwrap();
    let mut changed = PolicyPack::read(&bytes).unwrap().files().clone();
    changed.insert("opa/cos.abac.rego".to_owned(), b"package cos.abac\nallow := true\n".to_vec());
    let pack = PolicyPack::read(&archive::write(&changed).unwrap()).unwrap();
    assert_ne!(pack.claimed_digest(), Some(pack.described_digest().unwrap()));
}

#[test]
fn manifests_are_read_strictly() {
    let refuses = |manifest: &str, expected: &str| {
        let mut files = files();
        files.insert(MANIFEST.to_owned(), manifest.as_bytes().to_vec());
        let error = PolicyPack::read(&archive::write(&files).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    refuses("[]", "member \"manifest.json\": must be an object");
    refuses("{", "member \"manifest.json\" is not valid JSON");
    refuses(
        r#"{"digest":{"algorithm":"md5"}}"#,
        "member \"manifest.json\": digest.algorithm must be sha256",
    );
    refuses(
        r#"{"digest":{"algorithm":"sha256","value":"xyz"}}"#,
        "member \"manifest.json\": digest.value must be 64 hex digits",
    );
    let mut empty = files();
    empty.insert(MANIFEST.to_owned(), br#"{"digest":{"algorithm":"sha256","value":""}}"#.to_vec());
    assert_eq!(PolicyPack::read(&archive::write(&empty).unwrap()).unwrap().claimed_digest(), None);
}

const SIGNED: &str = r#"{"metadata":{"bundle_id":"payments","version":"2.0.0","issued_at":"2026-10-12T09:00:00Z"},"policies":[{"id":"b","effect":"deny","description":"b"},{"id":"a","effect":"allow","description":"a"}]}"#;

fn with_signed(more: &[(&str, &str)], manifest_text: &str) -> Result<PolicyPack, String> {
    let files = [("policies/p.signed.json", SIGNED)].iter().chain(more);
    let files = files.map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    let bytes = write(&manifest(manifest_text), &files.collect()).unwrap();
    let pack = PolicyPack::read(&bytes).unwrap();
    pack.to_bundle().map(|_| pack).map_err(|error| error.to_string())
}

#[test]
fn a_pack_of_a_signed_bundle_has_the_content_of_the_bundle() {
    let pack = with_signed(&[("README.md", "read me")], r#"{"id":"p"}"#).unwrap();
    let bundle = pack.to_bundle().unwrap();
    let alone = Bundle::read(SIGNED.as_bytes()).unwrap();
    assert_eq!((bundle.content, bundle.ordering), (alone.content, Ordering::ByPosition));
    assert_eq!((&bundle.id, &bundle.version), (&alone.id, &alone.version));
    assert_eq!((bundle.digest, bundle.format), (pack.digest(), Format::PolicyPack));
    assert_eq!(pack.signed_bundle().unwrap().unwrap().1, SIGNED.as_bytes());
}

#[test]
fn a_pack_that_could_mean_two_things_is_refused() {
    let check = |more: &[(&str, &str)], manifest_text: &str, wanted: &str| {
        let error = with_signed(more, manifest_text).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    };
    check(&[("policies/q.signed.json", SIGNED)], "{}", "second bundle");
    check(&[("opa/a.rego", "package a")], "{}", "beside the module \"opa/a.rego\"");
    check(&[], r#"{"version":"1.9.0"}"#, "manifest.json says \"1.9.0\"");
}
