//! First match in list order, as the field's reload service decides.
//!
//! A policy matches when the requested capability starts with its `id` and its conditions hold.
//! `priority` and `enabled` are ignored, and when none matches the answer is allow: that is what
//! runs in the field, and a console that answered otherwise would hide what nodes really do.
//!
//! Conditions other than `data_classification` and `time_restrictions` are not looked at by the
//! field's service, so a policy with only `required_scopes` matches everybody. We answer alike, but
//! never silently: [`Matched::ignored_conditions`] and [`PreparedRules::ignored_conditions`] name
//! them.

mod clock_window;
mod compile;
mod cover;
mod field_rules;
mod generate;

use std::sync::Arc;

use jiff::Timestamp;
use plumb_bundle::formats::signed_json::Effect;
use plumb_fleet::content::Policy;
use serde_json::Value;

use crate::{
    case::Case,
    decision::{Decision, Matched},
    outcome::Outcome,
    request::Request,
};
use clock_window::ClockWindow;
pub use compile::RuleError;
pub use generate::cases_of_rules;
pub use plumb_bundle::field_rule::field_rule;

/// Which text is right about conditions: the field's manual or its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As documented: `data_classification` is one class or a list of them, looked up in
    /// `context.safety_context` and then in `context`; `time_restrictions` may name days.
    Documented,
    /// As the program in the field does it: only `context.safety_context.data_classification`; a
    /// list of classes equals only the same list; days are not looked at; a malformed time window
    /// that is no object ends the evaluation with the default answer.
    Field,
}

/// The classes a rule asks for.
#[derive(Debug, Clone, PartialEq)]
enum Classes {
    Any,
    OneOf(Vec<String>),
    /// Field reading: equal as Python's `str` prints both.
    Same(Value),
}

/// When a rule applies.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Times {
    Always,
    Within(ClockWindow),
    Never,
    /// The field's program fails here, logs the failure and answers with the default.
    Fails,
}

/// Whom a rule applies to; only rules of the field's own form name persons.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Persons {
    Any,
    OneOf(Vec<Value>),
    Never,
}

#[derive(Debug, Clone)]
struct Rule {
    id: String,
    prefix: String,
    auth_scope: Option<String>,
    classes: Classes,
    times: Times,
    persons: Persons,
    effect: Effect,
    reason: String,
    suggested_alternative: Option<String>,
    risk_level: Option<String>,
    ignored: Vec<Arc<str>>,
}

/// Rules made once per bundle, for answering many requests.
#[derive(Debug, Clone)]
pub struct PreparedRules {
    rules: Vec<Rule>,
    reading: Reading,
}

/// Whether one rule, or one of its conditions, matches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    Fails,
}

const fn yes(holds: bool) -> Match {
    if holds { Match::Yes } else { Match::No }
}

/// What a rule may ask beside the capability, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Scope,
    Classes,
    Times,
    Persons,
}

impl Condition {
    const ALL: [Self; 4] = [Self::Scope, Self::Classes, Self::Times, Self::Persons];
}

/// Answers one request from policies as nodes report them; `now` is taken in UTC.
pub fn evaluate(
    policies: &[Policy],
    request: &Request,
    reading: Reading,
    now: Timestamp,
) -> Result<Decision, RuleError> {
    Ok(PreparedRules::of_policies(policies, reading)?.evaluate(request, now))
}

impl PreparedRules {
    /// No rules: every answer is the default.
    pub const fn none(reading: Reading) -> Self {
        Self { rules: Vec::new(), reading }
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Answers a request; `now` is taken in UTC.
    pub fn evaluate(&self, request: &Request, now: Timestamp) -> Decision {
        for (index, rule) in self.rules.iter().enumerate() {
            if !request.capability_id.starts_with(&rule.prefix) {
                continue;
            }
            match rule.matches(&request.context, now, self.reading) {
                Match::Yes => return rule.decision(index),
                Match::No => {}
                Match::Fails => break,
            }
        }
        Decision::default_allow()
    }

    /// Answers a case of the field's form; another is refused as the field's service refuses it.
    pub fn answer(&self, case: &Case) -> Outcome {
        case.request().map_or_else(
            || Outcome::error("the request has no text capability_id"),
            |request| self.evaluate(&request, case.now).into(),
        )
    }

    /// Whether the time of a request may change its answer.
    pub fn asks_time(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule.times, Times::Within(_)))
    }

    /// Conditions that are never looked at: which policy has them, and their names.
    pub fn ignored_conditions(&self) -> impl Iterator<Item = (&str, &[Arc<str>])> {
        let ignoring = self.rules.iter().filter(|rule| !rule.ignored.is_empty());
        ignoring.map(|rule| (rule.id.as_str(), rule.ignored.as_slice()))
    }
}

impl Rule {
    fn matches(&self, context: &Value, now: Timestamp, reading: Reading) -> Match {
        for condition in Condition::ALL {
            match self.holds(condition, context, now, reading) {
                Match::Yes => {}
                other => return other,
            }
        }
        Match::Yes
    }

    /// Whether one condition holds; one that the rule does not have always does.
    fn holds(
        &self,
        condition: Condition,
        context: &Value,
        now: Timestamp,
        reading: Reading,
    ) -> Match {
        match condition {
            Condition::Scope => yes(self
                .auth_scope
                .as_ref()
                .is_none_or(|scope| python_str(&context["auth_scope"]) == *scope)),
            Condition::Classes => match &self.classes {
                Classes::Any => Match::Yes,
                Classes::OneOf(classes) => {
                    yes(documented_class(context).is_some_and(|class| is_one_of(class, classes)))
                }
                Classes::Same(wanted) => {
                    let safety = &context["safety_context"];
                    if is_truthy(safety) && !safety.is_object() {
                        return Match::Fails;
                    }
                    yes(same_as_python_str(wanted, &safety["data_classification"]))
                }
            },
            Condition::Times => match &self.times {
                Times::Always => Match::Yes,
                Times::Within(window) => yes(window.contains(now)),
                Times::Fails if reading == Reading::Field => Match::Fails,
                Times::Never | Times::Fails => Match::No,
            },
            Condition::Persons => match &self.persons {
                Persons::Any => Match::Yes,
                Persons::Never => Match::No,
                Persons::OneOf(persons) => {
                    let unknown = Value::from("unknown");
                    yes(persons.contains(context.get("person_id").unwrap_or(&unknown)))
                }
            },
        }
    }

    fn decision(&self, index: usize) -> Decision {
        Decision {
            allowed: self.effect == Effect::Allow,
            require_confirmation: self.effect == Effect::RequireConfirmation,
            reason: self.reason.clone(),
            suggested_alternative: self.suggested_alternative.clone(),
            risk_level: self.risk_level.clone(),
            matched: Some(Matched {
                index,
                id: self.id.clone(),
                ignored_conditions: self.ignored.clone(),
            }),
        }
    }
}

/// The class a context names.
fn documented_class(context: &Value) -> Option<&Value> {
    let safety = context.get("safety_context").and_then(|safety| safety.get("data_classification"));
    safety.or_else(|| context.get("data_classification"))
}

fn is_one_of(class: &Value, classes: &[String]) -> bool {
    match class {
        Value::String(class) => classes.contains(class),
        // Data of several classes is covered when a policy is about any of them.
        Value::Array(several) => several.iter().any(|class| {
            class.as_str().is_some_and(|class| classes.iter().any(|known| known == class))
        }),
        _ => false,
    }
}

/// What Python's `bool` says of a JSON value.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// What Python's `str` prints for a scalar; other values never equal one.
fn python_str(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn same_as_python_str(wanted: &Value, found: &Value) -> bool {
    wanted == found || python_str(wanted) == python_str(found)
}

#[cfg(test)]
mod tests;
