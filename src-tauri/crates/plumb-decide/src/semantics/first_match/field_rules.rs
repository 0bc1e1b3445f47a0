//! The form in which the field's service holds and shows its rules (`GET` and `POST /rules`).

use plumb_bundle::formats::signed_json::Effect;
use serde_json::Value;

use super::{
    Persons, PreparedRules, Reading, Rule, RuleError,
    compile::{read_classes, read_times},
    is_truthy, python_str,
};

impl PreparedRules {
    /// Rules in the field's own form, as `POST /rules` takes them; evaluated as the field does.
    pub fn of_field_rules(rules: &[Value]) -> Result<Self, RuleError> {
        let rules = rules.iter().enumerate().map(|(index, rule)| {
            let fault = |problem| RuleError::FieldRule { index, problem };
            let object = rule.as_object().ok_or_else(|| fault("is not an object"))?;
            let (Some(matching), Some(decision)) = (object.get("match"), object.get("decision"))
            else {
                return Err(fault("missing 'match' or 'decision'"));
            };
            if !matching.is_object() || !decision.is_object() {
                return Err(fault("has a 'match' or 'decision' that is not an object"));
            }
            prepared(matching, decision).map_err(fault)
        });
        Ok(Self { rules: rules.collect::<Result<_, _>>()?, reading: Reading::Field })
    }
}

fn prepared(matching: &Value, decision: &Value) -> Result<Rule, &'static str> {
    let truthy = |key| matching.get(key).filter(|value| is_truthy(value));
    let prefix = truthy("intent_prefix").map(python_str);
    let classes = matching.get("safety_context").filter(|safety| is_truthy(safety));
    let classes =
        classes.and_then(|safety| safety.get("data_classification")).unwrap_or(&Value::Null);
    let times = matching.get("time_window").unwrap_or(&Value::Null);
    let effect = match decision.get("action").map(python_str).as_deref() {
        Some("deny") => Effect::Deny,
        Some("require_confirmation") => Effect::RequireConfirmation,
        _ => Effect::Allow,
    };
    let text = |key| decision.get(key).filter(|value| !value.is_null()).map(python_str);
    Ok(Rule {
        id: prefix.clone().unwrap_or_else(|| "*".to_owned()),
        auth_scope: truthy("auth_scope").map(python_str),
        classes: read_classes(classes, Reading::Field)?,
        times: read_times(times, Reading::Field)?,
        persons: match truthy("persons") {
            None => Persons::Any,
            Some(Value::Array(persons)) => Persons::OneOf(persons.clone()),
            Some(_) => Persons::Never,
        },
        effect,
        reason: text("reason")
            .unwrap_or_else(|| format!("rule:{}", prefix.as_deref().unwrap_or("*"))),
        suggested_alternative: text("suggested_alternative"),
        risk_level: text("risk_level"),
        ignored: Vec::new(),
        prefix: prefix.unwrap_or_default(),
    })
}
