//! What crosses IPC: plain data in the operator's words, one file per feature.

pub mod alerts;
pub mod approvals;
pub mod bundles;
pub mod certificate;
pub mod configure;
pub mod consent;
pub mod convert;
pub mod doctor;
pub mod drift;
pub mod dry_run;
pub mod evaluate;
pub mod evidence;
pub mod fleet;
pub mod history;
pub mod impact;
pub mod incidents;
pub mod journal;
pub mod node;
pub mod plan;
pub mod readiness;
pub mod refused;
pub mod rollout;
pub mod run;
pub mod runbook;
pub mod settings;
pub mod shell;
pub mod verification;
pub mod versions;

/// Most rows of one page.
pub const PAGE_ROWS_MAX: u32 = 500;

#[cfg(test)]
mod tests {
    use ts_rs::{Config, ExportError, TS};

    use super::{
        alerts, approvals, bundles, certificate, consent, doctor, drift, dry_run, evidence, fleet,
        history, impact, incidents, node, plan, readiness, refused, rollout, run, runbook,
        settings, shell,
    };
    use crate::{error::AppError, topics::Topic};

    type Write = fn(&Config) -> Result<(), ExportError>;

    /// Every type that crosses IPC; what it is made of comes along.
    const CROSSING: &[Write] = &[
        write::<shell::ShellView>,
        write::<shell::AboutView>,
        write::<fleet::FleetView>,
        write::<fleet::FleetPage>,
        write::<fleet::NodeNames>,
        write::<node::NodeView>,
        write::<node::RawAnswer>,
        write::<node::LogLine>,
        write::<drift::Baseline>,
        write::<drift::DriftView>,
        write::<drift::TextDiffView>,
        write::<drift::MomentsView>,
        write::<bundles::BundleChoice>,
        write::<impact::ImpactView>,
        write::<plan::ActionRequest>,
        write::<plan::PlanView>,
        write::<dry_run::DryRunView>,
        write::<readiness::ChecklistView>,
        write::<rollout::RunOrder>,
        write::<run::RunView>,
        write::<run::RunMoment>,
        write::<consent::PlanConsentView>,
        write::<consent::RequestFileView>,
        write::<consent::WaitingPlanView>,
        write::<consent::KeyRequest>,
        write::<consent::NewKeyRequest>,
        write::<consent::OwnKeysView>,
        write::<consent::SignRequest>,
        write::<approvals::SignedView>,
        write::<approvals::ReviewView>,
        write::<approvals::RosterFileView>,
        write::<certificate::RunCertificateView>,
        write::<refused::RefusedView>,
        write::<refused::ClearingFileView>,
        write::<refused::RefusedPushView>,
        write::<alerts::AlertsPage>,
        write::<alerts::InboxView>,
        write::<alerts::AlertView>,
        write::<alerts::AlertAct>,
        write::<alerts::ActedView>,
        write::<alerts::RetentionView>,
        write::<incidents::IncidentView>,
        write::<incidents::IncidentAct>,
        write::<doctor::DoctorView>,
        write::<runbook::LibraryRow>,
        write::<runbook::RunbookPage>,
        write::<runbook::RunbookAsked>,
        write::<runbook::RunbookBegun>,
        write::<runbook::RunbookRunPage>,
        write::<runbook::RunbookWord>,
        write::<runbook::RunbookOccasion>,
        write::<runbook::RunbookOffer>,
        write::<runbook::RecordedView>,
        write::<evidence::CaptureAsked>,
        write::<evidence::CaptureView>,
        write::<evidence::SealedView>,
        write::<evidence::SealedHere>,
        write::<evidence::EvidenceOpened>,
        write::<evidence::EvidenceStep>,
        write::<evidence::EvidenceDiffView>,
        write::<history::HistoryView>,
        write::<settings::SettingsView>,
        write::<settings::ImportPreview>,
        write::<settings::ImportFormat>,
        write::<settings::ChosenText>,
        write::<AppError>,
        write::<Topic>,
    ];

    fn write<T: TS + 'static>(config: &Config) -> Result<(), ExportError> {
        T::export_all(config)
    }

    /// Writes them into one file. One test, since two processes that add to one file would spoil it.
    #[test]
    fn export_bindings() -> Result<(), ExportError> {
        let config = Config::from_env();
        CROSSING.iter().try_for_each(|write| write(&config))
    }
}
