//! `release`: whether a release may go on, by the objectives of its service (R146).

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};
use plumb_app::{
    actions::release::release_check,
    alert_sources::{AlertSource, AlertSourceError, AlertSourceKind, CredentialRef},
};
use serde_json::{Value, json};

use crate::{
    commands::{
        alerts::text,
        hub::access::{HubArgs, guided},
        inbox::Inbox,
    },
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::escape::printable,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Judge a release by what is measured of its service; it ends with 1 where the gate blocks it
    Check(Box<Check>),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The service, as slo_policy.yml names it
    #[arg(long)]
    service: String,
    /// The environment, as release_gate_policy.yml names it
    #[arg(long)]
    env: String,
    /// Address of a Prometheus that is asked for the figures
    #[arg(long, value_name = "URL", requires = "queries")]
    prometheus: Option<String>,
    /// A figure, by the name of its objective, and what is asked for it; may be repeated
    #[arg(id = "queries", long = "query", value_name = "METRIC=EXPR", value_parser = pair, requires = "prometheus")]
    queries: Vec<(String, String)>,
    /// File with the token for the Prometheus
    #[arg(long = "token-file", value_name = "FILE", requires = "prometheus")]
    server_token_file: Option<String>,
    /// PEM certificates its own has to descend from; the system's without it
    #[arg(long = "ca", value_name = "FILE", requires = "prometheus")]
    server_ca: Option<String>,
    /// A figure that was measured elsewhere; may be repeated
    #[arg(long, value_name = "METRIC=VALUE", value_parser = figure)]
    measured: Vec<(String, f64)>,
    /// Let it go on without the gate; nothing is measured then
    #[arg(long, value_name = "KIND", value_enum, requires_all = ["reason", "incident"], conflicts_with_all = ["queries", "measured"])]
    bypass: Option<Bypass>,
    /// Why the gate is bypassed; it stands in the timeline of the incident
    #[arg(long, value_name = "TEXT", requires = "bypass")]
    reason: Option<String>,
    /// The incident that the bypass is written into
    #[arg(long, value_name = "INCIDENT", requires = "bypass")]
    incident: Option<String>,
    /// Folder of slo_policy.yml and release_gate_policy.yml, to judge by them and not by those of a hub
    #[arg(long, value_name = "DIR")]
    policies: Option<Utf8PathBuf>,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Bypass {
    /// It cannot wait until the service is mended
    EmergencyDeploy,
    /// The release is what mends it
    FixesTheBreach,
    /// What is measured is wrong
    MeasurementBroken,
}

impl Bypass {
    const fn name(self) -> &'static str {
        match self {
            Self::EmergencyDeploy => "emergency_deploy",
            Self::FixesTheBreach => "fixes_the_breach",
            Self::MeasurementBroken => "measurement_broken",
        }
    }
}

impl Release {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let Self::Check(check) = self;
        check.run(session).await
    }
}

impl Check {
    async fn run(&self, session: Session<'_>) -> Outcome {
        let (measured, unmeasured) = self.figures().await?;
        let bypass = self.bypass.map(|kind| kind.name().to_owned()).zip(self.reason.clone());
        let wanted =
            release_check(&self.service, &self.env, measured, bypass, self.incident.as_deref());
        if let Some(folder) = &self.policies {
            return session
                .with_app(async |app| {
                    let own = app.own_inbox(None);
                    let answer = own.check_release(&wanted, folder).await?;
                    Ok(told(session.out, &answer, &unmeasured))
                })
                .await;
        }
        session
            .with_inbox(&self.hub, async |inbox| {
                if matches!(inbox, Inbox::Own(_)) {
                    return Err(Failure::usage(
                        "nothing is named to judge the release by",
                        "give --policies DIR, or a hub with --hub URL",
                    ));
                }
                let answer = inbox.call("/v1/releases/check", &json!(wanted)).await?;
                Ok(told(session.out, &answer, &unmeasured))
            })
            .await
    }

    /// What was measured, and why some of it was not: an objective without a figure is not known to be met.
    async fn figures(&self) -> Result<(BTreeMap<String, f64>, Vec<String>), Failure> {
        let mut measured: BTreeMap<String, f64> = self.measured.iter().cloned().collect();
        let mut unmeasured = Vec::new();
        if let Some(url) = &self.prometheus {
            let token = self.server_token_file.as_ref();
            let credential =
                token.map(|file| CredentialRef::Command(vec!["cat".to_owned(), file.clone()]));
            let (kind, ca) = (AlertSourceKind::Prometheus, self.server_ca.clone());
            let source = AlertSource { kind, url: url.clone(), credential, ca };
            let queries: Vec<String> =
                self.queries.iter().map(|(_, query)| query.clone()).collect();
            let values = source.values(&queries).await.map_err(|error: AlertSourceError| {
                Failure::usage(
                    error.to_string(),
                    "give the address of a Prometheus: --prometheus URL",
                )
            })?;
            for ((metric, _), value) in self.queries.iter().zip(values) {
                match value {
                    Ok(value) if value.is_finite() => {
                        measured.insert(metric.clone(), value);
                    }
                    // JSON has no such number, and no objective is met by it.
                    Ok(value) => unmeasured.push(format!("{metric}: the query answers {value}")),
                    Err(error) => unmeasured.push(format!("{metric}: {error}")),
                }
            }
        }
        Ok((measured, unmeasured))
    }
}

fn told(out: &Output, answer: &Value, unmeasured: &[String]) -> Exit {
    for why in unmeasured {
        out.note(format!("not measured: {}", printable(why)));
    }
    out.show(answer, |out| {
        let verdict = text(&answer["verdict"]);
        match answer["incident_ref"].as_str() {
            Some(incident) => out.say(format!("{verdict}: the reason stands in {incident}")),
            None => out.say(verdict),
        }
        for breach in answer["breaches"].as_array().into_iter().flatten() {
            out.say(format!("  {}", printable(text(breach))));
        }
        if let Some(guide) = answer["guide"].as_str() {
            out.note(guided(guide));
        }
    });
    Exit::fine_if(answer["may_go_on"] == true)
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (metric, value) = text.split_once('=').ok_or("it is METRIC=, and what belongs to it")?;
    if metric.trim().is_empty() || value.trim().is_empty() {
        return Err("it is METRIC=, and what belongs to it".to_owned());
    }
    Ok((metric.trim().to_owned(), value.trim().to_owned()))
}

fn figure(text: &str) -> Result<(String, f64), String> {
    let (metric, value) = pair(text)?;
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
    number.map(|number| (metric, number)).ok_or_else(|| format!("{value:?} is no number"))
}
