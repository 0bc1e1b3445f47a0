//! Which entries of the troubleshooting topic fit what an alert shows.

use jiff::Timestamp;
use plumb_alert::{Alert, State};
use plumb_wire::alerts::guides::{COOLING, FAILED, REPEATED, STUCK};

use crate::views::alerts::GuideView;

/// So many reports of one fingerprint are worth a question.
const REPEATED_MIN: u64 = 20;
/// So many failures of one alert are no accident.
const FAILURES_MIN: u64 = 2;

/// Entries for an alert, each with the symptom that it shows.
pub(crate) fn of(alert: &Alert, cooling: bool, now: Timestamp) -> Vec<GuideView> {
    let mut guides = Vec::new();
    let mut add = |title: String, heading: &str| {
        guides.push(GuideView { title, heading: heading.to_owned() });
    };
    let counts = alert.counts();
    match alert.state() {
        State::Processing { owner, lock_until, .. } if *lock_until <= now => {
            add(format!("The lease of {owner} is over, and nobody took it again"), STUCK);
        }
        _ if counts.requeues > 0 && alert.resolved_at.is_none() => {
            add("It was claimed before, and the lease ended without an answer".to_owned(), STUCK);
        }
        _ => {}
    }
    let failing = matches!(alert.state(), State::Failed { .. });
    if failing || (counts.failures >= FAILURES_MIN && alert.resolved_at.is_none()) {
        add(format!("It failed {} times", counts.failures), FAILED);
    }
    if cooling {
        add("Its signature was triaged a short time ago".to_owned(), COOLING);
    }
    if alert.occurrences >= REPEATED_MIN {
        add(format!("{} reports were taken as this one", alert.occurrences), REPEATED);
    }
    guides
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_guide_leads_to_an_entry_of_the_topic() {
        let topic = include_str!("../../../../../assets/help/troubleshooting.md");
        for heading in plumb_wire::alerts::guides::ALL {
            assert!(topic.contains(&format!("\n## {heading}\n")), "{heading}");
        }
    }
}
