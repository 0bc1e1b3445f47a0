//! Which runbooks fit what somebody looks at, with what is known of their parameters.

use std::collections::BTreeMap;

use plumb_alert::DetectionRule;
use plumb_runbook::document::{
    Document, FrontMatter, Parameter, ParameterType, parse, parse_front,
};

use crate::{
    app::App,
    current::Current,
    error::AppError,
    views::{
        alerts::AlertView,
        runbook::{RunbookOccasion, RunbookOffer},
    },
};

/// The check that tells whether nodes agree.
const AGREE: &str = "check.policy.version-consistency";

/// What an occasion comes to.
#[derive(Debug, Default)]
struct Sought {
    /// Names of alerts, any of which a runbook may answer.
    alerts: Vec<String>,
    /// The doctor check it comes to.
    check: Option<String>,
    node: Option<String>,
}

impl App {
    /// Runbooks for an alert, a finding of the doctor, or nodes that drifted; the best fit first.
    pub async fn runbooks_for(
        &self,
        fleet: &str,
        occasion: &RunbookOccasion,
    ) -> Result<Vec<RunbookOffer>, AppError> {
        let current = self.current(fleet).await?;
        let sought = match occasion {
            RunbookOccasion::Alert { alert } => of_alert(&self.alert(fleet, alert).await?),
            RunbookOccasion::Check { check } => {
                let view = self.doctor(fleet, std::slice::from_ref(check)).await?;
                let mut evidence = view.checks.iter().flat_map(|check| &check.evidence);
                let node = evidence.find_map(|line| line.node.clone());
                Sought { check: Some(check.clone()), node, ..Sought::default() }
            }
            RunbookOccasion::Drift { nodes } => {
                let (check, node) = (Some(AGREE.to_owned()), nodes.first().cloned());
                Sought { check, node, ..Sought::default() }
            }
        };
        let shelf = self.runbooks().await?;
        let mut offers: Vec<(u8, RunbookOffer)> = Vec::new();
        for (file, text) in shelf.texts() {
            let Ok(front) = parse_front(&text.text) else { continue };
            let Some((rank, why)) = sought.fits(&front) else { continue };
            // One that cannot be read whole is not offered; the library says what is wrong with it.
            let Ok(document) = parse(&text.text) else { continue };
            let parameters = self.known_values(&current, &sought, &document);
            let (file, title) = (file.to_owned(), front.title.value);
            offers.push((rank, RunbookOffer { file, title, why, parameters }));
        }
        offers.sort_by(|(a, one), (b, other)| (a, &one.file).cmp(&(b, &other.file)));
        Ok(offers.into_iter().map(|(_, offer)| offer).collect())
    }

    fn known_values(
        &self,
        current: &Current,
        sought: &Sought,
        document: &Document,
    ) -> BTreeMap<String, String> {
        let parameters = document.front.parameters.iter();
        let known = |parameter: &Parameter| {
            let value = self.known_value(current, sought, parameter)?;
            parameter.refuses(&value).is_none().then(|| (parameter.name.value.clone(), value))
        };
        parameters.filter_map(known).collect()
    }

    /// A value by the type of a parameter, or by a name that runbooks share.
    fn known_value(
        &self,
        current: &Current,
        sought: &Sought,
        parameter: &Parameter,
    ) -> Option<String> {
        let desired = current.desired.fleet.as_ref();
        match (parameter.of, parameter.name.value.as_str()) {
            (ParameterType::Node, _) => sought.node.clone(),
            (ParameterType::Version, _) => desired.map(|desired| desired.version.to_string()),
            (ParameterType::Text | ParameterType::Digest, "content") => {
                desired.and_then(|desired| desired.content).map(|content| content.to_string())
            }
            (ParameterType::Text, "hub") => {
                current.fleet.hub.as_ref().map(|hub| hub.url.to_string())
            }
            (ParameterType::Text, "owner") => Some(self.me()),
            _ => None,
        }
    }
}

fn of_alert(alert: &AlertView) -> Sought {
    let label = |name: &str| {
        alert.labels.iter().find(|label| label.name == name).map(|label| label.value.clone())
    };
    let details: serde_json::Value = serde_json::from_str(&alert.details).unwrap_or_default();
    let named = details["nodes"][0].as_str().map(str::to_owned);
    let node = named.or_else(|| label("node")).or_else(|| label("instance"));
    let kind = alert.row.kind.clone();
    let check = DetectionRule::ALL.into_iter().find(|rule| rule.kind() == kind).and_then(check_of);
    let alerts = [Some(kind), label("alertname")].into_iter().flatten().collect();
    Sought { alerts, check: check.map(str::to_owned), node }
}

/// The doctor check that looks at the same as a rule of sweeps.
const fn check_of(rule: DetectionRule) -> Option<&'static str> {
    match rule {
        DetectionRule::PolicyVersionMismatch | DetectionRule::SilentDrift => Some(AGREE),
        DetectionRule::StaleDigest => Some("check.policy.digest-age"),
        DetectionRule::LoadAge => Some("check.policy.load-age"),
        DetectionRule::ReloadFailed => Some("check.policy.reload-failures"),
        DetectionRule::ReloadFailsInARow => Some("check.policy.reload-failures-consecutive"),
        DetectionRule::ReloadFailsOften => Some("check.policy.reload-failure-rate"),
        DetectionRule::SignatureInvalid => Some("check.policy.signature"),
        DetectionRule::PoisonedDigestSeen
        | DetectionRule::SourceQuiet
        | DetectionRule::DecisionsDisagree
        | DetectionRule::FreezeLeftBehind => None,
    }
}

impl Sought {
    /// How well a runbook fits, best first, and why.
    fn fits(&self, front: &FrontMatter) -> Option<(u8, String)> {
        if let Some(alert) = self.alerts.iter().find(|alert| front.alerts.contains(alert)) {
            return Some((0, format!("it answers {alert}")));
        }
        let check = front.doctor_check.as_ref().map(|check| check.value.as_str());
        let own = self.check.as_deref().filter(|own| check == Some(*own))?;
        Some((1, format!("it makes {own} pass")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbooks::shipped::SHIPPED;

    /// From the alert to what is done about it, for everything that a sweep raises. A freeze that was left behind is
    /// lifted by hand, and its alert says how.
    #[test]
    fn every_alert_of_sweeps_leads_to_a_runbook_that_is_shipped() {
        for rule in DetectionRule::ALL {
            let sought = Sought { alerts: vec![rule.kind().to_owned()], ..Sought::default() };
            let fits =
                |text: &&str| parse_front(text).is_ok_and(|front| sought.fits(&front).is_some());
            let found = SHIPPED.iter().map(|(_, text)| *text).filter(|text| fits(text)).count();
            assert_eq!(found > 0, rule != DetectionRule::FreezeLeftBehind, "{}", rule.kind());
        }
    }
}
