//! Plans in an archive that wait for consent: what was asked, and who answered so far.

use std::collections::BTreeMap;

use plumb_evidence::limits::APPROVALS_MAX;
use plumb_fleet::PlanHash;
use plumb_runbook::ApprovalRequest;
use plumb_store::dry_runs::KeptDryRun;

use super::{
    limits::REQUESTS_MAX,
    readiness,
    reading::{Reading, under, unread},
};
use crate::{actions::capture::waiting::REQUESTS, error::AppError};

/// A request as whoever asked signed it.
#[derive(Debug)]
pub(super) struct CapturedRequest {
    pub(super) bytes: Vec<u8>,
    pub(super) request: ApprovalRequest,
    pub(super) dry_run: Option<KeptDryRun>,
    /// Envelopes of its answers, each with the name of its entry.
    pub(super) answers: Vec<(String, Vec<u8>)>,
}

/// Every request, by the plan that it is about. Whether it is what its requester signed is told when it is shown.
pub(super) fn all(
    reading: &mut Reading<'_>,
) -> Result<BTreeMap<PlanHash, CapturedRequest>, AppError> {
    let start = format!("{REQUESTS}/");
    let entries = reading.archive.entries().iter();
    let names: Vec<String> = entries
        .filter(|entry| entry.name.as_str().starts_with(&start))
        .map(|entry| entry.name.to_string())
        .collect();
    let mut all = BTreeMap::new();
    for name in names.iter().filter(|name| name.ends_with("/request.json")) {
        under(all.len() + 1, REQUESTS_MAX, "requests")?;
        let bytes = reading.bytes(name)?;
        let request = ApprovalRequest::read(&bytes).map_err(|error| unread(name, &error))?;
        let plan = request.hash();
        if *name != format!("{start}{plan}/request.json") {
            let problem = std::io::Error::other("it is about another plan than its name says");
            return Err(unread(name, &problem));
        }
        let folder = format!("{start}{plan}/approvals/");
        let given: Vec<&String> = names.iter().filter(|name| name.starts_with(&folder)).collect();
        under(given.len(), APPROVALS_MAX, "approvals of one plan")?;
        let mut answers = Vec::with_capacity(given.len());
        for name in given {
            answers.push((name.clone(), reading.bytes(name)?));
        }
        let of_plan = format!("{start}{plan}");
        let dry_run = readiness::dry_run(reading, &of_plan, request.requested_at)?;
        all.insert(plan, CapturedRequest { bytes, request, dry_run, answers });
    }
    Ok(all)
}
