//! `doctor`: checks with evidence and what to do (R006, R015).

use clap::Args;
use plumb_app::{
    queries::doctor::Check,
    views::doctor::{CheckResult, CheckSeverity, DoctorView},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::escape::printable,
};

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Only this check; may be repeated
    #[arg(long, value_name = "NAME")]
    check: Vec<String>,
    /// List the checks, and stop
    #[arg(long)]
    list: bool,
}

/// The checks there are.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChecksDocument {
    pub(crate) checks: Vec<KnownCheck>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KnownCheck {
    pub(crate) name: String,
    pub(crate) title: String,
}

impl Doctor {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        if self.list {
            let known = |check: Check| KnownCheck {
                name: check.name().to_owned(),
                title: check.title().to_owned(),
            };
            let document = ChecksDocument { checks: Check::ALL.map(known).into() };
            session.out.show(&document, |out| {
                for check in &document.checks {
                    out.say(format!("{:<40}{}", check.name, check.title));
                }
            });
            return Ok(Exit::Fine);
        }
        session
            .with_fleet(async |app, fleet| {
                // A misspelt name is told before anybody is asked anything.
                app.doctor(fleet, &self.check).await?;
                let look = session.look(app, fleet, None).await?;
                let view = app.doctor(fleet, &self.check).await?;
                session.out.show(&view, |out| {
                    session.origin(&view.fleet, view.sweep.as_ref(), view.now_ms);
                    show(out, &view);
                });
                Ok(look.exit(view.passed))
            })
            .await
    }
}

fn show(out: &Output, view: &DoctorView) {
    for check in &view.checks {
        out.say(format!("{}  {}", out.style.check(check.result), out.style.bold(&check.title)));
        let urgency = match (check.result, check.severity) {
            (CheckResult::Passed | CheckResult::NotKnown, _) => "",
            (_, CheckSeverity::Info) => ", info",
            (_, CheckSeverity::Warning) => ", warning",
            (_, CheckSeverity::Page) => ", page",
        };
        out.say(out.style.faint(&format!("  {}{urgency}", check.name)));
        out.say(format!("  {}", printable(&check.summary)));
        for line in &check.evidence {
            let node = line.node.as_ref().map(|node| format!("{node}  ")).unwrap_or_default();
            out.say(format!("    {}", printable(&format!("{node}{}", line.detail))));
        }
        if let Some(remedy) = &check.remedy {
            out.say(format!("  what to do: {remedy}"));
        }
    }
}
