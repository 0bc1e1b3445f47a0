//! `slo_policy.yml` and `release_gate_policy.yml`: whether a release may go on.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    incident::{Appended, BypassReason, Incident, IncidentEvent, IncidentState},
    life::{named, text},
    policy::{PolicyError, read},
    why::Refusal,
};

const SLO_FILE: &str = "slo_policy.yml";
const GATE_FILE: &str = "release_gate_policy.yml";
/// The gate over objectives.
const SLO_WATCH: &str = "slo_watch";
/// Shortest reason that says something.
const REASON_CHARS_MIN: usize = 10;

/// Upper bounds by service and metric, such as `gateway.latency_p95_ms: 300`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SloPolicy {
    pub services: BTreeMap<String, BTreeMap<String, f64>>,
}

impl SloPolicy {
    pub fn from_yaml(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = read(SLO_FILE, text)?;
        for (service, bounds) in &policy.services {
            if let Some((metric, bound)) =
                bounds.iter().find(|(_, b)| !(b.is_finite() && **b >= 0.0))
            {
                let problem = format!("{service}.{metric} is {bound}, not a bound");
                return Err(PolicyError::Meaning { file: SLO_FILE, problem });
            }
        }
        Ok(policy)
    }

    /// Objectives of a service that are not met, or not known to be.
    pub fn breaches(&self, service: &str, measured: &Measured) -> Vec<Breach> {
        let bounds = self.services.get(service).into_iter().flatten();
        let missed = bounds.filter_map(|(metric, bound)| {
            let value = measured.0.get(metric).copied().filter(|value| !value.is_nan());
            let met = value.is_some_and(|value| value <= *bound);
            (!met).then(|| Breach { metric: metric.clone(), bound: *bound, value })
        });
        missed.collect()
    }
}

/// What was measured of a service, by metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured(pub BTreeMap<String, f64>);

/// An objective that is not met; without a value, nobody measured it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breach {
    pub metric: String,
    pub bound: f64,
    pub value: Option<f64>,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, bound, value } = self;
        match value {
            Some(value) => write!(f, "{metric} is {value}, at most {bound} is allowed"),
            None => write!(f, "{metric} was not measured, at most {bound} is allowed"),
        }
    }
}

/// What a breach does to a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateMode {
    Off,
    #[default]
    Warn,
    Strict,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Gate {
    mode: GateMode,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Environment {
    gates: BTreeMap<String, Gate>,
}

/// Gates by environment; one that is not named warns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseGates(BTreeMap<String, Environment>);

impl ReleaseGates {
    pub fn from_yaml(text: &str) -> Result<Self, PolicyError> {
        let gates: Self = read(GATE_FILE, text)?;
        for (env, environment) in &gates.0 {
            if let Some(gate) = environment.gates.keys().find(|gate| *gate != SLO_WATCH) {
                let problem = format!("{env}.gates.{gate} is unknown: the gate is {SLO_WATCH}");
                return Err(PolicyError::Meaning { file: GATE_FILE, problem });
            }
        }
        Ok(gates)
    }

    pub fn slo_watch(&self, env: &str) -> GateMode {
        let gate = self.0.get(env).and_then(|environment| environment.gates.get(SLO_WATCH));
        gate.map(|gate| gate.mode).unwrap_or_default()
    }
}

/// A release that asks whether it may go on.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRequest {
    pub service: String,
    pub env: String,
    pub by: String,
    /// `false` bypasses the gate, with a reason.
    pub run_slo_watch: bool,
    pub reason: Option<BypassReason>,
}

/// What the gate says.
#[derive(Debug, Clone, PartialEq)]
pub enum GateVerdict {
    Passed,
    /// It may go on, and these should be looked at.
    Warned(Vec<Breach>),
    Blocked(Vec<Breach>),
    /// It may go on because somebody said why; that stands in the incident.
    Bypassed(Box<Appended>),
}

/// Judges a release. A bypass is written into the timeline of an incident that is not closed.
pub fn judge(
    request: &GateRequest,
    gates: &ReleaseGates,
    slo: &SloPolicy,
    measured: &Measured,
    incident: Option<&Incident>,
    now: Timestamp,
) -> Result<GateVerdict, Refusal> {
    named("service", &request.service)?;
    if !request.run_slo_watch {
        return bypass(request, incident, now).map(|it| GateVerdict::Bypassed(Box::new(it)));
    }
    let breaches = slo.breaches(&request.service, measured);
    Ok(match gates.slo_watch(&request.env) {
        GateMode::Off => GateVerdict::Passed,
        _ if breaches.is_empty() => GateVerdict::Passed,
        GateMode::Warn => GateVerdict::Warned(breaches),
        GateMode::Strict => GateVerdict::Blocked(breaches),
    })
}

fn bypass(
    request: &GateRequest,
    incident: Option<&Incident>,
    now: Timestamp,
) -> Result<Appended, Refusal> {
    named("by", &request.by)?;
    let gate = SLO_WATCH.to_owned();
    let told = |reason: &&BypassReason| reason.text.trim().chars().count() >= REASON_CHARS_MIN;
    let Some(reason) = request.reason.as_ref().filter(told) else {
        return Err(Refusal::NoReason { gate, min: REASON_CHARS_MIN });
    };
    text("reason", &reason.text)?;
    let incident = incident.ok_or(Refusal::NoIncidentForBypass { gate: gate.clone() })?;
    if incident.state == IncidentState::Closed {
        return Err(Refusal::Closed { incident: incident.incident_ref.clone() });
    }
    let mut appended = Appended::to(incident.clone());
    let (service, reason) = (request.service.clone(), reason.clone());
    appended.add(&request.by, now, IncidentEvent::GateBypassed { gate, service, reason });
    Ok(appended)
}
