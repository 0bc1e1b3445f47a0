//! Timestamps and Sigstore bundles over a seal: attached later, and told for what they are.

use std::{fs, process::Command, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};
use plumb_evidence::{
    CheckName, Outcome, Trust,
    manifest::{BUNDLE, STAMP},
    proofs::{AttachError, Proof, attach, envelope},
    verify::ProofTrust,
};
use plumb_fleet::FleetId;
use plumb_pki::{Pki, Recipe};
use plumb_trust::{Identity, SigstoreRoot, timestamp};
use serde_json::json;

use crate::{
    by_hand::gone_through,
    support::{
        Folder, Inside, about, console, entries, packed, plain, said, sealed, trust, verified,
    },
};

fn sealed_at() -> Timestamp {
    "2026-03-01T12:01:00Z".parse().expect("a time")
}

fn evidence(folder: &Folder) -> Utf8PathBuf {
    sealed(folder, &Inside::default(), console()).path
}

/// Who trusts the console, and the authorities of a PKI.
fn with_proofs(pki: &Pki, identities: Vec<Identity>) -> Trust {
    let root = SigstoreRoot::read("test", pki.trusted_root().to_string().as_bytes());
    let root = Arc::new(root.expect("a root"));
    let now = sealed_at() + SignedDuration::from_hours(24);
    Trust {
        proofs: vec![Arc::new(ProofTrust { fleet: None, root: Ok(root), identities, now })],
        ..trust()
    }
}

fn stamped(pki: &Pki, document: &[u8]) -> Vec<u8> {
    pki.timestamp(&timestamp::request(document), sealed_at()).expect("an answer")
}

fn seal(path: &Utf8Path) -> Vec<u8> {
    envelope(path).expect("it is sealed")
}

#[track_caller]
fn put(path: &Utf8Path, proof: Proof, bytes: &[u8]) {
    attach(path, proof, (&seal(path), bytes), false).expect("attached");
}

fn outcome(bytes: &[u8], trust: &Trust, check: CheckName) -> (Outcome, String) {
    let verification = verified(bytes, trust);
    let finding = verification.finding(check);
    (finding.outcome, finding.detail.clone())
}

#[test]
fn a_timestamp_is_attached_and_proven() {
    let (folder, pki) = (Folder::new(), Pki::new(sealed_at()).expect("keys"));
    let path = evidence(&folder);
    let before = fs::read(&path).expect("it is there");
    assert_eq!(outcome(&before, &trust(), CheckName::Timestamp).0, Outcome::Absent);
    let answer = stamped(&pki, &envelope(&path).expect("it is sealed"));
    put(&path, Proof::Timestamp, &answer);
    let after = fs::read(&path).expect("it is there");
    let verification = verified(&after, &with_proofs(&pki, Vec::new()));
    assert!(verification.holds() && verification.notes.is_empty(), "{}", said(&verification));
    let (told, detail) = outcome(&after, &with_proofs(&pki, Vec::new()), CheckName::Timestamp);
    assert_eq!(told, Outcome::Passed);
    assert!(detail.starts_with("sealed at 2026-03-01T12:01:00Z at the latest"), "{detail}");
    // Who knows no authority learns what it takes, and everything else holds.
    assert_eq!(outcome(&after, &trust(), CheckName::Timestamp).0, Outcome::Open);
    assert!(verified(&after, &trust()).holds());
    // What was sealed is as it was.
    let kept = entries(&after).into_iter().filter(|(name, _)| name != STAMP);
    assert_eq!(kept.collect::<Vec<_>>(), entries(&before));
    let again =
        attach(&path, Proof::Timestamp, (&seal(&path), &answer), false).expect_err("it is there");
    assert!(matches!(again, AttachError::There { name: STAMP }), "{again}");
    assert_eq!(fs::read(&path).expect("it is there"), after, "and nothing was touched");
    let other = attach(&path, Proof::Timestamp, (b"another seal", &answer), true);
    assert!(matches!(other, Err(AttachError::Another)), "{other:?}");
    attach(&path, Proof::Timestamp, (&seal(&path), b"a better one"), true).expect("replaced");
    let all = entries(&fs::read(&path).expect("it is there"));
    let stamps: Vec<_> = all.iter().filter(|(name, _)| name == STAMP).collect();
    assert_eq!(stamps.len(), 1);
    assert_eq!(stamps[0].1, b"a better one");
}

/// The time of the seal is its signer's word; an authority that saw it earlier gives that the lie.
#[test]
fn a_seal_is_not_younger_than_its_timestamp() {
    let (folder, pki) = (Folder::new(), Pki::new(sealed_at()).expect("keys"));
    let path = evidence(&folder);
    let early = sealed_at() - SignedDuration::from_hours(1);
    let answer = pki.timestamp(&timestamp::request(&seal(&path)), early).expect("an answer");
    put(&path, Proof::Timestamp, &answer);
    let bytes = fs::read(&path).expect("it is there");
    let (told, detail) = outcome(&bytes, &with_proofs(&pki, Vec::new()), CheckName::Timestamp);
    assert_eq!(told, Outcome::Failed);
    assert!(detail.contains("before it was made at 2026-03-01T12:00:00Z"), "{detail}");
}

/// Whom one fleet trusts says nothing of another's evidence, and what cannot be read is told and breaks nothing.
#[test]
fn trust_in_proofs_is_that_of_the_fleet() {
    let (folder, pki) = (Folder::new(), Pki::new(sealed_at()).expect("keys"));
    let path = evidence(&folder);
    put(&path, Proof::Timestamp, &stamped(&pki, &seal(&path)));
    let bytes = fs::read(&path).expect("it is there");
    let of = |fleet: FleetId, root| {
        let one = ProofTrust { fleet: Some(fleet), root, identities: Vec::new(), now: sealed_at() };
        outcome(&bytes, &Trust { proofs: vec![Arc::new(one)], ..trust() }, CheckName::Timestamp)
    };
    let root = || {
        let root = SigstoreRoot::read("test", pki.trusted_root().to_string().as_bytes());
        Ok(Arc::new(root.expect("a root")))
    };
    let own = about().fleet;
    assert_eq!(of(own.clone(), root()).0, Outcome::Passed);
    assert_eq!(of(FleetId::new("another").expect("a name"), root()).0, Outcome::Open);
    let unread = of(own, Err("whom we trust: no such file".to_owned()));
    assert_eq!(unread, (Outcome::Open, "whom we trust: no such file".to_owned()));
}

#[test]
fn a_timestamp_of_something_else_breaks_the_evidence() {
    let (folder, pki) = (Folder::new(), Pki::new(sealed_at()).expect("keys"));
    let path = evidence(&folder);
    let other = stamped(&pki, b"another envelope");
    put(&path, Proof::Timestamp, &other);
    let bytes = fs::read(&path).expect("it is there");
    let verification = verified(&bytes, &with_proofs(&pki, Vec::new()));
    assert!(!verification.holds());
    assert_eq!(verification.broken.as_deref(), Some(STAMP));
    // A stranger's authority is one of nobody.
    let stranger = Pki::new(sealed_at()).expect("keys");
    let answer = stamped(&stranger, &envelope(&path).expect("sealed"));
    let mut theirs = entries(&bytes);
    theirs.iter_mut().find(|(name, _)| name == STAMP).expect("it is there").1 = answer;
    let told = outcome(&packed(&theirs), &with_proofs(&pki, Vec::new()), CheckName::Timestamp);
    assert_eq!(told.0, Outcome::Failed, "{}", told.1);
}

#[test]
fn a_sigstore_bundle_is_attached_and_proven() {
    let (folder, pki) = (Folder::new(), Pki::new(sealed_at()).expect("keys"));
    let path = evidence(&folder);
    let issued = pki.issue(&Recipe::new(envelope(&path).expect("sealed"), sealed_at()));
    let issued = issued.expect("issued");
    put(&path, Proof::Sigstore, issued.bundle_json().as_bytes());
    let bytes = fs::read(&path).expect("it is there");
    let expected = Identity::exact(&issued.identity, &issued.issuer);
    let verification = verified(&bytes, &with_proofs(&pki, vec![expected]));
    assert!(verification.holds(), "{}", said(&verification));
    assert_eq!(verification.finding(CheckName::Sigstore).outcome, Outcome::Passed);
    let other = Identity::exact("somebody@example.com", &issued.issuer);
    let verification = verified(&bytes, &with_proofs(&pki, vec![other]));
    assert_eq!(verification.broken.as_deref(), Some(BUNDLE), "{}", said(&verification));
    let nobody = outcome(&bytes, &with_proofs(&pki, Vec::new()), CheckName::Sigstore);
    assert_eq!(nobody.0, Outcome::Open, "{}", nobody.1);
}

#[test]
fn only_sealed_evidence_takes_a_proof() {
    let folder = Folder::new();
    let path = folder.join("other.zip");
    let without: Vec<_> =
        entries(&plain()).into_iter().filter(|(name, _)| name != "manifest.dsse.json").collect();
    fs::write(&path, packed(&without)).expect("written");
    let refused =
        attach(&path, Proof::Timestamp, (b"seal", b"stamp"), false).expect_err("no envelope");
    assert!(matches!(refused, AttachError::Unsealed), "{refused}");
    let path = evidence(&folder);
    let long = vec![0; 65 << 10];
    let refused =
        attach(&path, Proof::Timestamp, (&seal(&path), &long), false).expect_err("too long");
    assert!(matches!(refused, AttachError::TooLong { .. }), "{refused}");
    let missing = attach(&folder.join("nowhere.zip"), Proof::Timestamp, (b"seal", b"stamp"), false);
    assert!(matches!(missing, Err(AttachError::File { .. })));
}

/// OpenSSL reads what we ask, we read what it answers, and whoever checks by hand comes to the same.
#[test]
fn an_authority_that_is_not_ours_is_understood() {
    let folder = Folder::new();
    let path = evidence(&folder);
    let envelope = envelope(&path).expect("sealed");
    let Some(authority) = Authority::new(&folder, &timestamp::request(&envelope)) else { return };
    put(&path, Proof::Timestamp, &authority.answer);
    let bytes = fs::read(&path).expect("it is there");
    let mut listed = Pki::new(sealed_at()).expect("keys").trusted_root();
    let certificates = authority.chain.map(|der| json!({ "rawBytes": STANDARD.encode(der) }));
    listed["timestampAuthorities"] = json!([{
        "subject": { "organization": "o", "commonName": "tsa" },
        "uri": "https://tsa.example.com",
        "certChain": { "certificates": certificates },
        "validFor": { "start": "2020-01-01T00:00:00Z" },
    }]);
    let root = SigstoreRoot::read("test", listed.to_string().as_bytes()).expect("a root");
    let proofs = ProofTrust {
        fleet: None,
        root: Ok(Arc::new(root)),
        identities: Vec::new(),
        now: sealed_at(),
    };
    let trust = Trust { proofs: vec![Arc::new(proofs)], ..trust() };
    let (told, detail) = outcome(&bytes, &trust, CheckName::Timestamp);
    assert_eq!(told, Outcome::Passed, "{detail}");
    assert!(detail.ends_with("says https://tsa.example.com"), "{detail}");
    fs::write(folder.join("authority.pem"), authority.pem).expect("written");
    let by_hand = gone_through(&path, &folder, "");
    let told = String::from_utf8_lossy(&by_hand.stdout);
    assert!(by_hand.status.success() && told.contains("Verification: OK"), "{by_hand:?}");
}

/// What `openssl ts` answered to one request.
struct Authority {
    answer: Vec<u8>,
    /// Its certificate and its root's, in DER.
    chain: [Vec<u8>; 2],
    pem: String,
}

impl Authority {
    fn new(folder: &Folder, request: &[u8]) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("!!!! timestamps of OpenSSL were NOT checked: openssl is not there");
            return None;
        }
        let folder = folder.join("authority");
        let file = |name: &str| folder.join(name);
        fs::create_dir(&folder).expect("a folder");
        let usage = "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n";
        fs::write(file("usage"), usage).expect("written");
        let settings = "[tsa]\ndefault_tsa = one\n[one]\nserial = serial\ndefault_policy = 1.2.3.4\n\
                        digests = sha256\nsigner_digest = sha256\ness_cert_id_alg = sha256\n";
        fs::write(file("ts.cnf"), settings).expect("written");
        fs::write(file("asked"), request).expect("written");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256";
        for words in [
            format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=root -days 30"),
            format!("req {key} -keyout tsa.key -out tsa.csr -subj /CN=tsa"),
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -days 30 \
             -extfile usage -sha256"
                .to_owned(),
            "ts -reply -config ts.cnf -queryfile asked -signer tsa.pem -inkey tsa.key -chain ca.pem \
             -out answer"
                .to_owned(),
            "x509 -in tsa.pem -outform DER -out tsa.der".to_owned(),
            "x509 -in ca.pem -outform DER -out ca.der".to_owned(),
        ] {
            let ended = Command::new("openssl")
                .current_dir(&folder)
                .args(words.split_whitespace())
                .output()
                .expect("it starts");
            assert!(ended.status.success(), "{words}: {}", String::from_utf8_lossy(&ended.stderr));
        }
        let read = |name: &str| fs::read(file(name)).expect(name);
        Some(Self {
            answer: read("answer"),
            chain: [read("tsa.der"), read("ca.der")],
            pem: String::from_utf8(read("ca.pem")).expect("text"),
        })
    }
}
