//! Requests that somebody recorded: agents as they were asked, and the hub that OPAs push decisions to.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use plumb_clients::operations::recorded_requests;
use plumb_decide::Origin;
use plumb_fleet::{Node, NodeApi, NodeFailure};
use plumb_wire::{hub::DecisionEntry, v1::RecordedRequests};
use serde_json::Value;

use super::requests::{RecordedRequest, of_event};
use crate::{
    app::App,
    error::{AppError, Code},
    views::impact::{RecordedRequestsView, SourceView},
};

/// Nodes asked at the same time.
const NODES_AT_ONCE: usize = 32;
/// How long one node may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Where recorded requests are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestSource {
    /// Agents that sample what they are asked: these, or every one of the fleet.
    Nodes(Option<Vec<String>>),
    /// Decisions that OPAs pushed to the hub of the fleet.
    Hub,
}

impl App {
    /// Requests that were really asked, each once with how often it was asked, and what was masked told. Where
    /// none are found, the error says of every source why.
    pub async fn recorded(
        &self,
        fleet: &str,
        source: &RequestSource,
    ) -> Result<(Vec<RecordedRequest>, RecordedRequestsView), AppError> {
        let (requests, sources) = match source {
            RequestSource::Nodes(nodes) => self.recorded_by_nodes(fleet, nodes.as_deref()).await?,
            RequestSource::Hub => self.recorded_at_hub(fleet).await?,
        };
        let requests = merged(requests);
        if requests.is_empty() {
            let why = sources.iter().map(|one| format!("{}: {}", one.source, one.detail));
            let message =
                format!("no request was recorded; {}", why.collect::<Vec<_>>().join("; "));
            let hint =
                "start agents with --record-share, or have OPAs push their decisions to the hub";
            return Err(AppError::new(Code::NotFound, message, hint));
        }
        let view = RecordedRequestsView::of(fleet, &requests, sources);
        Ok((requests, view))
    }

    async fn recorded_by_nodes(
        &self,
        fleet: &str,
        nodes: Option<&[String]>,
    ) -> Result<(Vec<RecordedRequest>, Vec<SourceView>), AppError> {
        let ids = self.chosen(fleet, nodes)?;
        let (_, loaded) = self.loaded(fleet)?;
        let of_fleet = ids.iter().filter_map(|id| loaded.fleet.nodes.get(id));
        // Who was not named is not missed: only agents of ours record anything.
        let asked: Vec<&Node> = of_fleet
            .filter(|node| nodes.is_some() || node.api == NodeApi::Agent)
            .map(AsRef::as_ref)
            .collect();
        let (pool, now) = (&loaded.pool, &self.wall());
        let asking: Vec<_> = asked
            .into_iter()
            .map(|node| async move { (node, recorded_requests(pool, node, DEADLINE, now).await) })
            .collect();
        let mut answers: Vec<_> =
            stream::iter(asking).buffer_unordered(NODES_AT_ONCE).collect().await;
        answers.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
        let mut requests = Vec::new();
        let mut sources = Vec::new();
        for (node, answer) in answers {
            let found = answer.as_ref().map_or_else(|_| Vec::new(), of_agent);
            sources.push(SourceView {
                source: node.id.to_string(),
                requests: u32::try_from(found.len()).unwrap_or(u32::MAX),
                detail: detail(&answer),
            });
            requests.extend(found);
        }
        Ok((requests, sources))
    }

    async fn recorded_at_hub(
        &self,
        fleet: &str,
    ) -> Result<(Vec<RecordedRequest>, Vec<SourceView>), AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let Some(hub) = self.hub(&loaded).await? else {
            let message = format!("fleet {fleet} names no hub");
            return Err(AppError::new(Code::NotFound, message, "name one as [hub] in its file"));
        };
        let entrypoint = loaded.fleet.decisions.entrypoint.as_deref();
        let all = hub.decisions().await?;
        let ours: Vec<&DecisionEntry> = all
            .iter()
            .filter(|entry| is_of(hub.fleet(), entry) && asks(entrypoint, entry))
            .collect();
        let found: Vec<RecordedRequest> =
            ours.iter().filter_map(|entry| of_event(&entry.event)).collect();
        let detail =
            format!("{} of {} decisions that it keeps are of this fleet", ours.len(), all.len());
        let requests = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let source = SourceView { source: "hub".to_owned(), requests, detail };
        Ok((found, vec![source]))
    }
}

/// What an agent kept. Of a share of the requests it saw a share of the counts.
fn of_agent(recorded: &RecordedRequests) -> Vec<RecordedRequest> {
    let share = recorded.share.filter(|share| *share > 0.0 && *share <= 1.0).unwrap_or(1.0);
    let requests = recorded.requests.iter().map(|one| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "counts are far below 2^52, and an estimate"
        )]
        let count = (one.count as f64 / share).round().max(1.0) as u64;
        RecordedRequest {
            input: one.input.clone(),
            at: Some(one.at),
            origin: Origin::Recorded,
            count,
            masked: one.erased.clone(),
        }
    });
    requests.collect()
}

fn detail(answer: &Result<RecordedRequests, NodeFailure>) -> String {
    match answer {
        Ok(RecordedRequests { share: None, .. }) => {
            "records nothing; it was started without --record-share".to_owned()
        }
        Ok(RecordedRequests { share: Some(share), since, requests, dropped }) => {
            let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
            let lost = if *dropped > 0 { format!(", {dropped} lost") } else { String::new() };
            let percent = share * 100.0;
            format!("{} different requests of {percent} % of all{since}{lost}", requests.len())
        }
        Err(failure) => failure.message.clone(),
    }
}

/// Whether a decision is of a node of this fleet; one whose labels name no fleet may be.
fn is_of(fleet: &str, entry: &DecisionEntry) -> bool {
    entry.node.split_once('/').is_none_or(|(of, _)| of == fleet)
}

/// Whether it was a question for the rule that is compared; any is where none is named.
fn asks(entrypoint: Option<&str>, entry: &DecisionEntry) -> bool {
    let Some(entrypoint) = entrypoint else { return true };
    let path = entry.event.get("path").and_then(Value::as_str);
    path.is_none_or(|path| {
        format!("data.{}", path.trim_matches('/').replace('/', ".")) == entrypoint
    })
}

/// Each request once for each moment, with the sum of its counts, the most often asked first.
fn merged(requests: Vec<RecordedRequest>) -> Vec<RecordedRequest> {
    let mut by_text = BTreeMap::<(String, Option<Timestamp>), RecordedRequest>::new();
    for request in requests {
        by_text
            .entry((request.input.to_string(), request.at))
            .and_modify(|known| {
                known.count = known.count.saturating_add(request.count);
                if known.masked.is_empty() {
                    known.masked.clone_from(&request.masked);
                }
            })
            .or_insert(request);
    }
    let mut all: Vec<RecordedRequest> = by_text.into_values().collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.count));
    all
}

#[cfg(test)]
mod tests {
    use plumb_wire::v1;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_share_of_what_was_asked_weighs_as_all_of_it() {
        let one = |name: &str, count| v1::RecordedRequest {
            input: json!({ "capability_id": name }),
            erased: vec!["/context/user".to_owned()],
            at: Timestamp::UNIX_EPOCH,
            count,
        };
        let sampled = |share| RecordedRequests {
            share: Some(share),
            requests: vec![one("a", 3), one("b", 1)],
            ..RecordedRequests::default()
        };
        let both = [of_agent(&sampled(0.1)), of_agent(&sampled(1.0))].concat();
        let counts: Vec<_> = merged(both).into_iter().map(|one| (one.count, one.masked)).collect();
        let masked = vec!["/context/user".to_owned()];
        assert_eq!(counts, [(33, masked.clone()), (11, masked)]);
    }

    #[test]
    fn decisions_of_other_fleets_and_rules_are_left_out() {
        let entry = |node: &str, path: &str| DecisionEntry {
            seq: 1,
            at: Timestamp::UNIX_EPOCH,
            node: node.to_owned(),
            event: json!({ "decision_id": "1", "path": path, "input": {} }),
        };
        assert!(is_of("eu", &entry("eu/gw-1", "app/allow")) && is_of("eu", &entry("0a1b", "")));
        assert!(!is_of("eu", &entry("us/gw-1", "app/allow")));
        let rule = Some("data.app.allow");
        assert!(asks(rule, &entry("gw", "app/allow")) && asks(rule, &entry("gw", "/app/allow")));
        assert!(!asks(rule, &entry("gw", "app/audit")) && asks(None, &entry("gw", "app/audit")));
    }
}
