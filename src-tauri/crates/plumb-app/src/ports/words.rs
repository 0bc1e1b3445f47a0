//! Words of nodes in events, without credentials, before an event is hashed: what a hash chain binds can be left out of
//! evidence later, and not be changed any more.
//!
//! Names of people and machines stay, as in everything that is signed. So does what people say: they sign it.

use plumb_fleet::FleetId;
use plumb_journal::{EffectOutcome, Event, StepEvent};
use plumb_redact::{Redactor, RuleSpec, Rules, TokenKey};
use tracing::warn;

use crate::{
    app::App,
    error::{AppError, chain},
};

/// Takes credentials out of what nodes say.
#[derive(Debug)]
pub(super) struct Words {
    redactor: Redactor,
    /// The fleet whose own rules count, once it is known.
    fleet: Option<FleetId>,
}

impl Words {
    pub(super) fn new(app: &App) -> Self {
        let key = app.token_key().unwrap_or_else(|error| {
            warn!(error = %error.message, "tokens of the journal are made with a key of their own");
            let mut key = [0; 32];
            rand::fill(&mut key);
            key
        });
        let spec = RuleSpec::default().of_credentials();
        let rules = Rules::compile(&spec).expect("the built-in rules compile");
        Self { redactor: Redactor::new(rules, TokenKey::new(key)), fleet: None }
    }

    /// From the first event of a run on, the fleet's own rules count as well.
    pub(super) fn hear(&mut self, app: &App, event: &Event) {
        let Event::RunStarted { fleet, .. } = event else { return };
        if self.fleet.as_ref() == Some(fleet) {
            return;
        }
        match rules_of(app, fleet) {
            Ok(rules) => self.redactor = self.redactor.by(rules),
            // A capture says so to whoever can mend it; the run goes on.
            Err(error) => warn!(%fleet, error = %error.message, "only built-in rules of redaction"),
        }
        self.fleet = Some(fleet.clone());
    }

    /// The event as it is hashed.
    pub(super) fn without_credentials(&mut self, mut event: Event) -> Event {
        match &mut event {
            Event::EffectFinished { outcome, .. } => match outcome {
                EffectOutcome::Accepted { detail: words }
                | EffectOutcome::Refused { message: words }
                | EffectOutcome::Missing { message: words }
                | EffectOutcome::InDoubt { message: words } => self.redact(words),
            },
            Event::PinsUnchanged { reason }
            | Event::EffectSkipped { reason, .. }
            | Event::GateFailed { reason, .. }
            | Event::Halted { reason, .. }
            | Event::LockLost { reason }
            | Event::RollbackStarted { reason, by: None } => self.redact(reason),
            Event::EffectSettled { detail, .. } | Event::NodeProven { detail, .. } => {
                self.redact(detail);
            }
            Event::GateEvaluated { checks, .. } => {
                for check in checks {
                    self.redact(&mut check.detail);
                }
            }
            Event::Step { happened, .. } => match happened {
                StepEvent::Breached { detail, .. }
                | StepEvent::Finished { detail, by: None, envelope: None, .. } => {
                    self.redact(detail);
                }
                StepEvent::NotCarried { reason } => self.redact(reason),
                _ => {}
            },
            _ => {}
        }
        event
    }

    fn redact(&mut self, words: &mut String) {
        match self.redactor.text(words) {
            Ok(redacted) if redacted == *words => {}
            Ok(redacted) => *words = redacted,
            Err(error) => *words = format!("left out: {}", chain(&error)),
        }
    }
}

fn rules_of(app: &App, fleet: &FleetId) -> Result<Rules, AppError> {
    let (spec, _) = app.redaction_rules(fleet.as_str())?;
    Ok(Rules::compile(&spec.of_credentials()).expect("fewer of rules that compile"))
}

#[cfg(test)]
mod tests {
    use plumb_fleet::NodeId;
    use plumb_redact::CustomPattern;
    use plumb_runbook::Branch;

    use super::*;

    const SAID: &str = "403: Authorization: Bearer ghp_0123456789abcdef0123456789abcdef0123 of \
                        mira@example.org, ticket OPS-4711";

    fn words(spec: &RuleSpec) -> Words {
        let rules = Rules::compile(&spec.of_credentials()).expect("good rules");
        Words { redactor: Redactor::new(rules, TokenKey::new([7; 32])), fleet: None }
    }

    /// What is left of the words of a node in each event that has some.
    fn check(spec: &RuleSpec) -> Vec<String> {
        let (node, branch) = (NodeId::new("gw-1").expect("a name"), Branch::Forward);
        let message = SAID.to_owned();
        let outcome = EffectOutcome::Refused { message };
        let events = [
            Event::EffectFinished { node: node.clone(), index: 0, outcome, branch },
            Event::EffectSkipped { node, index: 0, reason: SAID.to_owned(), branch },
            Event::GateFailed { wave: 0, reason: SAID.to_owned() },
            Event::RollbackStarted { reason: SAID.to_owned(), by: None },
            Event::Step {
                step: "drain".to_owned(),
                happened: StepEvent::NotCarried { reason: SAID.to_owned() },
            },
        ];
        let mut words = words(spec);
        let text = |event| serde_json::to_string(&words.without_credentials(event));
        events.map(text).map(|text| text.expect("events serialise")).into()
    }

    #[test]
    fn credentials_go_and_names_of_people_stay() {
        for text in check(&RuleSpec::default()) {
            assert!(!text.contains("ghp_0123"), "{text}");
            assert!(text.contains("mira@example.org") && text.contains("OPS-4711"), "{text}");
        }
        let off = ["authorization", "bearer", "service-token"].map(str::to_owned).into();
        for text in check(&RuleSpec { off, ..RuleSpec::default() }) {
            assert!(text.contains("ghp_0123"), "nothing else finds it: {text}");
        }
        let (name, pattern) = ("ticket".to_owned(), "OPS-[0-9]+".to_owned());
        let patterns = vec![CustomPattern { name, pattern }];
        for text in check(&RuleSpec { patterns, ..RuleSpec::default() }) {
            assert!(!text.contains("OPS-4711"), "{text}");
        }
    }

    #[test]
    fn what_people_say_and_sign_stays_as_it_is() {
        let said = Event::RollbackStarted { reason: SAID.to_owned(), by: Some("mira".to_owned()) };
        let answered = Event::Step {
            step: "ask".to_owned(),
            happened: StepEvent::Finished {
                outcome: plumb_journal::StepOutcome::Succeeded,
                detail: SAID.to_owned(),
                result: serde_json::Value::Null,
                by: Some("mira".to_owned()),
                envelope: None,
            },
        };
        let mut words = words(&RuleSpec::default());
        for event in [said, answered] {
            assert_eq!(words.without_credentials(event.clone()), event);
        }
    }
}
