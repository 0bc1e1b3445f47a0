//! One fault at a time: each is found by the check that is there for it, and by no other.

use plumb_pki::{Content, Fault, LogKind, Material, Recipe, Version};

use super::{failed, issue, profile, recipe, verdict};

/// The kinds of bundle that a fault is put into.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A message in Rekor v1, version 0.3.
    Plain,
    /// The same with a chain, version 0.2.
    Chain,
    /// A statement in Rekor v1.
    Statement,
    /// A message in Rekor v2 with a timestamp.
    Second,
    /// A message with a timestamp and no log.
    Stamped,
    /// A message signed by a key, in Rekor v1.
    Keyed,
}

impl Kind {
    fn recipe(self) -> Recipe {
        match self {
            Self::Plain => recipe(),
            Self::Chain => Recipe { version: Version::V02, ..recipe() },
            Self::Statement => Recipe { content: Content::Statement, ..recipe() },
            Self::Second => recipe().in_second_log(),
            Self::Stamped => recipe().stamped_only(),
            Self::Keyed => Recipe { material: Material::Key, ..recipe() },
        }
    }
}

/// Every fault, where it is put, and the only check that must fail.
#[expect(clippy::too_many_lines, reason = "one table over every fault")]
fn table() -> Vec<(Fault, Vec<Kind>, &'static str)> {
    use Fault::*;
    use Kind::*;
    let evidence = || vec![Plain, Second];
    let signers = || vec![Plain, Chain, Second, Stamped];
    let stamps = || vec![Second, Stamped];
    vec![
        (ArtifactChanged, vec![Plain, Chain, Second, Stamped, Keyed], "artifact.digest"),
        (DigestForged, vec![Plain, Second, Keyed], "artifact.digest"),
        (SignatureOfAnotherKey, vec![Plain, Statement, Second, Stamped, Keyed], "signature"),
        (SignatureOfAnotherArtifact, vec![Plain, Second, Stamped, Keyed], "signature"),
        (SignatureNotLogged, vec![Plain, Statement, Second, Keyed], "log.entry"),
        (SubjectOfAnotherArtifact, vec![Statement], "artifact.subject"),
        (SubjectMissing, vec![Statement], "artifact.subject"),
        (SubjectWithoutDigest, vec![Statement], "artifact.subject"),
        (PayloadTypeUnknown, vec![Statement], "artifact.subject"),
        (StatementMalformed, vec![Statement], "artifact.subject"),
        (PayloadChanged, vec![Statement], "signature"),
        (PayloadSignedBare, vec![Statement], "signature"),
        (EnvelopeSignedTwice, vec![Statement], "bundle.format"),
        (EnvelopeUnsigned, vec![Statement], "bundle.format"),
        (CertificateOfUnknownAuthority, vec![Plain, Second, Stamped], "certificate.chain"),
        (CertificateSelfSigned, vec![Plain, Second, Stamped], "certificate.chain"),
        (CertificateForServers, signers(), "certificate.usage"),
        (CertificateForEverything, signers(), "certificate.usage"),
        (CertificateIsAuthority, signers(), "certificate.usage"),
        (CertificateWithoutDigitalSignature, signers(), "certificate.usage"),
        (CertificateExpired, signers(), "certificate.time"),
        (CertificateNotYetValid, signers(), "certificate.time"),
        (CertificateMalformed, signers(), "certificate.format"),
        (AuthorityRetired, signers(), "certificate.authority_window"),
        (AuthorityNotYetTrusted, signers(), "certificate.authority_window"),
        (RootInChain, vec![Chain], "certificate.path"),
        (SctMissing, signers(), "certificate.sct"),
        (SctTwice, signers(), "certificate.sct"),
        (SctOfUnknownLog, signers(), "certificate.sct_log"),
        (SctSignedByAnotherKey, signers(), "certificate.sct"),
        (SctOfAnotherCertificate, signers(), "certificate.sct"),
        (SctFromTheFuture, signers(), "certificate.sct_log"),
        (SctLogRetired, signers(), "certificate.sct_log"),
        (SanMissing, signers(), "identity.san"),
        (SanTwice, signers(), "identity.san"),
        (SanIsAnother, signers(), "identity.san"),
        (SanHasSuffix, signers(), "identity.san"),
        (SanHasPrefix, signers(), "identity.san"),
        (SanIsServerName, signers(), "identity.san"),
        (IssuerMissing, signers(), "identity.issuer"),
        (IssuerIsAnother, signers(), "identity.issuer"),
        (IssuersDisagree, signers(), "identity.issuer"),
        (EntryMissing, vec![Second, Keyed], "log.present"),
        (EntriesTooMany, evidence(), "bundle.format"),
        (LogUnknown, evidence(), "log.known"),
        (LogKeyRetired, vec![Plain, Statement, Second, Keyed], "log.key_window"),
        (LogKeyNotYetTrusted, vec![Plain, Statement, Second, Keyed], "log.key_window"),
        (ProofMissing, vec![Plain, Second, Keyed], "log.inclusion_proof"),
        (ProofMissingInVersion1, vec![Chain, Keyed], "log.inclusion_proof"),
        (ProofHashChanged, evidence(), "log.inclusion_proof"),
        (ProofHashDropped, evidence(), "log.inclusion_proof"),
        (ProofHashAdded, evidence(), "log.inclusion_proof"),
        (ProofOfAnotherEntry, evidence(), "log.inclusion_proof"),
        (ProofRootChanged, evidence(), "log.checkpoint"),
        (ProofSizeChanged, evidence(), "log.checkpoint"),
        (CheckpointMissing, evidence(), "log.checkpoint"),
        (CheckpointOfAnotherLog, evidence(), "log.checkpoint"),
        (CheckpointOfRetiredKey, evidence(), "log.checkpoint"),
        (CheckpointOfUnknownKey, evidence(), "log.checkpoint"),
        (CheckpointHintForged, evidence(), "log.checkpoint"),
        (CheckpointNameIsAnother, evidence(), "log.checkpoint"),
        (CheckpointTextChanged, evidence(), "log.checkpoint"),
        (CheckpointHasTail, evidence(), "log.checkpoint"),
        (PromiseOfUnknownKey, vec![Plain, Statement, Keyed], "log.inclusion_promise"),
        (PromiseTimeShifted, vec![Plain, Statement, Keyed], "log.inclusion_promise"),
        (PromiseIndexShifted, vec![Plain, Statement, Keyed], "log.inclusion_promise"),
        (IntegratedAfterCertificate, vec![Plain, Statement], "certificate.time"),
        (IntegratedInTheFuture, vec![Keyed], "timestamp.not_future"),
        (EntryOfAnotherArtifact, vec![Plain, Statement, Second, Keyed], "log.entry"),
        (EntryOfAnotherSigner, vec![Plain, Statement, Second, Keyed], "log.entry"),
        (EntryMalformed, vec![Plain, Statement, Second, Keyed], "log.entry"),
        (EntryKindUnknown, evidence(), "bundle.format"),
        (EntryKindOfOtherContent, vec![Plain, Keyed], "log.entry"),
        (TimeMissing, vec![Plain, Second, Stamped, Keyed], "timestamp.present"),
        (StampAuthorityUnknown, stamps(), "timestamp.tsa"),
        (StampOfAnotherSignature, stamps(), "timestamp.tsa"),
        (StampSignedByAnotherKey, stamps(), "timestamp.tsa"),
        (StampDigestChanged, stamps(), "timestamp.tsa"),
        (StampRejected, stamps(), "timestamp.tsa"),
        (StampCertificateForCode, stamps(), "timestamp.tsa"),
        (StampCertificateExpired, stamps(), "timestamp.tsa"),
        (StampMalformed, stamps(), "timestamp.tsa"),
        (StampAuthorityRetired, stamps(), "timestamp.window"),
        (StampOutsideCertificate, stamps(), "certificate.time"),
        (MediaTypeUnknown, evidence(), "bundle.media_type"),
        (FieldUnknown, evidence(), "bundle.format"),
        (FieldTwice, evidence(), "bundle.format"),
        (Base64Malformed, evidence(), "bundle.format"),
        (DigestAlgorithmUnknown, evidence(), "bundle.format"),
        (ChainInVersion3, vec![Plain], "bundle.material"),
        (CertificateInVersion2, vec![Chain], "bundle.material"),
    ]
}

#[test]
fn each_fault_fails_for_its_own_reason_alone() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for (fault, kinds, check) in table() {
        for kind in kinds {
            let recipe = kind.recipe().broken(fault);
            let issued = issue(&recipe);
            let report = verdict(&issued, issued.bundle_json().as_bytes(), profile(&recipe));
            let found = failed(&report);
            if found != check {
                wrong.push(format!(
                    "{fault:?} in {kind:?}: {found}, not {check}: {:?}",
                    report.failures()
                ));
            }
            cases += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 200, "{cases} cases");
}

#[test]
fn no_fault_is_forgotten() {
    // A key has no certificate to expire meanwhile, so one time in the future stands for both.
    let listed: Vec<Fault> = table().into_iter().map(|(fault, ..)| fault).collect();
    let forgotten: Vec<&Fault> = Fault::ALL
        .iter()
        .filter(|fault| !listed.contains(fault) && **fault != Fault::StampInTheFuture)
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn a_stamp_from_the_future_is_named() {
    let recipe =
        Recipe { log: LogKind::Nowhere, stamped: true, material: Material::Key, ..recipe() }
            .broken(Fault::StampInTheFuture);
    let issued = issue(&recipe);
    let report = verdict(&issued, issued.bundle_json().as_bytes(), profile(&recipe));
    assert_eq!(failed(&report), "timestamp.not_future");
}
