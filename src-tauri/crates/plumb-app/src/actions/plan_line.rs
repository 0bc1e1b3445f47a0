//! A plan of a rollout as the command line that makes it.

use std::fmt::Write as _;

use plumb_runbook::{Action, Milli, Plan, shell_word};

use crate::{
    actions::{kept::selected, rollout::asked},
    views::rollout::{GateRequest, RolloutRequest, ShapeRequest},
};

/// The `plumb plan` line of a rollout; nothing where all nodes are changed together.
pub(crate) fn plan_line(plan: &Plan) -> Option<String> {
    let rollout = asked(plan.rollout.as_ref()?);
    let mut line = format!("plumb --fleet {} plan {}", plan.fleet, verb(&plan.action));
    if !matches!(plan.action, Action::Undo { .. }) {
        if plan.whole_fleet {
            line.push_str(" --all-nodes");
        } else {
            for node in selected(plan) {
                flag(&mut line, "node", node.as_str());
            }
        }
    }
    line.push_str(&flags(&rollout));
    Some(line)
}

fn verb(action: &Action) -> String {
    let mut line = String::new();
    match action {
        Action::Sync { force } => {
            line.push_str(if *force { "sync --force" } else { "sync" });
        }
        Action::Pin { version, content, sync } => {
            line.push_str(if *sync { "pin --sync" } else { "pin" });
            flag(&mut line, "version", version.as_str());
            if let Some(content) = content {
                flag(&mut line, "content", &content.to_string());
            }
        }
        Action::Rollback { to } => {
            line.push_str("rollback");
            if let Some(to) = to {
                flag(&mut line, "to-version", to.as_str());
            }
        }
        Action::Restart => line.push_str("restart"),
        Action::ResolveConflict { to, content } => {
            line.push_str("resolve-conflict");
            flag(&mut line, "to-version", to.as_str());
            if let Some(content) = content {
                flag(&mut line, "content", &content.to_string());
            }
        }
        Action::Unpin => line.push_str("unpin"),
        Action::SetConfig { key, value } => {
            write!(line, "set-config {} {}", shell_word(key), shell_word(value))
                .expect("writing to a string");
        }
        Action::Undo { run, .. } => {
            write!(line, "undo {run}").expect("writing to a string");
        }
    }
    line
}

fn flags(rollout: &RolloutRequest) -> String {
    let mut line = String::new();
    match &rollout.shape {
        ShapeRequest::Shares { canary, percent } => {
            self::canary(&mut line, canary.as_deref());
            if !percent.is_empty() {
                let shares: Vec<String> = percent.iter().map(ToString::to_string).collect();
                flag(&mut line, "shares", &shares.join(","));
            }
        }
        ShapeRequest::ByLabel { label, order, canary } => {
            self::canary(&mut line, canary.as_deref());
            flag(&mut line, "by-label", label);
            for value in order {
                flag(&mut line, "order", value);
            }
        }
        ShapeRequest::BlueGreen { label, first } => {
            flag(&mut line, "blue-green", &format!("{label}={first}"));
        }
        ShapeRequest::OneByOne => line.push_str(" --one-by-one"),
    }
    if let Some(gate) = &rollout.gate {
        gate_flags(&mut line, gate);
    }
    if rollout.roll_back_on_failure {
        flag(&mut line, "on-failure", "roll-back");
    }
    if rollout.failures_tolerated > 0 {
        flag(&mut line, "failures", &rollout.failures_tolerated.to_string());
    }
    line
}

fn canary(line: &mut String, node: Option<&str>) {
    match node {
        Some(node) => flag(line, "canary", node),
        None => line.push_str(" --canary"),
    }
}

fn gate_flags(line: &mut String, gate: &GateRequest) {
    if let Some(percent) = gate.convergence_percent {
        flag(line, "gate-convergence", &percent.to_string());
    }
    if let Some(ppm) = gate.errors_ppm {
        flag(line, "gate-errors-ppm", &ppm.to_string());
    }
    if let Some(us) = gate.p95_us {
        flag(line, "gate-p95-us", &us.to_string());
    }
    if gate.decisions {
        line.push_str(" --gate-decisions");
    }
    for asked in &gate.prometheus {
        let limit = Milli(asked.at_most_milli);
        flag(line, "gate-prometheus", &format!("{} <= {limit}", asked.query));
    }
    if let Some(what) = &gate.attest {
        flag(line, "gate-attest", what);
    }
    if gate.soak_s > 0 {
        flag(line, "soak", &format!("{}s", gate.soak_s));
    }
}

fn flag(line: &mut String, name: &str, value: &str) {
    // With a sign between them a value may begin with a hyphen.
    let joint = if value.starts_with('-') { '=' } else { ' ' };
    write!(line, " --{name}{joint}{}", shell_word(value)).expect("writing to a string");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::rollout::QueryRequest;

    #[track_caller]
    fn check(shape: ShapeRequest, gate: Option<GateRequest>) -> String {
        flags(&RolloutRequest { shape, gate, roll_back_on_failure: true, failures_tolerated: 2 })
    }

    #[test]
    fn every_shape_and_gate_has_its_flags() {
        let gate = GateRequest {
            convergence_percent: Some(100),
            errors_ppm: Some(200),
            p95_us: Some(2_500),
            decisions: true,
            prometheus: vec![QueryRequest {
                query: "max(rate(denied[5m]))".to_owned(),
                at_most_milli: 50,
            }],
            attest: Some("it's as it should".to_owned()),
            soak_s: 30,
        };
        let shares =
            ShapeRequest::Shares { canary: Some("gw-1".to_owned()), percent: vec![10, 50] };
        assert_eq!(
            check(shares, Some(gate)),
            " --canary gw-1 --shares 10,50 --gate-convergence 100 --gate-errors-ppm 200 \
             --gate-p95-us 2500 --gate-decisions \
             --gate-prometheus 'max(rate(denied[5m])) <= 0.05' --gate-attest 'it'\\''s as it should' --soak 30s \
             --on-failure roll-back --failures 2"
        );
        let halves = ShapeRequest::BlueGreen { label: "half".to_owned(), first: "blue".to_owned() };
        let rest = "--on-failure roll-back --failures 2";
        assert_eq!(check(halves, None), format!(" --blue-green half=blue {rest}"));
        assert_eq!(check(ShapeRequest::OneByOne, None), format!(" --one-by-one {rest}"));
        let order = vec!["eu west".to_owned()];
        let labels = ShapeRequest::ByLabel { label: "region".to_owned(), order, canary: None };
        assert_eq!(
            check(labels, None),
            format!(" --canary --by-label region --order 'eu west' {rest}")
        );
    }
}
