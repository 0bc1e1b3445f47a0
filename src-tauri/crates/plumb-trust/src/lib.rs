//! Bytes, keys and a time in; a verdict out; pure.

pub mod approval;
pub mod dsse;
pub mod expiry;
pub mod keys;
pub mod locked;
pub mod policy;
pub mod random;
pub mod readiness;
pub mod refused;
pub mod roster;
pub mod schemes;
pub mod signing;
pub mod timestamp;
pub mod verdict;

pub use expiry::{Expired, check_expiry, verify_signed_json_at};
pub use keys::{JwtAlgorithm, KeyError, KeySet, TrustedKey};
pub use policy::{
    Kept, NotTrusted, PolicyError, PolicyVerdict, Signed, Simulation, SimulationError, TrustPolicy,
    Window, simulate,
};
pub use random::Fill;
pub use schemes::{
    opa_jwt::{sign_opa_files, verify_opa_bundle},
    rsa_pss::{sign_bundle, verify_signed_json, verify_signed_json_bytes},
    sigstore::{
        Artifact, CheckOutcome, Expectation, ExpectedSigner, Identity, Profile, Report,
        SigstoreCheck, SigstoreKey, SigstoreRoot, VerifyAttestation,
    },
};
pub use signing::{SignError, SigningKey};
pub use verdict::{Check, CheckName, KeyUse, Outcome, Verdict};
