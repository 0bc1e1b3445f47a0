//! What counts as consent: who may give it, to what, until when, and how much of it is enough.

mod bound;
mod quorum;
mod refused;

use plumb_fleet::NodeId;
pub(crate) use plumb_testkit::company::{
    Company, NOW, at, fleet, group, groups, person, quorum, rule,
};
use plumb_trust::{
    approval::{Acknowledged, Standing},
    roster::{GroupId, PersonId},
};

/// How a plan stands, as one line.
pub(crate) fn line(standing: &Standing) -> String {
    match standing {
        Standing::Consented(consent) => {
            let people: Vec<&str> = consent.people().keys().map(PersonId::as_str).collect();
            format!("consented: {}", people.join(", "))
        }
        Standing::Refused { by, reason } => format!("refused by {by}: {reason}"),
        Standing::NotRequested => "not requested".to_owned(),
        Standing::OtherRule { differences } => {
            let all: Vec<String> = differences.iter().map(ToString::to_string).collect();
            format!("other rule: {}", all.join("; "))
        }
        Standing::Missing { quorums, may_approve } => {
            let missing = quorums.iter().map(|quorum| {
                let groups: Vec<&str> = quorum.groups.iter().map(GroupId::as_str).collect();
                format!("{} of {}", quorum.count, groups.join("|"))
            });
            let missing: Vec<String> = missing.collect();
            let who: Vec<&str> = may_approve.iter().map(PersonId::as_str).collect();
            format!("missing {} from {}", missing.join(" and "), who.join(", "))
        }
    }
}

pub(crate) fn finding(code: &str, node: Option<&str>) -> Acknowledged {
    let node = node.map(|name| NodeId::new(name).expect("a name"));
    Acknowledged { code: code.to_owned(), node }
}
