//! The JSON schema of every `--json` document, by the name of its file in `assets/schemas/cli`.

use plumb_app::{
    runbooks::{FrontMatter, Step},
    views::{
        approvals::{ApprovalsView, RosterView, SignedView},
        bundles::{BundleStatusView, SubscriptionView},
        certificate::{CertificateView, CertificatesView},
        doctor::DoctorView,
        dry_run::DryRunView,
        evaluate::EvaluationView,
        evidence::{
            CaptureView, EvidenceContentsView, EvidenceDiffView, EvidenceVerdictView, SealedView,
        },
        history::HistoryView,
        impact::{ImpactView, RecordedRequestsView},
        journal::{ConsoleKeyView, JournalExportView, JournalVerdictView},
        plan::PlanView,
        readiness::ChecklistView,
        refused::{ClearingView, RefusedPushView, RefusedView},
        rollout::RolloutRequest,
        run::RunView,
        runbook::{
            RecordedView, RehearsalView, RunbookConsentView, RunbookRequestView, RunbookRunView,
            RunbookSignatureView, RunbookView,
        },
        versions::{MembersView, VersionDiffView, VersionsView},
    },
};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};

use crate::{
    commands::{
        act::ActionDocument,
        agent::AgentStarted,
        approvals::ApprovalsDocument,
        bundle::{
            build::WrittenDocument, diff::BundleDiffDocument, inspect::InspectDocument,
            keygen::KeyDocument, verify::VerifyDocument,
        },
        config::ConfigDocument,
        credential::CredentialsDocument,
        demo::{DemoStarted, HeadlessDocument},
        doctor::ChecksDocument,
        drift::DriftDocument,
        evidence::StampDocument,
        fleet::{FleetsDocument, ImportDocument},
        help::HelpDocument,
        hub::{HubStarted, MigrationDocument, RetentionDocument},
        key::KeysDocument,
        logs::LogsDocument,
        packs::{PacksStarted, PublishedDocument},
        runbook::{
            RunbookCheckDocument, RunbookOffersDocument, RunbookRunsDocument, RunbooksDocument,
        },
        runs::RunsDocument,
        status::NodeDocument,
        trust::SimulationDocument,
        verify_bundle::AttestationDocument,
        version::ActiveDocument,
    },
    exit::ErrorDocument,
};

fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// Names and schemas of all documents.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    let mut all = of_commands();
    all.extend(of_evidence());
    all.sort_by_key(|(name, _)| *name);
    all
}

fn of_evidence() -> Vec<(&'static str, Schema)> {
    vec![
        ("evidence", of::<EvidenceVerdictView>()),
        ("evidence-capture", of::<CaptureView>()),
        ("evidence-contents", of::<EvidenceContentsView>()),
        ("evidence-diff", of::<EvidenceDiffView>()),
        ("evidence-sealed", of::<SealedView>()),
        ("evidence-stamp", of::<StampDocument>()),
    ]
}

fn of_commands() -> Vec<(&'static str, Schema)> {
    vec![
        ("action", of::<ActionDocument>()),
        ("active", of::<ActiveDocument>()),
        ("agent-started", of::<AgentStarted>()),
        ("approval", of::<SignedView>()),
        ("approvals", of::<ApprovalsDocument>()),
        ("approvals-of-plan", of::<ApprovalsView>()),
        ("attestation", of::<AttestationDocument>()),
        ("bundle-diff", of::<BundleDiffDocument>()),
        ("bundle-inspect", of::<InspectDocument>()),
        ("bundle-keygen", of::<KeyDocument>()),
        ("bundle-status", of::<BundleStatusView>()),
        ("bundle-verify", of::<VerifyDocument>()),
        ("bundle-written", of::<WrittenDocument>()),
        ("certificate", of::<CertificateView>()),
        ("certificates", of::<CertificatesView>()),
        ("checks", of::<ChecksDocument>()),
        ("console-key", of::<ConsoleKeyView>()),
        ("config", of::<ConfigDocument>()),
        ("credentials", of::<CredentialsDocument>()),
        ("demo-headless", of::<HeadlessDocument>()),
        ("demo-started", of::<DemoStarted>()),
        ("doctor", of::<DoctorView>()),
        ("drift", of::<DriftDocument>()),
        ("dry-run", of::<DryRunView>()),
        ("error", of::<ErrorDocument>()),
        ("evaluation", of::<EvaluationView>()),
        ("history", of::<HistoryView>()),
        ("fleet", of::<MembersView>()),
        ("fleets", of::<FleetsDocument>()),
        ("help", of::<HelpDocument>()),
        ("hub-migration", of::<MigrationDocument>()),
        ("hub-retention", of::<RetentionDocument>()),
        ("hub-started", of::<HubStarted>()),
        ("impact", of::<ImpactView>()),
        ("import", of::<ImportDocument>()),
        ("journal", of::<JournalVerdictView>()),
        ("journal-export", of::<JournalExportView>()),
        ("keys", of::<KeysDocument>()),
        ("logs", of::<LogsDocument>()),
        ("node", of::<NodeDocument>()),
        ("pack-published", of::<PublishedDocument>()),
        ("packs-started", of::<PacksStarted>()),
        ("plan", of::<PlanView>()),
        ("readiness", of::<ChecklistView>()),
        ("recorded-requests", of::<RecordedRequestsView>()),
        ("refused", of::<RefusedView>()),
        ("refused-clearing", of::<ClearingView>()),
        ("refused-push", of::<RefusedPushView>()),
        ("roster", of::<RosterView>()),
        ("run", of::<RunView>()),
        ("rehearsal", of::<RehearsalView>()),
        ("runbook", of::<RunbookView>()),
        ("runbook-check", of::<RunbookCheckDocument>()),
        ("runbook-consent", of::<RunbookConsentView>()),
        ("runbook-offers", of::<RunbookOffersDocument>()),
        ("runbook-recorded", of::<RecordedView>()),
        ("runbook-request", of::<RunbookRequestView>()),
        ("runbook-run", of::<RunbookRunView>()),
        ("runbook-runs", of::<RunbookRunsDocument>()),
        ("runbook-signature", of::<RunbookSignatureView>()),
        ("runbooks", of::<RunbooksDocument>()),
        ("runs", of::<RunsDocument>()),
        ("subscription", of::<SubscriptionView>()),
        ("trust-simulation", of::<SimulationDocument>()),
        ("version-diff", of::<VersionDiffView>()),
        ("versions", of::<VersionsView>()),
    ]
}

/// Names and schemas of the files a command reads, by the name of their file in `assets/schemas`.
pub fn file_schemas() -> Vec<(&'static str, Schema)> {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let of = || settings.clone().into_generator();
    vec![
        ("rollout", of().into_root_schema_for::<RolloutRequest>()),
        ("runbook-front-matter", of().into_root_schema_for::<FrontMatter>()),
        ("runbook-step", of().into_root_schema_for::<Step>()),
    ]
}
