//! The inbox, page by page, and one alert with its reasons.

use plumb_alert::{Alert, AlertRef, Refusal, Retention, State, explain};

use crate::{
    alerts::{
        guides,
        lines::{Around, lines},
        mirror::Mirror,
        refused,
    },
    app::App,
    error::{AppError, Code},
    views::{
        PAGE_ROWS_MAX,
        alerts::{AlertView, AlertsPage, InboxView, RetentionView, WhyView},
        convert::ms,
        fleet::LabelView,
    },
};

impl App {
    /// A page of the inbox that a fleet uses.
    pub async fn alerts(&self, fleet: &str, page: &AlertsPage) -> Result<InboxView, AppError> {
        let page = AlertsPage { limit: page.limit.clamp(1, PAGE_ROWS_MAX), ..page.clone() };
        let (desk, now, me) = (self.desk(fleet).await?, self.now(), self.my_names());
        let told = lines(&desk.mirror, &desk.around(&me, now), &page);
        Ok(InboxView {
            source: desk.source,
            me: self.me(),
            now_ms: ms(now),
            counts: told.counts,
            matched: told.matched,
            total: told.total,
            offset: told.offset,
            lines: told.shown,
            tentative: desk.claims,
        })
    }

    /// One alert, with why it stands as it does.
    pub async fn alert(&self, fleet: &str, alert: &str) -> Result<AlertView, AppError> {
        let (desk, me) = (self.desk(fleet).await?, self.my_names());
        let alert = alert_ref(alert)?;
        let found =
            desk.mirror.get(&alert).ok_or_else(|| refused(Refusal::NoAlert { alert }.into()))?;
        Ok(alert_view(found, &desk.around(&me, self.now()), &desk.mirror))
    }

    /// What retention would remove of the console's own inbox, by the policy where no days are given; removes nothing.
    pub async fn alert_retention(
        &self,
        fleet: &str,
        acked_days: Option<u32>,
    ) -> Result<RetentionView, AppError> {
        let hub = self.hub_of(fleet)?;
        let policy = self.0.alerts.retention;
        let acked_days = self.acked_days(acked_days)?;
        let inbox = self.0.alerts.inbox();
        let preview = inbox.retention_preview(Retention { acked_days }).await.map_err(refused)?;
        Ok(RetentionView {
            acked_days,
            policy_days: policy.acked_days,
            automatic: policy.automatic_alerts().is_some(),
            before_ms: ms(preview.before),
            alerts: preview.expiring.alerts,
            first_acked_at_ms: preview.expiring.first_acked_at.map(ms),
            last_acked_at_ms: preview.expiring.last_acked_at.map(ms),
            elsewhere: hub.map(|_| "alerts of a hub are removed there: plumb hub retention --data DIR --acked-days DAYS".to_owned()),
        })
    }

    /// How many days acknowledged alerts are kept: as given, or as the policy beside the console's files says, or as is
    /// proposed.
    pub(crate) fn acked_days(&self, given: Option<u32>) -> Result<u32, AppError> {
        let proposed = Retention::PROPOSED.acked_days;
        let days = given.or(self.0.alerts.retention.acked_days).unwrap_or(proposed);
        if days > Retention::DAYS_MAX {
            return Err(AppError::new(
                Code::Invalid,
                format!("{days} days are more than {}", Retention::DAYS_MAX),
                "give fewer, or keep everything",
            ));
        }
        Ok(days)
    }

    /// By which name this console acts: the person of the roster, or else the user and machine.
    pub(crate) fn me(&self) -> String {
        let options = &self.0.options;
        options.person.clone().unwrap_or_else(|| options.operator.clone())
    }

    /// Every name under which an alert is mine: a policy names people, a claim also a machine.
    pub(crate) fn my_names(&self) -> Vec<String> {
        let operator = &self.0.options.operator;
        let user = operator.split_once('@').map(|(user, _)| user.to_owned());
        [Some(self.me()), Some(operator.clone()), user].into_iter().flatten().collect()
    }
}

pub(crate) fn alert_ref(text: &str) -> Result<AlertRef, AppError> {
    text.parse().map_err(|error: plumb_alert::RefError| {
        AppError::new(Code::Invalid, error.to_string(), "choose the alert from the list")
    })
}

pub(crate) fn alert_view(alert: &Alert, around: &Around<'_>, mirror: &Mirror) -> AlertView {
    let triaged = mirror.signature(&alert.signature);
    let explained = explain(alert, around.policy, triaged.as_ref(), around.now);
    let why = |about: &str, text: String| WhyView { about: about.to_owned(), text };
    let mut reasons = vec![why("Reports", explained.dedupe.to_string())];
    reasons.extend(explained.claim.map(|claim| why("Claim", claim.to_string())));
    reasons.push(why("Triage", explained.triage.to_string()));
    reasons.push(why("Route", explained.route.to_string()));
    let (note, settled_at) = match alert.state() {
        State::Acked { at, note, .. } => {
            (Some(note.clone()).filter(|note| !note.is_empty()), Some(*at))
        }
        State::Failed { at, .. } => (None, Some(*at)),
        State::New | State::Processing { .. } => (None, None),
    };
    let labels = alert.labels.iter();
    let counts = alert.counts();
    AlertView {
        row: around.row(alert),
        message: alert.message.clone(),
        fingerprint: alert.fingerprint.clone(),
        labels: labels
            .map(|(name, value)| LabelView { name: name.clone(), value: value.clone() })
            .collect(),
        details: if alert.details.is_empty() {
            String::new()
        } else {
            serde_json::to_string_pretty(&alert.details).expect("JSON values always serialise")
        },
        started_at_ms: alert.started_at.map(ms),
        resolved_at_ms: alert.resolved_at.map(ms),
        note,
        settled_at_ms: settled_at.map(ms),
        claims: counts.claims,
        failures: counts.failures,
        requeues: counts.requeues,
        why: reasons,
        guides: guides::of(alert, around.cooling.contains_key(&alert.signature), around.now),
    }
}
