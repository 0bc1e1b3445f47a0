//! The law of conservation on each store: whatever storm comes, no report and no claim is unaccounted for, and every
//! store says what memory says.

use std::collections::BTreeMap;

use plumb_alert::{
    Acknowledgement, Alert, AlertRef, Caller, Draft, Failure, Frozen, IncidentRef, Outcome, State,
    Status,
};
use plumb_inbox::{AlertQuery, ClaimRequest, Inbox, InboxError, IncidentQuery, LIST_MAX};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::world::{Of, World, draft};

const STORMS: u64 = 24;
const STEPS: usize = 60;

/// What callers were told, counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Told {
    received: u64,
    rejected: u64,
    created: u64,
    deduplicated: u64,
    claims: u64,
    triaged: u64,
    appended: u64,
    dismissed: u64,
    failed: u64,
    requeued: u64,
}

/// One store in the storm, with names for what it made in the order in which it made it.
struct Tossed {
    world: World,
    inbox: Inbox,
    told: Told,
    alerts: Vec<AlertRef>,
    incidents: Vec<IncidentRef>,
}

impl Tossed {
    async fn new(of: Of, test: &str) -> Option<Self> {
        let world = World::new(of, test).await?;
        let inbox = world.inbox().await;
        let (alerts, incidents) = (Vec::new(), Vec::new());
        Some(Self { world, inbox, told: Told::default(), alerts, incidents })
    }

    /// One step; what it says of itself must be what another store says.
    async fn step(&mut self, storm: u64, random: &mut StdRng) -> String {
        let nth: usize = random.random_range(0..64);
        let owner = format!("loop-{}", random.random_range(0..3));
        let seconds = random.random_range(1..900);
        match random.random_range(0..48) {
            0..10 => self.report(storm, nth, random).await,
            10..15 => self.reports(storm, nth, random).await,
            15..23 => self.claim(owner, seconds, random.random_range(1..9)).await,
            23..29 => self.settle(nth, &owner, "ack", seconds).await,
            29..35 => self.settle(nth, &owner, "fail", seconds).await,
            35..42 => self.settle(nth, &owner, "triage", seconds).await,
            42..44 => self.close(nth).await,
            44 => {
                self.inbox.close().await.expect("closes");
                self.inbox = self.world.inbox().await;
                "restarted".to_owned()
            }
            _ => {
                self.world.wait(seconds).await;
                format!("waited {seconds}")
            }
        }
    }

    async fn report(&mut self, storm: u64, nth: usize, random: &mut StdRng) -> String {
        let report = one(storm, nth, random);
        let answer = self.inbox.ingest(report).await;
        self.count(answer)
    }

    async fn reports(&mut self, storm: u64, nth: usize, random: &mut StdRng) -> String {
        let count = random.random_range(1..8);
        let drafts: Vec<Draft> = (0..count).map(|step| one(storm, nth + step, random)).collect();
        let answers = self.inbox.ingest_all(drafts).await;
        answers.into_iter().map(|answer| self.count(answer)).collect::<Vec<_>>().join(", ")
    }

    fn count(
        &mut self,
        answer: Result<plumb_alert::Decided<plumb_alert::Ingested>, InboxError>,
    ) -> String {
        self.told.received += 1;
        match answer {
            Err(InboxError::Rejected(_)) => {
                self.told.rejected += 1;
                "rejected".to_owned()
            }
            Err(error) => panic!("{error}"),
            Ok(decided) if decided.value.deduped() => {
                self.told.deduplicated += 1;
                format!("again {}", decided.value.alert().occurrences)
            }
            Ok(decided) => {
                self.told.created += 1;
                self.alerts.push(decided.value.alert().alert_ref.clone());
                "created".to_owned()
            }
        }
    }

    async fn claim(&mut self, owner: String, ttl_s: i64, limit: u32) -> String {
        let request =
            ClaimRequest { owner, window_minutes: None, limit, lock_ttl_seconds: Some(ttl_s) };
        let claimed = self.inbox.claim(&request).await.expect("a claim");
        let held = claimed
            .requeued
            .iter()
            .filter(|back| {
                back.why.iter().any(|why| matches!(why, plumb_alert::Why::LockExpired { .. }))
            })
            .count();
        self.told.requeued += held as u64;
        self.told.claims += claimed.alerts.len() as u64;
        format!("claimed {} after {} were back", claimed.alerts.len(), claimed.requeued.len())
    }

    async fn settle(&mut self, nth: usize, owner: &str, how: &str, retry_after_s: i64) -> String {
        if self.alerts.is_empty() {
            return "nothing".to_owned();
        }
        // One of the newest: older ones were settled long ago.
        let alert = self.alerts[self.alerts.len() - 1 - nth % self.alerts.len().min(12)].clone();
        let before = self.inbox.alert(&alert).await.expect("there");
        // Whoever holds it, but for now and then, when somebody else tries.
        let owner = match before.state() {
            State::Processing { owner, .. } if !nth.is_multiple_of(8) => owner,
            _ => owner,
        };
        let caller = Caller { owner: Some(owner.to_owned()), ..Caller::new(owner) };
        let ack = Acknowledgement { caller: caller.clone(), note: String::new() };
        let after = match how {
            "ack" => self.inbox.ack(&alert, &ack).await.map(|done| done.value),
            "fail" => {
                let failure = Failure { caller, error: "timeout".to_owned(), retry_after_s };
                self.inbox.fail(&alert, &failure).await.map(|done| done.value)
            }
            _ => {
                let done = self.inbox.triage(&alert, None, Frozen::default(), &ack).await;
                if let Ok(done) = &done {
                    let incident = &done.value.converted.appended.incident.incident_ref;
                    if !self.incidents.contains(incident) {
                        self.incidents.push(incident.clone());
                    }
                }
                done.map(|done| done.value.converted.alert)
            }
        };
        let after = match after {
            Ok(after) => after,
            Err(InboxError::Refused(_)) => return format!("{how} was refused"),
            Err(error) => panic!("{error}"),
        };
        if !matches!(before.state(), State::Processing { .. }) {
            self.told.claims += 1;
        }
        match after.state() {
            State::Acked { outcome: Outcome::Triaged, .. } => self.told.triaged += 1,
            State::Acked { outcome: Outcome::Appended, .. } => self.told.appended += 1,
            State::Acked { outcome: Outcome::Dismissed, .. } => self.told.dismissed += 1,
            State::Failed { .. } => self.told.failed += 1,
            state => panic!("settled alerts are not {state:?}"),
        }
        format!("{how} left {:?}", self.told)
    }

    async fn close(&mut self, nth: usize) -> String {
        if self.incidents.is_empty() {
            return "nothing".to_owned();
        }
        let incident = &self.incidents[nth % self.incidents.len()];
        match self.inbox.close_incident(incident, "oncall", "done").await {
            Ok(closed) => format!("closed after {} entries", closed.incident.entries),
            Err(InboxError::Refused(_)) => "closed before".to_owned(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Whatever the storm left is claimed and acknowledged, so that the next one begins with nothing.
    async fn calm(&mut self) {
        self.world.wait(3_600).await;
        loop {
            let claimed = self.claim("calm".to_owned(), 600, LIST_MAX).await;
            if claimed.starts_with("claimed 0 ") {
                return;
            }
            let mut rows = self.inbox.store().write().await.expect("begins");
            let now = rows.now().await.expect("a time");
            let mut query = AlertQuery::since(jiff::Timestamp::UNIX_EPOCH, LIST_MAX);
            query.status_in = vec![Status::Processing];
            let held = rows.alerts(&query).await.expect("a list");
            let ack = Acknowledgement { caller: Caller::new("calm"), note: String::new() };
            let acked: Vec<Alert> =
                held.iter().map(|alert| alert.ack(&ack, now).expect("held").value).collect();
            for alert in &acked {
                match outcome(alert) {
                    Some(Outcome::Dismissed) => self.told.dismissed += 1,
                    _ => self.told.appended += 1,
                }
            }
            rows.put_alerts(&acked).await.expect("put");
            rows.commit().await.expect("commits");
        }
    }

    /// Everything there is, without names that each store draws for itself.
    async fn check(&self, storm: u64) -> String {
        let query = AlertQuery::since(jiff::Timestamp::UNIX_EPOCH, LIST_MAX);
        let alerts = self.inbox.list(&query).await.expect("a list");
        let mut is: BTreeMap<Option<Outcome>, u64> = BTreeMap::new();
        let (mut claims, mut failures, mut requeues, mut open, mut occurrences) = (0, 0, 0, 0, 0);
        for alert in &alerts {
            let counts = alert.counts();
            claims += counts.claims;
            failures += counts.failures;
            requeues += counts.requeues;
            occurrences += alert.occurrences;
            open += u64::from(matches!(alert.state(), State::Processing { .. }));
            *is.entry(outcome(alert)).or_default() += 1;
        }
        let settled = |outcome| is.get(&Some(outcome)).copied().unwrap_or_default();
        let told = &self.told;
        assert_eq!(told.received, told.rejected + told.created + told.deduplicated);
        assert_eq!(alerts.len() as u64, told.created, "storm {storm}");
        assert_eq!(occurrences, told.created + told.deduplicated, "storm {storm}");
        let (triaged, appended, dismissed) =
            (settled(Outcome::Triaged), settled(Outcome::Appended), settled(Outcome::Dismissed));
        assert_eq!(
            claims,
            triaged + appended + dismissed + failures + requeues + open,
            "storm {storm}"
        );
        assert_eq!(
            (claims, triaged, appended, dismissed, failures, requeues),
            (told.claims, told.triaged, told.appended, told.dismissed, told.failed, told.requeued),
            "storm {storm}"
        );
        let all = IncidentQuery { service: None, with_closed: true, limit: LIST_MAX };
        let incidents = self.inbox.incidents(&all).await.expect("a list");
        assert_eq!(incidents.len(), self.incidents.len());
        format!("{told:?}, {} incidents", incidents.len())
    }

    /// How long each timeline is, in the order in which incidents were opened.
    async fn timelines(&self) -> Vec<u64> {
        let mut lengths = Vec::new();
        for incident in &self.incidents {
            let (incident, timeline) = self.inbox.timeline(incident).await.expect("there");
            assert!(timeline.iter().enumerate().all(|(n, entry)| entry.number == n as u64));
            assert_eq!(timeline.len() as u64, incident.entries);
            lengths.push(incident.entries);
        }
        lengths
    }
}

fn outcome(alert: &Alert) -> Option<Outcome> {
    match alert.state() {
        State::Acked { outcome, .. } => Some(*outcome),
        _ => None,
    }
}

fn one(storm: u64, nth: usize, random: &mut StdRng) -> Draft {
    let title = ["slow", "down", "lost", "full"][nth % 4];
    let service = format!("service-{storm}-{}", nth / 4 % 4);
    let service = if random.random_ratio(1, 10) { String::new() } else { service };
    Draft { resolved: random.random_ratio(1, 10), ..draft(&service, title) }
}

async fn storms(of: Of) {
    let test = format!("{STORMS} storms, on {of:?}");
    let Some(mut tossed) = Tossed::new(of, &test).await else { return };
    let mut model = Tossed::new(Of::Memory, &test).await.expect("memory is there");
    for storm in 0..STORMS {
        // One seed each, so that both are asked the same.
        let mut dice = [StdRng::seed_from_u64(storm), StdRng::seed_from_u64(storm)];
        for step in 0..STEPS {
            let told = tossed.step(storm, &mut dice[0]).await;
            let expected = model.step(storm, &mut dice[1]).await;
            assert_eq!(told, expected, "storm {storm}, step {step}");
        }
        assert_eq!(tossed.check(storm).await, model.check(storm).await, "storm {storm}");
        tossed.calm().await;
        model.calm().await;
        assert_eq!(tossed.check(storm).await, model.check(storm).await, "after storm {storm}");
    }
    assert_eq!(tossed.timelines().await, model.timelines().await);
    assert!(
        [model.told.triaged, model.told.appended, model.told.failed, model.told.requeued]
            .iter()
            .all(|count| *count > 20),
        "the storms reach everything: {:?}",
        model.told
    );
}

#[tokio::test]
async fn storms_over_memory() {
    storms(Of::Memory).await;
}

#[tokio::test]
async fn storms_over_sqlite() {
    storms(Of::Sqlite).await;
}

#[tokio::test]
async fn storms_over_the_consoles_own_record() {
    storms(Of::Console).await;
}

#[tokio::test]
async fn storms_over_postgres() {
    storms(Of::Postgres).await;
}
