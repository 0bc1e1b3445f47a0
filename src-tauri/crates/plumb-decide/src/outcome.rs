//! What a policy said to a case, in one form for every kind of policy.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    answer::{Answer, Reason},
    decision::Decision,
};

/// What an answer comes to for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Allow,
    /// Allowed once a person confirms.
    Confirm,
    Deny,
    /// The entry point has no value.
    Undefined,
    /// A value that is no decision.
    Value,
    /// The policy failed.
    Error,
    /// Nobody here can say what a node would answer.
    NotEvaluated,
}

impl Effect {
    /// The two flags of a decision.
    pub const fn of_flags(allowed: bool, require_confirmation: bool) -> Self {
        match (allowed, require_confirmation) {
            (_, true) => Self::Confirm,
            (true, false) => Self::Allow,
            (false, false) => Self::Deny,
        }
    }

    /// How much it lets through; none where that cannot be said. No value is no permission.
    pub const fn permits(self) -> Option<u8> {
        match self {
            Self::Allow => Some(2),
            Self::Confirm => Some(1),
            Self::Deny | Self::Undefined => Some(0),
            Self::Value | Self::Error | Self::NotEvaluated => None,
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Confirm => "confirm",
            Self::Deny => "deny",
            Self::Undefined => "undefined",
            Self::Value => "value",
            Self::Error => "error",
            Self::NotEvaluated => "not evaluated",
        }
    }
}

/// The end of one case under one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub effect: Effect,
    /// The reason given with the decision, the message of an error, or why it was not evaluated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The policy that decided; none when a default did, or when it is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// Everything else that was answered, where there is more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<Value>,
}

impl Outcome {
    fn of(effect: Effect) -> Self {
        Self { effect, reason: None, rule: None, value: None }
    }

    /// The policy failed, with its message.
    pub fn error(message: impl Into<String>) -> Self {
        Self { reason: Some(message.into()), ..Self::of(Effect::Error) }
    }

    /// Nobody here can say, with the reason.
    pub fn not_evaluated(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::of(Effect::NotEvaluated) }
    }
}

impl From<Reason> for Outcome {
    fn from(reason: Reason) -> Self {
        Self::not_evaluated(reason.to_string())
    }
}

impl From<Decision> for Outcome {
    fn from(decision: Decision) -> Self {
        let effect = Effect::of_flags(decision.allowed, decision.require_confirmation);
        let beside = [
            ("suggested_alternative", decision.suggested_alternative),
            ("risk_level", decision.risk_level),
        ];
        let beside: serde_json::Map<String, Value> = beside
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text?.into())))
            .collect();
        Self {
            effect,
            reason: Some(decision.reason),
            rule: decision.matched.map(|matched| matched.id),
            value: (!beside.is_empty()).then(|| beside.into()),
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Allow => Self::of(Effect::Allow),
            Answer::Deny => Self::of(Effect::Deny),
            Answer::Undefined => Self::of(Effect::Undefined),
            Answer::Error { message } => Self::error(message),
            Answer::NotEvaluated { reason } => reason.into(),
            Answer::Value { value } => of_value(value),
        }
    }
}

/// Reads the two ways in which a policy answers with a document: `allow` or `allowed`, true or false,
/// with `reason`, and `require_confirmation` where a person has the last word.
fn of_value(value: Value) -> Outcome {
    let truth = |name: &str| value.get(name).and_then(Value::as_bool);
    let effect = match (truth("allow").or_else(|| truth("allowed")), truth("require_confirmation"))
    {
        (None, _) => Effect::Value,
        (Some(_), Some(true)) => Effect::Confirm,
        (Some(true), _) => Effect::Allow,
        (Some(false), _) => Effect::Deny,
    };
    let reason = value.get("reason").and_then(Value::as_str).map(str::to_owned);
    Outcome { effect, reason, rule: None, value: Some(value) }
}
