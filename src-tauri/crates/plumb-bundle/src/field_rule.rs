//! The form in which the field's service holds and shows the policies of a signed JSON bundle (`GET /rules`).

use crate::json::Value;

/// The rule the field's service makes of a policy, as `GET /rules` shows it.
pub fn field_rule(policy: &Value) -> Value {
    let condition = |key| policy.get("conditions").and_then(|c| c.get(key)).cloned();
    let null = Value::Null;
    let id = policy.get("id").cloned().unwrap_or(Value::Null);
    let reason = policy.get("description").cloned().unwrap_or_else(|| {
        Value::from(format!("policy:{}", id.as_str().unwrap_or("unknown")).as_str())
    });
    let effect = policy.get("effect").cloned().unwrap_or_else(|| Value::from("allow"));
    let classes = condition("data_classification").unwrap_or(Value::Null);
    let times = condition("time_restrictions").unwrap_or(Value::Object(Vec::new()));
    Value::object([
        (
            "match",
            Value::object([
                ("intent_prefix", id),
                ("auth_scope", null.clone()),
                ("safety_context", Value::object([("data_classification", classes)])),
                ("time_window", times),
                ("persons", null.clone()),
            ]),
        ),
        (
            "decision",
            Value::object([
                ("action", effect),
                ("reason", reason),
                ("suggested_alternative", null),
            ]),
        ),
    ])
}
