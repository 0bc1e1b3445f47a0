//! Whether a release may go on, judged here: by policy files of a folder, as a hub judges by its own.

use std::{collections::BTreeMap, fs, io};

use camino::Utf8Path;
use plumb_alert::{
    BypassReason, GateRequest, GateVerdict, Measured, PolicyError, ReleaseGates, SloPolicy,
};
use plumb_inbox::Gate;
use plumb_wire::alerts::{ReleaseCheck, guides};
use serde_json::{Value, json};

use super::own_inbox::OwnInboxTools;
use crate::error::{AppError, Code, chain};

const SLO: &str = "slo_policy.yml";
const GATES: &str = "release_gate_policy.yml";
/// A policy is some hundred lines.
const POLICY_BYTES_MAX: u64 = 1 << 20;

impl OwnInboxTools<'_> {
    /// Answers as `POST /v1/releases/check` of a hub. A bypass is written into an incident of the console's own inbox.
    pub async fn check_release(
        &self,
        wanted: &ReleaseCheck,
        policies: &Utf8Path,
    ) -> Result<Value, AppError> {
        let slo = policy(policies, SLO, SloPolicy::from_yaml)?;
        let gates = policy(policies, GATES, ReleaseGates::from_yaml)?;
        let reason = wanted.reason.as_ref().map(|reason| {
            let kind = serde_json::from_value(reason.kind.as_str().into()).map_err(|_| {
                let message = format!("{:?} is no reason for a bypass", reason.kind);
                let hint = "it is emergency_deploy, fixes_the_breach or measurement_broken";
                AppError::new(Code::Invalid, message, hint)
            })?;
            Ok::<_, AppError>(BypassReason { kind, text: reason.text.clone() })
        });
        let request = GateRequest {
            service: wanted.service.clone(),
            env: wanted.env.clone(),
            by: self.owner(),
            run_slo_watch: wanted.run_slo_watch,
            reason: reason.transpose()?,
        };
        let measured = Measured(wanted.measured.clone());
        let gate = Gate { gates: &gates, slo: &slo, measured: &measured };
        let verdict = self.judge(&request, gate, wanted.incident_ref.as_deref()).await?;
        let told = |verdict: &str, may_go_on: bool, breaches: &[plumb_alert::Breach]| {
            let breaches: Vec<String> = breaches.iter().map(ToString::to_string).collect();
            json!({ "verdict": verdict, "may_go_on": may_go_on, "breaches": breaches })
        };
        Ok(match verdict {
            GateVerdict::Passed => told("passed", true, &[]),
            GateVerdict::Warned(breaches) => told("warned", true, &breaches),
            GateVerdict::Blocked(breaches) => {
                let mut blocked = told("blocked", false, &breaches);
                blocked["guide"] = guides::GATE.into();
                blocked
            }
            GateVerdict::Bypassed(appended) => {
                let mut bypassed = told("bypassed", true, &[]);
                bypassed["incident_ref"] = appended.incident.incident_ref.to_string().into();
                bypassed
            }
        })
    }
}

/// A request to judge a release; with a reason, the gate is bypassed.
pub fn release_check(
    service: &str,
    env: &str,
    measured: BTreeMap<String, f64>,
    bypass: Option<(String, String)>,
    incident: Option<&str>,
) -> ReleaseCheck {
    ReleaseCheck {
        service: service.to_owned(),
        env: env.to_owned(),
        run_slo_watch: bypass.is_none(),
        reason: bypass.map(|(kind, text)| plumb_wire::alerts::ReasonBody { kind, text }),
        incident_ref: incident.map(str::to_owned),
        measured,
    }
}

/// A policy that is asked for is there: without it every release would pass.
fn policy<T>(
    folder: &Utf8Path,
    name: &str,
    read: impl Fn(&str) -> Result<T, PolicyError>,
) -> Result<T, AppError> {
    let path = folder.join(name);
    let unusable = |why: String| {
        AppError::new(
            Code::Invalid,
            format!("{path} cannot be used: {why}"),
            "give the folder of slo_policy.yml and release_gate_policy.yml: --policies DIR",
        )
    };
    let told = |error: io::Error| unusable(error.to_string());
    if fs::metadata(&path).map_err(told)?.len() > POLICY_BYTES_MAX {
        return Err(unusable(format!("it is larger than {POLICY_BYTES_MAX} bytes")));
    }
    let text = fs::read_to_string(&path).map_err(told)?;
    read(&text).map_err(|error| unusable(chain(&error)))
}
