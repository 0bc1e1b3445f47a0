//! Evidence as it is kept, and whether it counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId};
use plumb_journal::Outcome;
use plumb_runbook::{Checklist, ItemState, Offered};
use plumb_store::readiness::KeptReadiness;
use plumb_trust::{
    readiness::{ReadinessItem, verify_readiness},
    roster::{GroupId, Requirement, Roster},
};
use serde::{Deserialize, Serialize};

use crate::{
    actions::known_certificates::KnownCertificate,
    error::{AppError, Code, chain},
    views::{
        convert::ms,
        readiness::{ChecklistItemView, ChecklistState, ChecklistView},
    },
};

/// What shows that an item is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Evidence {
    Link {
        url: String,
    },
    /// A convergence certificate, by the digest of its statement.
    Certificate {
        fleet: FleetId,
        digest: Digest,
    },
    /// The envelope that somebody signed, as it came.
    Attestation {
        envelope: String,
    },
}

impl Evidence {
    pub(super) fn document(&self) -> String {
        serde_json::to_string(self).expect("evidence always serialises")
    }

    pub(super) fn read(document: &str) -> Result<Self, AppError> {
        serde_json::from_str(document).map_err(|error| {
            let message = format!("kept evidence of readiness does not read back: {error}");
            AppError::new(Code::Other, message, "withdraw it, and add it again")
        })
    }
}

/// Evidence that was looked at, with what a person reads of it.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    offered: Offered,
    attested_by: Option<String>,
    expires_at: Option<Timestamp>,
    words: String,
}

/// Everything that was given for a fleet, and what its roster requires.
#[derive(Debug, Clone)]
pub(crate) struct Readiness {
    required: BTreeMap<ReadinessItem, Requirement>,
    given: BTreeMap<ReadinessItem, (Looked, KeptReadiness)>,
}

pub(super) fn link(evidence: &Evidence) -> Looked {
    let words = match evidence {
        Evidence::Link { url } => url.clone(),
        other => other.document(),
    };
    let digest = Digest::of(words.as_bytes());
    let offered = Offered { digest, role: None, problem: None };
    Looked { offered, attested_by: None, expires_at: None, words }
}

/// An attestation counts as long as it is good, its key counts, and it is about this.
pub(super) fn attestation(
    envelope: &str,
    roster: Option<&Roster>,
    about: (&FleetId, ReadinessItem),
    at: Timestamp,
) -> Looked {
    let refused = |problem: String| Looked {
        offered: Offered {
            digest: Digest::of(envelope.as_bytes()),
            role: None,
            problem: Some(problem),
        },
        attested_by: None,
        expires_at: None,
        words: "an attestation".to_owned(),
    };
    let Some(roster) = roster else {
        return refused("no roster says whose signatures count".to_owned());
    };
    let verified = match verify_readiness(envelope.as_bytes(), roster, at) {
        Ok(verified) => verified,
        Err(refusal) => return refused(chain(&refusal)),
    };
    let document = verified.document();
    let same = (&document.fleet, document.item) == about;
    let problem = (!same).then(|| format!("it is about {} of {}", document.item, document.fleet));
    Looked {
        offered: Offered { digest: verified.payload(), role: Some(document.role.clone()), problem },
        attested_by: Some(format!("{} for {}", document.person, document.role)),
        expires_at: Some(document.expires_at),
        words: document.seen.clone(),
    }
}

/// A certificate shows a rollback on staging when a run there was rolled back and every target stood.
pub(super) fn certificate(
    item: ReadinessItem,
    (of, digest): (&FleetId, Digest),
    staging: Option<&FleetId>,
    known: Option<&KnownCertificate>,
) -> Looked {
    let problem = match known {
        None => {
            Some(format!("no certificate {} of {of} that counts is known here", digest.short()))
        }
        Some(_) if item != ReadinessItem::StagingRollback => {
            Some("a certificate shows a rollback, and nothing else".to_owned())
        }
        Some(_) if staging.is_some_and(|staging| staging != of) => {
            Some(format!("it is one of {of}, which is not the staging fleet"))
        }
        Some(known) if known.certificate.outcome != Outcome::RolledBack => {
            Some(format!("its run {}, it was not rolled back", known.certificate.outcome.name()))
        }
        Some(known) if !known.certificate.is_green() => {
            let late = known.certificate.stragglers().count();
            Some(format!("{late} of its targets did not stand as before afterwards"))
        }
        Some(_) => None,
    };
    Looked {
        offered: Offered { digest, role: None, problem },
        attested_by: None,
        expires_at: None,
        words: format!("certificate {digest} of {of}"),
    }
}

impl Readiness {
    pub(super) const fn new(required: BTreeMap<ReadinessItem, Requirement>) -> Self {
        Self { required, given: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, item: ReadinessItem, looked: Looked, kept: KeptReadiness) {
        self.given.insert(item, (looked, kept));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    pub(crate) fn checklist(&self) -> Checklist {
        let offered = self.given.iter().map(|(item, (looked, _))| (*item, looked.offered.clone()));
        Checklist::judge(&offered.collect(), &self.required)
    }

    pub(super) fn view(&self, fleet: &FleetId, ruled: bool) -> ChecklistView {
        let checklist = self.checklist();
        let items: Vec<ChecklistItemView> =
            checklist.items.iter().map(|(item, state)| self.item_view(*item, state)).collect();
        let open = items.iter().filter(|one| one.required && one.state != ChecklistState::Shown);
        let open = u32::try_from(open.count()).unwrap_or(u32::MAX);
        ChecklistView { fleet: fleet.to_string(), ruled, items, open }
    }

    fn item_view(&self, item: ReadinessItem, state: &ItemState) -> ChecklistItemView {
        let (looked, kept) = self.given.get(&item).map(|(looked, kept)| (looked, kept)).unzip();
        let required = self.required.get(&item);
        let (state, why) = match state {
            ItemState::Shown { .. } => (ChecklistState::Shown, None),
            ItemState::Refused { why, .. } => (ChecklistState::Refused, Some(why.clone())),
            ItemState::Missing { .. } => (ChecklistState::Missing, None),
        };
        let by = required.map(|of| of.by.iter().map(GroupId::to_string).collect());
        ChecklistItemView {
            item: item.name().to_owned(),
            what: item.sentence().to_owned(),
            required: required.is_some(),
            by: by.unwrap_or_default(),
            state,
            why,
            evidence: looked.map(|looked| looked.words.clone()),
            attested_by: looked.and_then(|looked| looked.attested_by.clone()),
            expires_at: looked.and_then(|looked| looked.expires_at).map(|at| at.to_string()),
            digest: looked.map(|looked| looked.offered.digest.to_string()),
            added_by: kept.map(|kept| kept.added_by.clone()),
            added_at_ms: kept.map(|kept| ms(kept.added_at)),
        }
    }
}
