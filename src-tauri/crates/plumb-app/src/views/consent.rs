//! Consent as the window shows it: how a plan stands, who can sign here, and what somebody signs.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::approvals::{ApprovalRequestView, ApprovalsView, PersonalKeyView, VoidView};

/// How a plan under review stands with those who must consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct PlanConsentView {
    pub approvals: ApprovalsView,
    pub environment: String,
    /// Who asks, and therefore cannot consent.
    pub requester: String,
    /// The requester signed the request, so that others can answer it.
    pub requested: bool,
    /// Answers to the last plan like this one, which this plan voids.
    pub before: Vec<VoidView>,
    /// Groups that have a say.
    pub roles: Vec<String>,
    /// Keys of this machine.
    pub signers: Vec<SignerView>,
    /// Whether it may start without approvals; nothing where that is out of the question.
    pub night: Option<NightView>,
}

/// Hours in which a rollback to last-known-good may start without approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct NightView {
    /// For example `22:00 to 06:00 UTC`.
    pub hours: String,
    /// It is such an hour now.
    pub open: bool,
}

/// A key of this machine, and whose it is by the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct SignerView {
    pub name: String,
    /// SHA-256 of the key in DER, in hex.
    pub fingerprint: String,
    /// The file that holds the private half, under a passphrase; nothing for the keyring.
    pub file: Option<String>,
    /// Nothing where the roster does not know the key.
    pub person: Option<String>,
    /// Groups of the person that have a say.
    pub roles: Vec<String>,
}

/// A request that somebody sent, and who can answer it here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct RequestFileView {
    /// SHA-256 of the request as it was read: only that one is answered.
    pub digest: String,
    pub request: ApprovalRequestView,
    pub roles: Vec<String>,
    pub signers: Vec<SignerView>,
}

/// Keys of this machine, and as whom it asks for changes of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct OwnKeysView {
    pub keys: Vec<PersonalKeyView>,
    /// A person of the roster; nothing where none rules the fleet, or where it is not known.
    pub asks_as: Option<String>,
    /// Why that is not known.
    pub unknown: Option<String>,
}

/// A key to be made.
#[derive(Debug, Clone, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(deny_unknown_fields)]
pub struct NewKeyRequest {
    pub name: String,
    pub algorithm: KeyAlgorithm,
    /// The file to keep it in; nothing for the keyring.
    pub file: Option<KeyFileRequest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum KeyAlgorithm {
    Ed25519,
    EcdsaP256,
}

/// A key file and its passphrase, which is used once and not kept.
#[derive(Debug, Clone, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(deny_unknown_fields)]
pub struct KeyFileRequest {
    pub path: String,
    #[ts(type = "string")]
    pub passphrase: SecretString,
}

/// Which key to sign with.
#[derive(Debug, Clone, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "key", rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyRequest {
    /// A key of the keyring, by its name here.
    Kept { name: String },
    /// A key file; the passphrase is used once and not kept.
    File {
        path: String,
        #[ts(type = "string")]
        passphrase: SecretString,
    },
}

/// What somebody answers, and with which key.
#[derive(Debug, Clone, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// Why it is refused; nothing to approve.
    pub refuse: Option<String>,
    /// The group to speak for; not needed where only one has a say.
    pub role: Option<String>,
    pub key: KeyRequest,
}

/// A plan that approval was asked for, and that has not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct WaitingPlanView {
    pub plan: String,
    pub title: String,
    pub requester: String,
    pub asked_at: String,
    pub consented: bool,
    /// In a sentence, with who is missing.
    pub standing: String,
}
