//! One file per verb; this one says which words lead where.

pub(crate) mod act;
pub(crate) mod agent;
pub(crate) mod alerts;
pub(crate) mod approvals;
pub(crate) mod approve;
pub(crate) mod bundle;
pub(crate) mod bundle_status;
pub(crate) mod certificate;
pub(crate) mod chart;
pub(crate) mod check_subscription;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod credential;
pub(crate) mod demo;
pub(crate) mod deployments;
pub(crate) mod distribute;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod evaluate;
pub(crate) mod evidence;
pub(crate) mod fleet;
pub(crate) mod help;
pub(crate) mod hub;
pub(crate) mod impact;
pub(crate) mod inbox;
pub(crate) mod incidents;
pub(crate) mod journal;
pub(crate) mod key;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod opa;
pub(crate) mod packs;
pub(crate) mod passphrase;
pub(crate) mod pin;
pub(crate) mod plan;
pub(crate) mod readiness;
pub(crate) mod refused;
pub(crate) mod release;
pub(crate) mod requests;
pub(crate) mod resolve_conflict;
pub(crate) mod restart;
pub(crate) mod rollback;
pub(crate) mod roster;
pub(crate) mod run;
pub(crate) mod runbook;
pub(crate) mod runs;
pub(crate) mod status;
pub(crate) mod sync;
mod tls;
mod token;
pub(crate) mod trust;
pub(crate) mod unpin;
pub(crate) mod verify_bundle;
pub(crate) mod version;

use crate::{
    args::{Arguments, Bundle, Command, Policy, Service},
    exit::Outcome,
    output::Output,
    session::Session,
};

/// Does what the arguments say.
pub(crate) async fn run(arguments: &Arguments, out: &Output) -> Outcome {
    let session = Session { global: &arguments.global, out };
    match &arguments.command {
        Command::Policy(policy) => self::policy(session, policy).await,
        Command::Bundle(bundle) => self::bundle(session, bundle).await,
        Command::VerifyBundle(verify) => verify.run(session),
        Command::Trust(trust) => trust.run(session).await,
        Command::Service(Service::Restart(restart)) => restart.run(session).await,
        Command::Doctor(doctor) => doctor.run(session).await,
        Command::Drift(drift) => drift.run(session).await,
        Command::Fleet(fleet) => fleet.run(session).await,
        Command::Credential(credential) => credential.run(session).await,
        Command::Plan(plan) => plan.run(session).await,
        Command::Run(run) => run.run(session).await,
        Command::Runbook(runbook) => runbook.run(session).await,
        Command::Runs(runs) => runs.run(session).await,
        Command::Journal(journal) => journal.run(session).await,
        Command::Certificate(certificate) => certificate.run(session).await,
        Command::Readiness(readiness) => readiness.run(session).await,
        Command::Chart(chart) => chart.run(session).await,
        Command::Evidence(evidence) => evidence.run(session).await,
        Command::Approve(approve) => approve.run(session).await,
        Command::Approvals(approvals) => approvals.run(session).await,
        Command::Refused(refused) => refused.run(session).await,
        Command::Roster(roster) => roster.run(session).await,
        Command::Key(key) => key.run(session).await,
        Command::Agent(agent) => agent.run(session).await,
        Command::Hub(hub) => hub.run(session).await,
        Command::Alerts(alerts) => alerts.run(session).await,
        Command::Incidents(incidents) => incidents.run(session).await,
        Command::Release(release) => release.run(session).await,
        Command::Demo(demo) => Box::pin(demo.run(session)).await,
        Command::Completion(completion) => completion.run(session),
        Command::Man(man) => man.run(session),
        Command::Help(help) => help.run(session),
    }
}

async fn policy(session: Session<'_>, policy: &Policy) -> Outcome {
    match policy {
        Policy::Version(version) => version.run(session).await,
        Policy::Active(active) => active.run(session).await,
        Policy::Status(status) => status.run(session).await,
        Policy::Bundle(bundle) => self::bundle(session, bundle).await,
        Policy::Opa(opa) => opa.run(session).await,
        Policy::Deployments(deployments) => deployments.run(session).await,
        Policy::Packs(packs) => packs.run(session).await,
        Policy::Sync(sync) => sync.run(session).await,
        Policy::Pin(pin) => pin.run(session).await,
        Policy::Unpin(unpin) => unpin.run(session).await,
        Policy::Rollback(rollback) => rollback.run(session).await,
        Policy::ResolveConflict(resolve) => resolve.run(session).await,
        Policy::Config(config) => config.run(session).await,
        Policy::Evaluate(evaluate) => evaluate.run(session).await,
        Policy::Impact(impact) => impact.run(session).await,
        Policy::Requests(requests) => requests.run(session).await,
        Policy::Logs(logs) => logs.run(session).await,
    }
}

async fn bundle(session: Session<'_>, bundle: &Bundle) -> Outcome {
    match bundle {
        Bundle::Status(status) => status.run(session).await,
        Bundle::CheckSubscription(check) => check.run(session).await,
        Bundle::StorageStatus(status) => status.run(session).await,
        Bundle::Distribute(distribute) => distribute.run(session).await,
        Bundle::Build(build) => build.run(session),
        Bundle::Sign(sign) => sign.run(session),
        Bundle::Verify(verify) => verify.run(session),
        Bundle::Inspect(inspect) => inspect.run(session),
        Bundle::Diff(diff) => diff.run(session),
        Bundle::Keygen(keygen) => keygen.run(session),
    }
}
