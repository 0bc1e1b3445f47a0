//! Nodes that run one content are asked the same requests now and then: equal digests are no proof that nodes
//! answer alike.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use plumb_alert::Disagreement;
use plumb_clients::operations::evaluate;
use plumb_decide::Effect;
use plumb_fleet::{Capability, ContentDigest, Node, NodeId, capabilities};
use plumb_runbook::ReadAs;
use plumb_wire::v1::EvaluateCase;
use tracing::{debug, warn};

use crate::{
    actions::evaluate::{DEADLINE, NODES_AT_ONCE},
    app::{App, Loaded},
    current::Current,
    error::AppError,
    impact::asked_of_nodes,
};

/// Requests that each node is asked at one time, those that were asked for most often first.
const REQUESTS_MAX: usize = 50;
/// Nodes with one content that are asked at one time; of more, others are asked the next time.
const NODES_MAX: usize = 50;

/// When nodes of a fleet were asked last, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    asked_at: Option<Timestamp>,
    /// How often they were asked, for whose turn it is.
    turn: usize,
    found: Vec<Disagreement>,
}

/// What a node lets through, request by request.
type Permits = Vec<Option<u8>>;

impl App {
    /// Asks the nodes of a fleet, where its file says that they are to be asked and it is time, and tells the
    /// next sweep. A sweep does not wait for that.
    pub(crate) fn ask_for_agreement(&self, loaded: &Loaded) {
        let Some(every_s) = loaded.fleet.decisions.ask_nodes_every_s else { return };
        if !self.0.options.sweep_on_period {
            return;
        }
        let (now, every) = (self.now(), SignedDuration::from_secs(every_s.into()));
        let name = loaded.fleet.name.to_string();
        let due = self.agreement(&name, |agreement| {
            let due = agreement.asked_at.is_none_or(|at| now.duration_since(at).abs() >= every);
            if due {
                agreement.asked_at = Some(now);
            }
            due
        });
        if due != Some(true) {
            return;
        }
        let Ok(state) = self.state(&name) else { return };
        let (app, cancel) = (self.clone(), state.stop.clone());
        self.0.tasks.spawn(async move {
            let asking = async {
                match app.look_for_disagreement(&name).await {
                    Ok(found) => debug!(found, "asked nodes with equal contents"),
                    Err(error) => {
                        warn!(error = %error.message, "nodes were not asked whether they agree");
                    }
                }
            };
            cancel.run_until_cancelled(asking).await;
        });
    }

    /// Asks nodes with equal contents the same requests now, and keeps what came of it for the next sweep.
    /// Gives how many contents are answered differently by nodes that read them alike.
    pub async fn look_for_disagreement(&self, fleet: &str) -> Result<usize, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let current = self.current(fleet).await?;
        let cases = self.given_cases(fleet).await?;
        let turn = self.agreement(fleet, |agreement| agreement.turn).unwrap_or_default();
        let mut found = Vec::new();
        for ((content, _), nodes) in alike(&loaded, &current) {
            let from = if nodes.len() > NODES_MAX { turn * NODES_MAX % nodes.len() } else { 0 };
            let asked = nodes.iter().cycle().skip(from).take(nodes.len().min(NODES_MAX));
            let answers = self.permits(&loaded, asked.copied(), &cases).await;
            found.extend(disagreement(content, &answers, &cases));
        }
        let count = found.len();
        self.agreement(fleet, |agreement| {
            agreement.turn = agreement.turn.wrapping_add(1);
            agreement.found = found;
        });
        Ok(count)
    }

    /// What was found when nodes were asked last.
    pub(crate) fn disagreements(&self, fleet: &str) -> Vec<Disagreement> {
        self.agreement(fleet, |agreement| agreement.found.clone()).unwrap_or_default()
    }

    fn agreement<T>(&self, fleet: &str, with: impl FnOnce(&mut Agreement) -> T) -> Option<T> {
        let state = self.state(fleet).ok()?;
        // Each change is one assignment.
        let mut agreement = state.agreement.lock().unwrap_or_else(PoisonError::into_inner);
        Some(with(&mut agreement))
    }

    /// Requests of the file that the fleet names, or else one for each policy.
    async fn given_cases(&self, fleet: &str) -> Result<Vec<EvaluateCase>, AppError> {
        let (mut given, _) = self.asked_of_contents(fleet).await?;
        given.sort_by_key(|request| std::cmp::Reverse(request.count));
        let mut cases: Vec<EvaluateCase> =
            given.iter().filter_map(|request| asked_of_nodes(&request.input)).collect();
        if cases.is_empty() {
            let built_in = self.built_in_requests(fleet).await?.into_iter();
            cases.extend(built_in.map(|one| EvaluateCase {
                capability_id: one.capability_id,
                context: one.context,
            }));
        }
        cases.truncate(REQUESTS_MAX);
        Ok(cases)
    }

    /// What each of these nodes lets through; those that do not answer are left out.
    async fn permits<'n>(
        &self,
        loaded: &Loaded,
        nodes: impl Iterator<Item = &'n Node>,
        cases: &[EvaluateCase],
    ) -> BTreeMap<NodeId, Permits> {
        let (pool, now) = (&loaded.pool, &self.wall());
        let asking: Vec<_> = nodes
            .map(|node| async move {
                (node.id.clone(), evaluate(pool, node, cases, DEADLINE, now).await)
            })
            .collect();
        let answers: Vec<_> = stream::iter(asking).buffer_unordered(NODES_AT_ONCE).collect().await;
        let permits = answers.into_iter().filter_map(|(id, answer)| {
            let decisions = answer.ok()?.decisions.into_iter().map(|answer| {
                let decision = answer.decision;
                Effect::of_flags(decision.allowed, decision.require_confirmation).permits()
            });
            Some((id, decisions.collect()))
        });
        permits.collect()
    }
}

/// Nodes that answered the newest sweep and can be asked, by what they run and how they read it: agents and the
/// field's service are documented to differ about some conditions.
fn alike<'l>(
    loaded: &'l Loaded,
    current: &Current,
) -> BTreeMap<(ContentDigest, ReadAs), Vec<&'l Node>> {
    let mut groups: BTreeMap<_, Vec<&Node>> = BTreeMap::new();
    for (id, seen) in &current.snapshot.nodes {
        let report = seen.report.as_ref().filter(|_| seen.failure.is_none());
        let content = report.and_then(|report| report.content.as_ref());
        let (Some(content), Some(node)) = (content, loaded.fleet.nodes.get(id)) else { continue };
        if !capabilities(node.api).cannot.contains_key(&Capability::Evaluate) {
            groups.entry((content.value, ReadAs::by(node.api))).or_default().push(node);
        }
    }
    groups.retain(|_, nodes| nodes.len() > 1);
    groups
}

/// Who answers otherwise than most do; nothing where all who answered agree.
fn disagreement(
    content: ContentDigest,
    answers: &BTreeMap<NodeId, Permits>,
    cases: &[EvaluateCase],
) -> Option<Disagreement> {
    let mut camps: BTreeMap<&Permits, Vec<&NodeId>> = BTreeMap::new();
    for (id, permits) in answers {
        camps.entry(permits).or_default().push(id);
    }
    if camps.len() < 2 {
        return None;
    }
    let most = camps.values().map(Vec::len).max()?;
    let largest = camps.values().filter(|nodes| nodes.len() == most).count();
    let minority = camps.values().filter(|nodes| largest > 1 || nodes.len() < most);
    let nodes = minority.flatten().map(|id| (*id).clone()).collect::<BTreeSet<_>>();
    let differs =
        |at: usize| camps.keys().map(|permits| permits.get(at)).collect::<BTreeSet<_>>().len() > 1;
    let unlike: Vec<usize> = (0..cases.len()).filter(|at| differs(*at)).collect();
    let example = unlike.first().and_then(|at| cases.get(*at));
    Some(Disagreement {
        content,
        nodes: nodes.into_iter().collect(),
        asked: answers.len(),
        requests: unlike.len(),
        example: example.map(|case| case.capability_id.clone()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use plumb_fleet::Digest;

    use super::*;

    fn check(answers: &[(&str, &[Option<u8>])]) -> Option<(Vec<String>, usize, String)> {
        let id = |name: &str| NodeId::new(name).expect("a name");
        let answers = answers.iter().map(|(name, permits)| (id(name), permits.to_vec())).collect();
        let cases = ["a", "b"]
            .map(|name| EvaluateCase { capability_id: name.to_owned(), context: BTreeMap::new() });
        let found = disagreement(ContentDigest(Digest::of(b"c")), &answers, &cases)?;
        let nodes = found.nodes.iter().map(ToString::to_string).collect();
        Some((nodes, found.requests, found.example))
    }

    #[test]
    fn who_answers_otherwise_than_most_is_named_and_all_are_where_there_is_no_most() {
        let (yes, no): (&[_], &[_]) = (&[Some(2), Some(2)], &[Some(2), Some(0)]);
        assert_eq!(check(&[("gw-1", yes), ("gw-2", yes)]), None);
        assert_eq!(check(&[("gw-1", yes)]), None);
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let odd = Some((names(&["gw-2"]), 1, "b".to_owned()));
        assert_eq!(check(&[("gw-1", yes), ("gw-2", no), ("gw-3", yes)]), odd);
        let both = Some((names(&["gw-1", "gw-2"]), 1, "b".to_owned()));
        assert_eq!(check(&[("gw-1", yes), ("gw-2", no)]), both);
    }
}
