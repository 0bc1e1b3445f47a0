//! What is worth interrupting somebody for: decided here from what is stored, shown by the window.

use std::collections::{BTreeMap, BTreeSet};

use crate::views::{
    run::{RunPhase, RunView},
    shell::AboutView,
};

/// Letters of a line that a notification shows; what is longer is read in the window.
const LETTERS_MAX: usize = 240;

/// One notification of the desktop. Plain text without control characters; it may hold what nodes said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub title: String,
    pub body: String,
    /// Somebody has to decide: it stays until it is looked at.
    pub urgent: bool,
    /// Where a click on it leads.
    pub about: AboutView,
}

/// How the desktop took the newest notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Why it was not shown.
    pub problem: Option<String>,
    /// Whether the desktop tells of a click on it; nothing where it was not shown.
    pub clicks: Option<bool>,
}

/// A request for approval as the record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    pub fleet: String,
    pub plan: String,
    pub title: String,
    pub requester: String,
    /// Who is asked, for example `1 of storage`.
    pub missing: Vec<String>,
}

/// An alert that is for whoever sits here: the policy gives it to them, or somebody claimed it in their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    pub alert: String,
    /// The fleet through which it is seen.
    pub fleet: String,
    pub severity: String,
    pub title: String,
    pub service: String,
    /// Who holds it; nothing while it waits to be claimed.
    pub owner: Option<String>,
}

/// More alerts than so many at once are told as one.
const ASSIGNED_MAX: usize = 3;

/// What was known at the last look, so that each thing is told once.
#[derive(Debug, Default)]
pub struct Noticed {
    runs: BTreeMap<String, RunPhase>,
    requests: BTreeSet<String>,
    /// Alerts that somebody here was told of, or that were there before, by reference.
    alerts: BTreeSet<String>,
    /// What ended before is history, in milliseconds since 1970.
    since_ms: i64,
}

impl Noticed {
    /// Begins with what is known already, which is no news.
    pub fn since(
        now_ms: i64,
        runs: impl IntoIterator<Item = (String, RunPhase)>,
        requests: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            runs: runs.into_iter().collect(),
            requests: requests.into_iter().collect(),
            alerts: BTreeSet::new(),
            since_ms: now_ms,
        }
    }

    /// Requests that are no news, of a fleet that came on the list.
    pub fn knows(&mut self, requests: impl IntoIterator<Item = String>) {
        self.requests.extend(requests);
    }

    /// Whether a request, by its digest, is heard of for the first time.
    pub fn is_new(&mut self, request: &str) -> bool {
        self.requests.insert(request.to_owned())
    }

    /// Alerts that are for somebody here now; gives back those that were not before.
    pub fn fresh_alerts(&mut self, now: BTreeSet<String>) -> BTreeSet<String> {
        let fresh = now.difference(&self.alerts).cloned().collect();
        self.alerts = now;
        fresh
    }

    /// What a run as it stands now is worth: a halt, a way back, an end. A single node that arrived is
    /// not: whoever changed it looks at it.
    pub fn run(&mut self, run: &RunView) -> Option<Notification> {
        let before = self.runs.insert(run.id.clone(), run.phase);
        if before == Some(run.phase) {
            return None;
        }
        let rollout = run.rollout.as_ref();
        let ended = run.ended_at_ms.is_some_and(|at| before.is_some() || at >= self.since_ms);
        let (what, why, urgent) = match run.phase {
            RunPhase::Halted if run.ended_at_ms.is_none() => {
                let why = rollout.and_then(|rollout| rollout.halted.as_deref())?;
                (
                    "Halted",
                    format!("{why}. Nothing further is changed until somebody decides."),
                    true,
                )
            }
            RunPhase::RollingBack => {
                ("Bringing nodes back", rollout.and_then(|rollout| rollout.rollback.clone())?, true)
            }
            RunPhase::Succeeded if ended && run.total > 1 => {
                ("Succeeded", run.summary.clone(), false)
            }
            RunPhase::RolledBack if ended => ("Rolled back", run.summary.clone(), true),
            RunPhase::Incomplete if ended => ("Incomplete", run.summary.clone(), true),
            RunPhase::Aborted if ended => ("Aborted", run.summary.clone(), true),
            RunPhase::Halted | RunPhase::Interrupted if ended => {
                ("Ended", run.summary.clone(), true)
            }
            _ => return None,
        };
        let about = AboutView::Run { fleet: run.fleet.clone(), run: run.id.clone() };
        let body = format!("{}: {why}", run.fleet);
        Some(told(&format!("{what}: {}", run.title), &body, urgent, about))
    }
}

/// A request for approval that nobody was told of.
pub fn requested(request: &Requested) -> Notification {
    let missing = match request.missing.as_slice() {
        [] => String::new(),
        missing => format!(" Missing: {}.", missing.join(", ")),
    };
    let body = format!("{}: {} asks.{missing}", request.fleet, request.requester);
    let about = AboutView::Plan { fleet: request.fleet.clone(), plan: request.plan.clone() };
    told(&format!("Approval requested: {}", request.title), &body, true, about)
}

/// Alerts that are for somebody here, and of which nobody was told: a few one by one, a storm as one.
pub fn assigned(alerts: &[Assigned]) -> Vec<Notification> {
    let urgent = |alert: &Assigned| matches!(alert.severity.as_str(), "P0" | "P1");
    if alerts.len() > ASSIGNED_MAX {
        let worst = alerts.iter().min_by_key(|alert| &alert.severity).expect("there are some");
        let body = format!(
            "{}: the worst is {} {}: {}",
            worst.fleet, worst.severity, worst.service, worst.title
        );
        let title = format!("{} alerts are for you", alerts.len());
        let about = AboutView::Alert { fleet: worst.fleet.clone(), alert: None };
        return vec![told(&title, &body, alerts.iter().any(urgent), about)];
    }
    let one = |alert: &Assigned| {
        let what = match &alert.owner {
            Some(owner) => format!("claimed for you as {owner}"),
            None => "waits to be claimed".to_owned(),
        };
        let title = format!("{} for you: {}", alert.severity, alert.title);
        let body = format!("{}: {}, {what}.", alert.fleet, alert.service);
        let (fleet, about) = (alert.fleet.clone(), Some(alert.alert.clone()));
        told(&title, &body, urgent(alert), AboutView::Alert { fleet, alert: about })
    };
    alerts.iter().map(one).collect()
}

fn told(title: &str, body: &str, urgent: bool, about: AboutView) -> Notification {
    Notification { title: plain(title), body: plain(body), urgent, about }
}

/// One line of readable letters: neither line breaks nor tricks of direction, and not without end.
fn plain(text: &str) -> String {
    let tricky = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut line: String =
        text.chars().map(|c| if tricky(c) { ' ' } else { c }).take(LETTERS_MAX).collect();
    if text.chars().nth(LETTERS_MAX).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::rollout::RunRollout;

    const NOW: i64 = 1_000_000;

    fn run(phase: RunPhase, ended_at_ms: Option<i64>, total: u32) -> RunView {
        RunView {
            id: "r-1".to_owned(),
            plan_hash: String::new(),
            title: "Sync to the desired version".to_owned(),
            fleet: "eu".to_owned(),
            operator: "mira".to_owned(),
            started_at_ms: NOW,
            ended_at_ms,
            phase,
            nodes: Vec::new(),
            rollout: None,
            bypassed: Vec::new(),
            arrived: 0,
            failed: 0,
            in_doubt: 0,
            total,
            journal_head: String::new(),
            journal_events: 1,
            journal_signed_to: 1,
            journal_unsigned: None,
            refused: None,
            undo: None,
            summary: "3 of 4 nodes arrived".to_owned(),
        }
    }

    fn halted(why: &str) -> RunView {
        let rollout = RunRollout {
            waves: Vec::new(),
            paused_by: None,
            halted: Some(why.to_owned()),
            rollback: None,
            carried: true,
        };
        RunView { rollout: Some(rollout), ..run(RunPhase::Halted, None, 4) }
    }

    fn titles(noticed: &mut Noticed, runs: &[RunView]) -> Vec<String> {
        runs.iter().filter_map(|run| noticed.run(run)).map(|told| told.title).collect()
    }

    #[test]
    fn a_halt_and_an_end_are_told_once_and_what_goes_on_is_not() {
        let mut noticed = Noticed::since(NOW, [], []);
        let runs = [
            run(RunPhase::Acting, None, 4),
            run(RunPhase::Proving, None, 4),
            halted("1 of 4 nodes failed, 0 are tolerated"),
            halted("1 of 4 nodes failed, 0 are tolerated"),
            run(RunPhase::Acting, None, 4),
            halted("1 of 4 nodes failed, 0 are tolerated"),
            run(RunPhase::Succeeded, Some(NOW + 9), 4),
            run(RunPhase::Succeeded, Some(NOW + 9), 4),
        ];
        let halt = "Halted: Sync to the desired version";
        assert_eq!(
            titles(&mut noticed, &runs),
            [halt, halt, "Succeeded: Sync to the desired version"]
        );
    }

    #[test]
    fn a_halt_says_where_and_why_and_stays_until_it_is_seen() {
        let told = Noticed::since(NOW, [], []).run(&halted("the gate of wave 1 stays shut"));
        let told = told.expect("a halt is news");
        let body =
            "eu: the gate of wave 1 stays shut. Nothing further is changed until somebody decides.";
        assert_eq!((told.body.as_str(), told.urgent), (body, true));
        let run = AboutView::Run { fleet: "eu".to_owned(), run: "r-1".to_owned() };
        assert_eq!(told.about, run);
    }

    #[test]
    fn what_was_so_before_is_history() {
        let known = [("r-1".to_owned(), RunPhase::Halted)];
        assert_eq!(Noticed::since(NOW, known, []).run(&halted("as before")), None);
        let old = run(RunPhase::Incomplete, Some(NOW - 1), 4);
        assert_eq!(Noticed::since(NOW, [], []).run(&old), None);
        let mut open = Noticed::since(NOW, [("r-1".to_owned(), RunPhase::Paused)], []);
        assert!(open.run(&run(RunPhase::Aborted, Some(NOW - 1), 4)).is_some());
    }

    #[test]
    fn one_node_that_arrived_interrupts_nobody_and_one_that_did_not_does() {
        let mut noticed = Noticed::since(NOW, [], []);
        assert_eq!(noticed.run(&run(RunPhase::Succeeded, Some(NOW), 1)), None);
        let told = noticed.run(&run(RunPhase::Incomplete, Some(NOW), 1)).expect("news");
        assert!(told.urgent && told.body == "eu: 3 of 4 nodes arrived", "{told:?}");
    }

    #[test]
    fn a_request_names_who_asks_and_who_is_missing_and_is_new_once() {
        let mut noticed = Noticed::since(NOW, [], ["old".to_owned()]);
        assert_eq!(["old", "new", "new"].map(|id| noticed.is_new(id)), [false, true, false]);
        let told = requested(&Requested {
            fleet: "eu".to_owned(),
            plan: "77b0".to_owned(),
            title: "Sync to the desired version".to_owned(),
            requester: "avery".to_owned(),
            missing: vec!["1 of storage".to_owned(), "1 of platform-security".to_owned()],
        });
        assert_eq!(told.title, "Approval requested: Sync to the desired version");
        assert_eq!(told.body, "eu: avery asks. Missing: 1 of storage, 1 of platform-security.");
        let plan = AboutView::Plan { fleet: "eu".to_owned(), plan: "77b0".to_owned() };
        assert_eq!(told.about, plan);
    }

    fn alert(severity: &str, owner: Option<&str>) -> Assigned {
        Assigned {
            alert: "alrt_1".to_owned(),
            fleet: "eu".to_owned(),
            severity: severity.to_owned(),
            title: "nodes run other content".to_owned(),
            service: "gateway".to_owned(),
            owner: owner.map(str::to_owned),
        }
    }

    #[test]
    fn an_alert_for_me_says_what_it_is_and_whether_it_waits() {
        let told = assigned(&[alert("P1", None), alert("P2", Some("mira"))]);
        assert_eq!(told[0].title, "P1 for you: nodes run other content");
        assert_eq!(told[0].body, "eu: gateway, waits to be claimed.");
        assert_eq!(told[1].body, "eu: gateway, claimed for you as mira.");
        assert_eq!((told[0].urgent, told[1].urgent), (true, false));
        let alert = Some("alrt_1".to_owned());
        assert_eq!(told[0].about, AboutView::Alert { fleet: "eu".to_owned(), alert });
        assert!(assigned(&[]).is_empty());
    }

    #[test]
    fn a_storm_is_one_notification_that_names_the_worst() {
        let storm = ["P3", "P2", "P0", "P2"].map(|severity| alert(severity, None));
        let told = assigned(&storm);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].title, "4 alerts are for you");
        assert!(told[0].body.contains("the worst is P0 gateway") && told[0].urgent, "{told:?}");
    }

    #[test]
    fn an_alert_is_news_once_and_again_after_it_was_somebody_elses() {
        let mut noticed = Noticed::since(NOW, [], []);
        let now = |alerts: &[&str]| alerts.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(noticed.fresh_alerts(now(&["a"])).len(), 1);
        assert_eq!(noticed.fresh_alerts(now(&["a", "b"])), now(&["b"]));
        assert!(noticed.fresh_alerts(now(&["b"])).is_empty());
        assert_eq!(noticed.fresh_alerts(now(&["a", "b"])), now(&["a"]));
    }

    #[test]
    fn what_nodes_say_is_shown_as_letters_and_not_without_end() {
        let told =
            Noticed::since(NOW, [], []).run(&halted(&format!("\u{202e}\n{}", "x".repeat(900))));
        let body = told.expect("a halt is news").body;
        assert!(!body.contains(['\n', '\u{202e}']) && body.chars().count() == LETTERS_MAX + 1);
    }
}
