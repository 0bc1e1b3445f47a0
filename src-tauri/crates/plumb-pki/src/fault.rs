//! The one thing that is wrong with a bundle, or with the trusted root it is judged by.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What is broken. Everything else about the bundle is as it should be.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])* $name,)+
        }

        impl Fault {
            /// Every fault there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

faults! {
    /// The artifact is not the one that was signed.
    ArtifactChanged,
    /// The digest the bundle states is that of another artifact.
    DigestForged,
    /// The signature was made with another key than the certificate's.
    SignatureOfAnotherKey,
    /// The right key signed another artifact.
    SignatureOfAnotherArtifact,
    /// A second signature by the same key stands in the bundle; the first was logged.
    SignatureNotLogged,
    /// The statement is about another artifact.
    SubjectOfAnotherArtifact,
    /// The statement is about nothing.
    SubjectMissing,
    /// The subject has no digest.
    SubjectWithoutDigest,
    /// The envelope holds something that is no statement.
    PayloadTypeUnknown,
    /// The payload is not JSON.
    StatementMalformed,
    /// The payload was changed after it was signed.
    PayloadChanged,
    /// The bare payload was signed, without its type.
    PayloadSignedBare,
    /// The envelope carries two signatures.
    EnvelopeSignedTwice,
    /// The envelope carries no signature.
    EnvelopeUnsigned,
    /// An authority that is not trusted issued the certificate.
    CertificateOfUnknownAuthority,
    /// The certificate signed itself.
    CertificateSelfSigned,
    /// The certificate is for servers.
    CertificateForServers,
    /// The certificate is for every purpose.
    CertificateForEverything,
    /// The certificate is an authority.
    CertificateIsAuthority,
    /// The certificate's key must not sign.
    CertificateWithoutDigitalSignature,
    /// The certificate had expired when the signature was made.
    CertificateExpired,
    /// The certificate was not yet valid when the signature was made.
    CertificateNotYetValid,
    /// The certificate is cut short.
    CertificateMalformed,
    /// The authority was no longer trusted when the signature was made.
    AuthorityRetired,
    /// The authority was not yet trusted when the signature was made.
    AuthorityNotYetTrusted,
    /// The trusted root stands in the chain of the bundle.
    RootInChain,
    /// The certificate carries no certificate timestamp.
    SctMissing,
    /// The certificate carries two.
    SctTwice,
    /// It is by a log that is not trusted.
    SctOfUnknownLog,
    /// It names a trusted log and is signed by another key.
    SctSignedByAnotherKey,
    /// It was made for another certificate.
    SctOfAnotherCertificate,
    /// It lies in the future.
    SctFromTheFuture,
    /// The certificate log was retired before.
    SctLogRetired,
    /// The certificate names nobody.
    SanMissing,
    /// The certificate names two.
    SanTwice,
    /// The certificate names somebody else.
    SanIsAnother,
    /// The name goes on where ours ends.
    SanHasSuffix,
    /// The name begins before ours.
    SanHasPrefix,
    /// The certificate names a server.
    SanIsServerName,
    /// Nobody vouched for the identity.
    IssuerMissing,
    /// Somebody else vouched for it.
    IssuerIsAnother,
    /// The old extension names another issuer than the new one.
    IssuersDisagree,
    /// The bundle has no log entry.
    EntryMissing,
    /// The bundle has more entries than anybody needs.
    EntriesTooMany,
    /// The log is not in the trusted root.
    LogUnknown,
    /// The key of the log was retired before the signature was made.
    LogKeyRetired,
    /// The key of the log was not yet trusted when the signature was made.
    LogKeyNotYetTrusted,
    /// The entry has a promise and no proof.
    ProofMissing,
    /// The same, in a bundle whose version says that this is enough.
    ProofMissingInVersion1,
    /// A hash of the proof is another.
    ProofHashChanged,
    /// A hash of the proof is missing.
    ProofHashDropped,
    /// The proof has a hash too many.
    ProofHashAdded,
    /// The proof is for another entry.
    ProofOfAnotherEntry,
    /// The root of the proof is not the root of the checkpoint.
    ProofRootChanged,
    /// The tree of the proof is not the tree of the checkpoint.
    ProofSizeChanged,
    /// The proof has no checkpoint.
    CheckpointMissing,
    /// Another trusted log signed the checkpoint.
    CheckpointOfAnotherLog,
    /// A trusted log that is retired signed the checkpoint.
    CheckpointOfRetiredKey,
    /// An unknown key signed the checkpoint.
    CheckpointOfUnknownKey,
    /// An unknown key signed it and says it is the log's.
    CheckpointHintForged,
    /// Nobody with the name of the log signed it.
    CheckpointNameIsAnother,
    /// The checkpoint was changed after it was signed.
    CheckpointTextChanged,
    /// Text follows the signatures of the checkpoint.
    CheckpointHasTail,
    /// An unknown key signed the promise.
    PromiseOfUnknownKey,
    /// The time of the promise was changed.
    PromiseTimeShifted,
    /// The index of the promise was changed.
    PromiseIndexShifted,
    /// The signature was logged after its certificate had expired.
    IntegratedAfterCertificate,
    /// The signature will be logged.
    IntegratedInTheFuture,
    /// The entry is about another artifact.
    EntryOfAnotherArtifact,
    /// The entry is about another signer.
    EntryOfAnotherSigner,
    /// The body of the entry is not what its kind says.
    EntryMalformed,
    /// The kind of the entry is unknown.
    EntryKindUnknown,
    /// The kind of the entry does not go with the content.
    EntryKindOfOtherContent,
    /// Nothing says when the signature was made.
    TimeMissing,
    /// The timestamp authority is not trusted.
    StampAuthorityUnknown,
    /// The timestamp is for another signature.
    StampOfAnotherSignature,
    /// The timestamp was signed with another key.
    StampSignedByAnotherKey,
    /// The timestamp was changed after it was signed.
    StampDigestChanged,
    /// The authority refused to stamp.
    StampRejected,
    /// The certificate of the authority is for code.
    StampCertificateForCode,
    /// The certificate of the authority had expired.
    StampCertificateExpired,
    /// The authority was retired before.
    StampAuthorityRetired,
    /// The time is after the certificate's.
    StampOutsideCertificate,
    /// The time lies in the future.
    StampInTheFuture,
    /// The timestamp is not DER.
    StampMalformed,
    /// The media type is none of the three.
    MediaTypeUnknown,
    /// The bundle has a field that the format does not know.
    FieldUnknown,
    /// A field stands twice.
    FieldTwice,
    /// A field is not base64.
    Base64Malformed,
    /// A digest is by an algorithm nobody knows.
    DigestAlgorithmUnknown,
    /// A chain stands where version 0.3 has one certificate.
    ChainInVersion3,
    /// One certificate stands where version 0.2 has a chain.
    CertificateInVersion2,
}
