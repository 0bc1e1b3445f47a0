//! One decision, by whatever is in force: first-match rules, or Rego.

use axum::http::StatusCode;
use plumb_decide::{Answer, Decision, Entrypoint, Question, Request};
use plumb_wire::v1::NoBundle;
use serde_json::{Value, json};

use crate::{
    core::{Answering, Core},
    engine::{EngineUnavailable, LoadedPolicy},
    load::{Engine, Policies},
    metrics::DecisionOutcome,
    packs::EmbeddedEngine,
    problem::Fault,
};

/// What Rego answers where it has nothing to say: nobody may act on that as on an allow.
const UNDEFINED: &str = "the policy says nothing about this request";

/// A decision by what answers, or what is told without any bundle.
pub(crate) async fn decide(
    core: &Core,
    answering: &Answering,
    request: &Request,
) -> Result<Decision, Fault> {
    if let Some(rules) = answering.rules() {
        return Ok(rules.evaluate(request, core.now()));
    }
    let Some(policy) = rego(answering)? else {
        return match core.no_bundle() {
            NoBundle::Allow => Ok(Decision::default_allow()),
            NoBundle::Deny => Err(Fault::no_bundle()),
        };
    };
    decision(ask(core, policy, entrypoint(core)?, input_of(request)).await?)
}

/// A request of the field as Rego sees it.
pub(crate) fn input_of(request: &Request) -> Value {
    json!({ "capability_id": request.capability_id, "context": request.context })
}

/// The modules that answer here; nothing without a bundle.
fn rego(answering: &Answering) -> Result<Option<&LoadedPolicy>, Fault> {
    let Some(now) = answering.in_force() else { return Ok(None) };
    match &now.bundle.policies {
        Policies::Rego { engine: Engine::Here(policy), .. } => Ok(Some(policy)),
        Policies::Rego { engine: Engine::Beside, .. } => Err(Fault::not_here(
            "the engine beside this agent decides by this pack; ask it and not the agent",
        )),
        Policies::FirstMatch { .. } => {
            Err(Fault::not_here("a first-match list is in force; ask POST /evaluate"))
        }
    }
}

/// What `POST /evaluate` asks.
pub(crate) fn entrypoint(core: &Core) -> Result<Entrypoint, Fault> {
    let engine = core.engine.as_ref();
    let engine = engine.ok_or_else(|| Fault::internal("there is no engine for Rego here"))?;
    Ok(engine.decision().clone())
}

/// A document, and whether anything decided it.
#[derive(Debug)]
pub(crate) enum Document {
    /// Nothing when it is undefined.
    Decided(Option<Value>),
    /// There is no bundle, and everything is to be allowed.
    AllowedWithoutBundle,
}

/// A document of Rego, as `POST /v1/data/...` gives it. Without a bundle the decision is what
/// `--no-bundle` says; any other document is nobody's to make up.
pub(crate) async fn document(
    core: &Core,
    entrypoint: Entrypoint,
    input: Value,
) -> Result<Document, Fault> {
    let answering = core.answering();
    let Some(policy) = rego(&answering)? else {
        let decision = core.engine.as_ref().map(EmbeddedEngine::decision);
        return match core.no_bundle() {
            NoBundle::Allow if decision == Some(&entrypoint) => Ok(Document::AllowedWithoutBundle),
            NoBundle::Allow | NoBundle::Deny => Err(Fault::no_bundle()),
        };
    };
    match ask(core, policy, entrypoint, input).await? {
        Answer::Allow => Ok(Document::Decided(Some(Value::Bool(true)))),
        Answer::Deny => Ok(Document::Decided(Some(Value::Bool(false)))),
        Answer::Value { value } => Ok(Document::Decided(Some(value))),
        Answer::Undefined => Ok(Document::Decided(None)),
        Answer::Error { message } => Err(Fault::not_evaluated(message)),
        Answer::NotEvaluated { reason } => Err(Fault::not_evaluated(reason.to_string())),
    }
}

async fn ask(
    core: &Core,
    policy: &LoadedPolicy,
    entrypoint: Entrypoint,
    input: Value,
) -> Result<Answer, Fault> {
    let engine = core.engine.as_ref();
    let engine = engine.ok_or_else(|| Fault::internal("there is no engine for Rego here"))?;
    let question = Question { entrypoint, input, now: core.now() };
    let answer = engine.ask(policy, question).await;
    answer.map_err(|error| match error {
        EngineUnavailable::Busy | EngineUnavailable::Stopped => Fault::busy(error.to_string()),
    })
}

fn decision(answer: Answer) -> Result<Decision, Fault> {
    let plain = |allowed: bool, reason: &str| Decision {
        allowed,
        reason: reason.to_owned(),
        ..Decision::default_allow()
    };
    match answer {
        Answer::Allow => Ok(plain(true, "allowed by the policy")),
        Answer::Deny => Ok(plain(false, "denied by the policy")),
        Answer::Undefined => Ok(plain(false, UNDEFINED)),
        Answer::Value { value } => of_value(&value).ok_or_else(|| {
            Fault::not_evaluated(
                "the decision is neither true nor false, nor an object that says so",
            )
        }),
        Answer::Error { message } => Err(Fault::not_evaluated(message)),
        Answer::NotEvaluated { reason } => Err(Fault::not_evaluated(reason.to_string())),
    }
}

/// An object with `allow` or `allowed`, and what else a decision has.
fn of_value(value: &Value) -> Option<Decision> {
    let flag = |key| value.get(key).and_then(Value::as_bool);
    let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let allowed = flag("allow").or_else(|| flag("allowed"))?;
    Some(Decision {
        allowed,
        require_confirmation: flag("require_confirmation").unwrap_or(false),
        reason: text("reason").unwrap_or_else(|| "as the policy says".to_owned()),
        suggested_alternative: text("suggested_alternative"),
        risk_level: text("risk_level"),
        matched: None,
    })
}

/// Counts what a caller was told.
pub(crate) fn count(core: &Core, decision: &Result<Decision, Fault>) {
    core.traffic.decided(match decision {
        Err(_) => DecisionOutcome::Unavailable,
        // What has to be confirmed is not allowed yet.
        Ok(decision) if decision.require_confirmation => DecisionOutcome::Confirm,
        Ok(decision) if !decision.allowed => DecisionOutcome::Deny,
        Ok(_) => DecisionOutcome::Allow,
    });
}

/// Counts a document. One that is no decision is counted by its answer only.
pub(crate) fn count_document(core: &Core, document: &Result<Document, Fault>) {
    let outcome = match document {
        Err(fault) if fault.status == StatusCode::BAD_REQUEST => return,
        Err(_) => DecisionOutcome::Unavailable,
        Ok(Document::AllowedWithoutBundle | Document::Decided(Some(Value::Bool(true)))) => {
            DecisionOutcome::Allow
        }
        Ok(Document::Decided(Some(Value::Bool(false)) | None)) => DecisionOutcome::Deny,
        Ok(Document::Decided(Some(value))) => match of_value(value) {
            None => return,
            Some(decision) => return count(core, &Ok(decision)),
        },
    };
    core.traffic.decided(outcome);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_says_what_a_decision_has() {
        let value = json!({ "allow": true, "require_confirmation": true, "reason": "large" });
        let decision = decision(Answer::Value { value }).expect("a decision");
        assert!(decision.allowed && decision.require_confirmation);
        assert_eq!(decision.reason, "large");
    }

    #[test]
    fn what_is_undefined_is_no_allow_and_a_text_is_no_decision() {
        assert!(!decision(Answer::Undefined).expect("a decision").allowed);
        let text = decision(Answer::Value { value: json!("yes") });
        assert_eq!(text.expect_err("no decision").status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
