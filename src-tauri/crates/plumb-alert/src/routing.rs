//! `alert_routing_policy.yml`: what happens to which alert.

use serde::{Deserialize, Serialize};

use crate::{
    alert::{Alert, Severity},
    conversion::ConversionTerms,
    life::named,
    policy::{PolicyError, read},
    why::{Decided, Why},
};

const FILE: &str = "alert_routing_policy.yml";
/// Longest silence of a source that can be asked for: a month.
const SILENCE_MINUTES_MAX: u32 = 31 * 24 * 60;

/// The whole file. Everything may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoutingPolicy {
    pub defaults: Defaults,
    /// The only kinds that are accepted; any well-formed one where this is left out.
    pub kinds: Option<Vec<String>>,
    /// The first that matches decides.
    pub routes: Vec<Rule>,
    /// Sources that should tell something now and then; one that does not is an alert itself.
    pub sources: Vec<ExpectedSource>,
}

/// A source that should not be silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedSource {
    pub source: String,
    pub within_minutes: u32,
}

/// What holds where no rule says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    pub triage_cooldown_minutes: u32,
    pub dedupe_ttl_minutes: u32,
    pub incident_dedupe_window_minutes: u32,
    pub incident_severity_cap: Severity,
    pub lock_ttl_seconds: u32,
    pub retry_after_seconds: u32,
    /// Alerts become incidents without anybody asking.
    pub auto_incident: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            triage_cooldown_minutes: 15,
            dedupe_ttl_minutes: 30,
            incident_dedupe_window_minutes: 60,
            incident_severity_cap: Severity::P1,
            lock_ttl_seconds: 600,
            retry_after_seconds: 300,
            auto_incident: false,
        }
    }
}

/// One rule: a list that is left out matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    pub name: String,
    pub env_in: Option<Vec<String>>,
    pub service_in: Option<Vec<String>>,
    pub kind_in: Option<Vec<String>>,
    pub severity_in: Option<Vec<Severity>>,
    pub triage_cooldown_minutes: Option<u32>,
    pub incident_dedupe_window_minutes: Option<u32>,
    pub incident_severity_cap: Option<Severity>,
    pub auto_incident: Option<bool>,
    /// Whom it is for.
    pub assign_to: Option<String>,
}

/// What the policy says about one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub triage_cooldown_minutes: u32,
    pub terms: ConversionTerms,
    pub auto_incident: bool,
    pub assign_to: Option<String>,
}

impl RoutingPolicy {
    pub fn from_yaml(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = read(FILE, text)?;
        let nameless = policy.routes.iter().position(|rule| rule.name.trim().is_empty());
        if let Some(index) = nameless {
            let problem = format!("route {} has no name: reasons are told by it", index + 1);
            return Err(PolicyError::Meaning { file: FILE, problem });
        }
        let odd = |wanted: &&ExpectedSource| {
            named("source", &wanted.source).is_err()
                || !(1..=SILENCE_MINUTES_MAX).contains(&wanted.within_minutes)
        };
        if let Some(wanted) = policy.sources.iter().find(odd) {
            let problem = format!(
                "source {:?} needs a name of one line, and within_minutes from 1 to {SILENCE_MINUTES_MAX}",
                wanted.source
            );
            return Err(PolicyError::Meaning { file: FILE, problem });
        }
        Ok(policy)
    }

    /// The first rule that matches, over the defaults.
    pub fn route(&self, alert: &Alert) -> Decided<Route> {
        let rule = self.routes.iter().find(|rule| rule.matches(alert));
        let policy = FILE.to_owned();
        let why = rule.map_or(Why::RouteDefault { policy: policy.clone() }, |rule| Why::Route {
            policy,
            rule: rule.name.clone(),
        });
        let (rule, defaults) = (rule.cloned().unwrap_or_default(), &self.defaults);
        let or = |own: Option<u32>, default| own.unwrap_or(default);
        let window =
            or(rule.incident_dedupe_window_minutes, defaults.incident_dedupe_window_minutes);
        let route = Route {
            triage_cooldown_minutes: or(
                rule.triage_cooldown_minutes,
                defaults.triage_cooldown_minutes,
            ),
            terms: ConversionTerms {
                severity_cap: rule.incident_severity_cap.unwrap_or(defaults.incident_severity_cap),
                dedupe_window_minutes: window,
            },
            auto_incident: rule.auto_incident.unwrap_or(defaults.auto_incident),
            assign_to: rule.assign_to,
        };
        Decided::new(route, why)
    }
}

impl Rule {
    fn matches(&self, alert: &Alert) -> bool {
        let within = |list: &Option<Vec<String>>, name: &String| {
            list.as_ref().is_none_or(|list| list.contains(name))
        };
        within(&self.env_in, &alert.env)
            && within(&self.service_in, &alert.service)
            && within(&self.kind_in, &alert.kind)
            && self.severity_in.as_ref().is_none_or(|list| list.contains(&alert.severity))
    }
}
