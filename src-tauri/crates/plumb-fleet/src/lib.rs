//! Fleet, node, snapshot, desired, drift, groups and health; pure.
//!
//! No clock, randomness, file, socket or thread: time is an argument, ids come from callers.

pub mod content;
pub mod desired;
pub mod drift;
pub mod filter;
pub mod fleet;
pub mod group;
pub mod health;
pub mod ids;
pub mod import;
pub mod node;
pub mod observed;
pub mod reload;
pub mod snapshot;
pub mod verification;

pub use content::{Ordering, Policy, PolicyRef, content_digest};
pub use desired::{
    Catalogue, CatalogueEntry, Desired, DesiredVersion, InFlight, Offer, Thresholds,
};
pub use drift::{DriftState, Verdict};
pub use filter::{Filter, FilterError, FilterSubject};
pub use fleet::{Fleet, FleetFile, FleetFileError, Hub};
pub use group::Group;
pub use health::{Assessment, Caution, assess, cautions, expected};
pub use ids::{
    BundleDigest, ContentDigest, Digest, FleetId, NodeId, PlanHash, RunId, SnapshotId, Version,
};
pub use import::{ImportDiff, ImportError};
pub use node::{
    Capabilities, Capability, CredentialRef, Node, NodeApi, Route, TlsFiles, capabilities,
    is_loopback,
};
pub use observed::Observed;
pub use reload::ReloadTrigger;
pub use snapshot::{
    Content, FailureKind, NamedContent, NodeFailure, NodeObservation, NodeReport, ReloadEntry,
    ReloadStats, ReportGap, SignatureReport, Snapshot, SnapshotBuilder,
};
pub use verification::{CheckOutcome, CheckSeen, DecisionCounts, Standing, Verification, Verified};
