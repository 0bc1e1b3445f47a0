//! Timestamps over documents. An authority that is not ours is asked in the tests of evidence.

use plumb_trust::{SigstoreRoot, timestamp};

use crate::sigstore::{PKI, signed_at};

const DOCUMENT: &[u8] = b"what was sealed";

#[test]
fn a_document_was_there_when_the_authority_says() {
    let root = SigstoreRoot::read("test", PKI.trusted_root().to_string().as_bytes());
    let root = root.expect("a root");
    let answer = PKI.timestamp(&timestamp::request(DOCUMENT), signed_at()).expect("an answer");
    let stamped = timestamp::verify(&answer, DOCUMENT, &root).expect("it counts");
    assert_eq!(stamped.at, signed_at());
    let other = timestamp::verify(&answer, b"something else", &root).expect_err("another one");
    assert!(other.contains("match") || other.contains("imprint"), "{other}");
    for cut in [0, 1, answer.len() / 2, answer.len() - 1] {
        timestamp::verify(&answer[..cut], DOCUMENT, &root).expect_err("cut off");
    }
    let long = vec![0; timestamp::ANSWER_BYTES_MAX + 1];
    let long = timestamp::verify(&long, DOCUMENT, &root).expect_err("too long");
    assert!(long.contains("more than"), "{long}");
}

#[test]
fn nobody_else_can_stamp() {
    let stranger = plumb_pki::Pki::new(signed_at()).expect("keys");
    let root = SigstoreRoot::read("test", PKI.trusted_root().to_string().as_bytes());
    let answer = stranger.timestamp(&timestamp::request(DOCUMENT), signed_at()).expect("an answer");
    timestamp::verify(&answer, DOCUMENT, &root.expect("a root")).expect_err("a stranger");
}
