//! Body of the fuzz target in `tests/fuzz`: what must hold for every input.

use crate::{
    archive::{Archive, ArchiveError},
    limits::PIECE_BYTES,
    verify::{CheckName, Outcome, Trust, verify_archive},
};

/// Any bytes: what opens covers the file, unpacks to what it says or is refused, and is verified without
/// a panic; nothing that nobody trusts holds.
pub fn evidence(bytes: &[u8]) {
    let Ok(mut archive) = Archive::open(bytes) else { return };
    let packed: u64 = archive.entries().iter().map(|entry| entry.packed_bytes).sum();
    assert!(packed <= bytes.len() as u64, "no byte belongs to two entries");
    let mut piece = vec![0; PIECE_BYTES];
    for entry in archive.entries() {
        let mut reader = archive.read(entry);
        let mut unpacked = 0;
        let ended = loop {
            match reader.next(&mut piece) {
                Ok(0) => break true,
                Ok(bytes) => unpacked += bytes as u64,
                Err(ArchiveError::Entry { name, .. }) => {
                    assert_eq!(name, entry.name.as_str(), "the entry at fault is named");
                    break false;
                }
                Err(error) => panic!("memory can always be read: {error}"),
            }
        };
        assert!(!ended || unpacked == entry.bytes, "it unpacks to what it says");
    }
    let verification = verify_archive(&mut archive, bytes.len() as u64, &Trust::default());
    assert_eq!(verification.findings.len(), CheckName::ALL.len(), "every check has a finding");
    let signer = verification.finding(CheckName::Signer);
    assert_ne!(signer.outcome, Outcome::Passed, "nobody is trusted here");
}
