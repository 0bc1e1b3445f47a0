//! `approve`: shows exactly what would be signed, asks, and signs.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use plumb_app::{
    App,
    actions::{
        approve::{Answer, Answering},
        files::write_chosen,
    },
    request_in_evidence,
    views::{approvals::ApprovalRequestView, runbook::RunbookRequestView},
};

use crate::{
    args::Speaking,
    commands::fleet::read_text,
    confirm::agree,
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::escape::printable,
};

/// As long as a request may be.
pub(crate) const REQUEST_BYTES_MAX: u64 = 32 << 20;

#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The request, as whoever asks wrote it with --request or with `runbook request`
    #[arg(long, value_name = "FILE", required_unless_present_any = ["from_hub", "evidence"])]
    request: Option<String>,
    /// Take the request out of sealed evidence, once every promise of it was found to hold
    #[arg(long, value_name = "ARCHIVE", conflicts_with_all = ["request", "from_hub"], requires = "output")]
    evidence: Option<Utf8PathBuf>,
    /// The plan it is about, where the evidence has requests for several
    #[arg(long, value_name = "HASH", requires = "evidence")]
    plan: Option<String>,
    /// Take the request for this plan from the mailbox of the hub that the fleet file names
    #[arg(long, value_name = "HASH", conflicts_with = "request")]
    from_hub: Option<String>,
    /// Refuse instead
    #[arg(long, requires = "reason")]
    refuse: bool,
    /// Why it is refused
    #[arg(long, value_name = "TEXT", requires = "refuse")]
    reason: Option<String>,
    /// Hours for which the approval stays good; as many as the rule allows without this
    #[arg(long, value_name = "HOURS")]
    valid: Option<u32>,
    #[command(flatten)]
    by: Speaking,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
    /// File to write the signed answer to; where the fleet file names a hub, it lies in the mailbox of the plan as well, unless the request is out of evidence
    #[arg(short, long, value_name = "FILE", required_unless_present = "from_hub")]
    output: Option<Utf8PathBuf>,
}

impl Approve {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        if let Some(file) = &self.evidence {
            return session
                .with_app(async |app| self.answer_of_evidence(session, app, file).await)
                .await;
        }
        match (&self.request, &self.from_hub) {
            (None, Some(plan)) => {
                session
                    .with_fleet(async |app, fleet| {
                        let request = app.request_at_hub(fleet, plan).await?;
                        self.answer(session, app, &request).await
                    })
                    .await
            }
            (file, _) => {
                session
                    .with_app(async |app| {
                        let file = file.as_deref().unwrap_or_default();
                        let request = read_text(file, REQUEST_BYTES_MAX)?;
                        self.answer(session, app, request.as_bytes()).await
                    })
                    .await
            }
        }
    }

    /// Nothing is sent: the answer leaves as a file.
    async fn answer_of_evidence(
        &self,
        session: Session<'_>,
        app: &App,
        file: &Utf8Path,
    ) -> Outcome {
        let trust = app.evidence_trust().await?;
        let found = request_in_evidence(file, trust, self.plan.as_deref()).await?;
        if found.signer_unknown {
            let note = "nobody here knows the key that sealed the evidence; what counts is who asked, below";
            session.out.note(note);
        }
        self.answer(session, app, &found.bytes).await
    }

    async fn answer(&self, session: Session<'_>, app: &App, request: &[u8]) -> Outcome {
        if let Some(shown) = app.look_at_runbook_request(request).await? {
            return self.answer_runbook(session, app, request, &shown).await;
        }
        let shown = app.look_at_request(request).await?;
        show(session.out, &shown);
        agree(session.out, self.yes)?;
        let answer = match (&self.reason, self.refuse) {
            (Some(reason), true) => Answer::Refuse { reason: reason.clone() },
            _ => Answer::Approve,
        };
        let answering = Answering {
            answer,
            role: self.by.role.clone(),
            valid_h: self.valid,
            key: self.by.key.choice(app)?,
        };
        let (bytes, mut signed) = if self.evidence.is_some() {
            app.answer_as_file(request, &answering).await?
        } else {
            app.answer_request(request, &answering).await?
        };
        if let Some(output) = &self.output {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            write_chosen(output.clone(), text).await?;
            signed.file = Some(output.to_string());
        }
        session.out.show(&signed, |out| {
            let word = if self.refuse { "refused" } else { "approved" };
            out.say(format!(
                "{word} by {} for {}, good until {}",
                signed.person, signed.role, signed.expires_at
            ));
            let hint = match &self.output {
                Some(output) => format!("whoever asks: plumb approvals add {output}"),
                None => format!("whoever asks: plumb approvals fetch {}", shown.plan),
            };
            out.say(out.style.faint(&hint));
        });
        Ok(Exit::Fine)
    }
}

impl Approve {
    /// The same for a run of a runbook, which asks at one of its steps.
    async fn answer_runbook(
        &self,
        session: Session<'_>,
        app: &App,
        request: &[u8],
        shown: &RunbookRequestView,
    ) -> Outcome {
        if self.refuse || self.valid.is_some() {
            let hint = "leave it unsigned, and tell whoever runs it why; consent is for one run and its time limit";
            let message = "a run of a runbook takes consent only, without --refuse and --valid";
            return Err(Failure::usage(message, hint));
        }
        show_runbook(session.out, shown);
        agree(session.out, self.yes)?;
        let (role, key) = (self.by.role.as_deref(), self.by.key.choice(app)?);
        let (bytes, mut signed) = app.answer_runbook_request(request, role, &key).await?;
        if let Some(output) = &self.output {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            write_chosen(output.clone(), text).await?;
            signed.file = Some(output.to_string());
        }
        session.out.show(&signed, |out| {
            out.say(printable(&format!("approved by {} for {}", signed.person, signed.group)));
            let with = self.output.as_ref().map(|output| format!(" --approval {output}"));
            let with = with.unwrap_or_default();
            let hint = format!("whoever runs it: plumb runbook resume {}{with}", signed.run);
            out.say(out.style.faint(&printable(&hint)));
        });
        Ok(Exit::Fine)
    }
}

fn show_runbook(out: &Output, request: &RunbookRequestView) {
    out.say(out.style.bold(&printable(&request.title)));
    for step in &request.steps {
        out.say(format!("  {}", printable(step)));
    }
    for (name, value) in &request.parameters {
        out.say(printable(&format!("  {name:<12}{value}")));
    }
    let hosts = match request.hosts.as_slice() {
        [] => "no host beside those of the fleet".to_owned(),
        hosts => hosts.join(", "),
    };
    let lines = [
        ("fleet", request.fleet.clone()),
        ("environment", request.environment.clone()),
        ("may ask", hosts),
        ("run by", request.operator.clone()),
        ("run", request.run.clone()),
        ("may run", request.trusted.clone()),
        ("plan", request.plan.clone()),
        ("approve", request.what.clone()),
        ("asked are", request.groups.join(" and ")),
    ];
    for (name, value) in lines {
        out.say(format!("  {name:<12}{}", printable(&value)));
    }
}

/// Everything that the signature binds, in the order in which people ask.
fn show(out: &Output, request: &ApprovalRequestView) {
    out.say(format!("{} on {} nodes of {}", request.title, request.targets, request.fleet));
    for change in &request.changes {
        out.say(format!("  {}", printable(change)));
    }
    let lines = [
        ("environment", request.environment.clone()),
        ("rule", request.rule.clone()),
        ("asked by", request.requester.clone()),
        ("may begin", format!("{} to {}", request.not_before, request.not_after)),
        ("plan", request.plan.clone()),
        ("targets", request.targets_digest.clone()),
        ("dry run", request.dry_run.clone().unwrap_or_else(|| "none".to_owned())),
        ("roster", format!("version {} {}", request.roster_version, request.roster)),
    ];
    for (name, value) in lines {
        out.say(format!("  {name:<12}{}", printable(&value)));
    }
    let lists = [
        ("bundle", &request.bundles),
        ("it found", &request.found),
        ("decisions", &request.decisions),
        ("readiness", &request.readiness),
        ("acknowledge", &request.warnings),
    ];
    for (name, values) in lists {
        for value in values {
            out.say(format!("  {name:<12}{}", printable(value)));
        }
    }
    for problem in request.fatal.iter().chain(&request.problems) {
        out.say(out.style.bad(&format!("  × {}", printable(problem))));
    }
}
