//! Steps of a story about a rollout: planned in waves, carried out until somebody has to decide, picked up.

use plumb_app::{
    error::{AppError, Code},
    views::{
        plan::{ActionKind, ActionRequest, ConfirmationView},
        rollout::{GateRequest, RolloutRequest, RunOrder, ShapeRequest},
        run::RunView,
    },
};

use super::{FLEET, Session, nodes};

impl Session {
    pub(super) async fn rollout(&mut self, words: &[&str]) -> Result<(), AppError> {
        match words {
            ["plan", selected @ ..] => self.plan_in_waves(selected).await,
            ["dry", "run"] => self.dry_run().await,
            ["start"] => self.start_and_wait().await,
            ["pick", "up"] => {
                let run = self.open_run();
                self.app.resume_run(&run).await?;
                self.app.order_run(&run, &RunOrder::Resume).await?;
                self.wait(&run).await
            }
            ["attest", wave, note @ ..] => {
                let wave = wave.parse::<u32>().expect("a number") - 1;
                self.order(&RunOrder::Attest { wave, note: note.join(" ") }).await
            }
            ["back", reason @ ..] => {
                self.order(&RunOrder::RollBack { reason: reason.join(" ") }).await
            }
            ["abort"] => self.order(&RunOrder::Abort).await,
            other => panic!("no such step of a rollout: {other:?}"),
        }
    }

    /// A canary, which is the first node named, then the others; somebody attests in between.
    async fn plan_in_waves(&mut self, selected: &[&str]) -> Result<(), AppError> {
        let rollout = RolloutRequest {
            shape: ShapeRequest::Shares {
                canary: selected.first().map(ToString::to_string),
                percent: Vec::new(),
            },
            gate: Some(GateRequest {
                convergence_percent: Some(100),
                attest: Some("the canary answers as it should".to_owned()),
                ..GateRequest::default()
            }),
            roll_back_on_failure: false,
            failures_tolerated: 0,
        };
        let request = ActionRequest {
            rollout: Some(rollout),
            ..ActionRequest::new(ActionKind::Sync, nodes(selected))
        };
        self.plan(request).await?;
        let plan = self.plan.as_ref().expect("a plan was made");
        let rollout = plan.rollout.as_ref().expect("it has waves");
        let mut lines = Vec::new();
        for (number, wave) in (1..).zip(&rollout.waves) {
            lines.push(format!("wave {number} {}: {}", wave.name, wave.nodes.join(", ")));
            lines.extend(wave.gate.iter().map(|check| format!("  then {check}")));
        }
        lines.push(rollout.on_failure.clone());
        lines.push(plan.cli.clone());
        for line in lines {
            self.say(line);
        }
        Ok(())
    }

    /// Asks every node of the plan shown last, and tells what they answered.
    async fn dry_run(&mut self) -> Result<(), AppError> {
        let hash = self.plan.as_ref().expect("a plan was made").hash.clone();
        let report = self.app.dry_run(&hash).await?;
        let hindered = report
            .nodes
            .iter()
            .filter_map(|node| node.hindrance.as_ref().map(|why| format!("{} {why}", node.node)));
        let lines: Vec<String> =
            report.summary.iter().cloned().chain(hindered).chain(report.changed.clone()).collect();
        for line in lines {
            self.say(line);
        }
        Ok(())
    }

    /// Starts the plan shown last, typing the phrase where one is asked for.
    async fn start_and_wait(&mut self) -> Result<(), AppError> {
        let plan = self.plan.take().expect("a plan was made");
        let phrase = match &plan.confirmation {
            ConfirmationView::Typed { phrase } => Some(phrase.as_str()),
            ConfirmationView::Undo | ConfirmationView::Dialog => None,
        };
        let run = self.app.start_run(FLEET, &plan.hash, phrase).await?;
        self.run = Some(run.id.clone());
        self.wait(&run.id).await
    }

    fn open_run(&self) -> String {
        self.run.clone().expect("a rollout was started")
    }

    async fn order(&mut self, order: &RunOrder) -> Result<(), AppError> {
        let run = self.open_run();
        self.app.order_run(&run, order).await?;
        self.wait(&run).await
    }

    /// Waits until the run has ended, or only a person can decide, and tells how it stands.
    async fn wait(&mut self, run: &str) -> Result<(), AppError> {
        let mut topics = self.app.subscribe();
        let run = loop {
            let view = self.app.run(run).await?;
            if view.ended_at_ms.is_some() || stands_still(&view) {
                break view;
            }
            topics.recv().await.map_err(|error| {
                AppError::new(Code::Other, error.to_string(), "nobody tells any more")
            })?;
        };
        let rollout = run.rollout.as_ref().expect("it has waves");
        for (number, wave) in (1..).zip(&rollout.waves) {
            self.say(format_args!("wave {number} {}: {:?}", wave.name, wave.state));
            for check in &wave.checks {
                self.say(format_args!("  {:?}: {}", check.verdict, check.what));
            }
        }
        for node in &run.nodes {
            self.say(format_args!("{:<14} {:?}", node.node, node.state));
        }
        self.say(format_args!("{:?}: {}", run.phase, run.summary));
        Ok(())
    }
}

/// Whether it waits for a person, and for nothing else.
fn stands_still(run: &RunView) -> bool {
    use plumb_app::views::rollout::RunCheckVerdict::Met;
    let Some(rollout) = run.rollout.as_ref() else { return false };
    let waits = rollout.waves.iter().find(|wave| wave.waits_for_attestation);
    let unmet = |wave: &plumb_app::views::rollout::RunWave| {
        wave.checks.iter().filter(|check| check.verdict != Met).count()
    };
    rollout.halted.is_some() || waits.is_some_and(|wave| unmet(wave) == 1)
}
