//! The policies of the demo: a payments platform, in the versions its operators rolled out.

use plumb_bundle::json::{self, Value};

/// Which bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// 1.9.0, before exports needed confirmation.
    Old,
    /// 2.0.0, desired.
    Desired,
    /// Also says 2.0.0: somebody signed a hotfix without a new version.
    Hotfix,
    /// 2.0.1: somebody sorted the rules by name and changed nothing else. The first rule that fits
    /// decides, so broad ones now come before narrow ones, and what those refused is let through.
    Sorted,
    /// 2.1.0-rc1.
    Candidate,
}

impl Release {
    pub(crate) const ALL: [Self; 5] =
        [Self::Old, Self::Desired, Self::Hotfix, Self::Sorted, Self::Candidate];

    pub(crate) const fn version(self) -> &'static str {
        match self {
            Self::Old => "1.9.0",
            Self::Desired | Self::Hotfix => "2.0.0",
            Self::Sorted => "2.0.1",
            Self::Candidate => "2.1.0-rc1",
        }
    }

    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Old => "payments-1.9.0.signed.json",
            Self::Desired => "payments-2.0.0.signed.json",
            Self::Hotfix => "payments-2.0.0-hotfix.signed.json",
            Self::Sorted => "payments-2.0.1.signed.json",
            Self::Candidate => "payments-2.1.0-rc1.signed.json",
        }
    }

    pub(crate) const fn issued_at(self) -> &'static str {
        match self {
            Self::Old => "2026-08-03T09:00:00Z",
            Self::Desired => "2026-10-12T09:00:00Z",
            Self::Hotfix => "2026-10-14T21:40:00Z",
            Self::Sorted => "2026-11-02T09:00:00Z",
            Self::Candidate => "2026-11-09T09:00:00Z",
        }
    }
}

/// In the order in which they are tried.
const POLICIES: [&str; 12] = [
    r#"{"id":"payments.transfer.international","effect":"require_confirmation","description":"International transfers are confirmed by a second person","priority":100,"conditions":{"data_classification":["confidential","restricted"],"required_scopes":["payments.write"]},"risk_level":"high"}"#,
    r#"{"id":"payments.transfer","effect":"allow","description":"Domestic transfers within limits","priority":90,"conditions":{"required_scopes":["payments.write"]},"risk_level":"medium"}"#,
    r#"{"id":"payments.refund","effect":"require_confirmation","description":"Refunds are confirmed by the shift lead","priority":80,"suggested_alternative":"payments.refund.request","risk_level":"medium"}"#,
    r#"{"id":"payments.void","effect":"deny","description":"Voids go through the back office","priority":80,"suggested_alternative":"payments.refund","risk_level":"high"}"#,
    r#"{"id":"ledger.post","effect":"allow","description":"Posting during booking hours","priority":70,"conditions":{"time_restrictions":{"start":"00:00","end":"23:59"}},"risk_level":"medium"}"#,
    r#"{"id":"ledger.reverse","effect":"require_confirmation","description":"Reversals need a second controller","priority":70,"risk_level":"high"}"#,
    r#"{"id":"ledger.close","effect":"deny","description":"Only the closing job closes a period","priority":70,"risk_level":"critical"}"#,
    r#"{"id":"export.customer","effect":"deny","description":"Customer data does not leave the region","priority":60,"conditions":{"data_classification":["restricted"]},"risk_level":"critical"}"#,
    r#"{"id":"export.report","effect":"require_confirmation","description":"Reports leave after confirmation","priority":60,"risk_level":"medium"}"#,
    r#"{"id":"cards.pan.read","effect":"deny","description":"Card numbers are never shown in clear","priority":50,"suggested_alternative":"cards.pan.masked","risk_level":"critical"}"#,
    r#"{"id":"cards","effect":"allow","description":"Other card functions","priority":40,"risk_level":"low"}"#,
    r#"{"id":"reports.read","effect":"allow","description":"Reading reports","priority":10,"risk_level":"low"}"#,
];

/// The policies of a release.
pub(crate) fn of(release: Release) -> Vec<Value> {
    let mut policies: Vec<Value> = POLICIES.iter().map(|text| policy(text)).collect();
    match release {
        Release::Desired => {}
        Release::Old => {
            replace(&mut policies, "export.report", "effect", "allow");
            replace(&mut policies, "payments.refund", "effect", "allow");
            policies.retain(|policy| id(policy) != "cards.pan.read");
        }
        Release::Hotfix => {
            replace(&mut policies, "ledger.reverse", "effect", "allow");
            // Order is content: the broad rule now wins over the narrow one.
            policies.swap(0, 1);
        }
        Release::Sorted => policies.sort_by(|one, other| id(one).cmp(id(other))),
        Release::Candidate => {
            replace(&mut policies, "payments.refund", "effect", "deny");
            policies.push(policy(
                r#"{"id":"agents.autonomous","effect":"require_confirmation","description":"Software agents ask before they act","priority":5,"risk_level":"high"}"#,
            ));
        }
    }
    policies
}

fn policy(text: &str) -> Value {
    json::parse(text.as_bytes()).expect("the demo's policies are JSON")
}

fn id(policy: &Value) -> &str {
    policy.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn replace(policies: &mut [Value], wanted: &str, key: &str, text: &str) {
    for policy in policies.iter_mut().filter(|policy| id(policy) == wanted) {
        policy.set(key, Value::from(text));
    }
}
