//! The same test requests asked of many nodes, and their answers compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use plumb_clients::{
    HttpPool, Now,
    operations::{Decisions, evaluate},
};
use plumb_fleet::{Capability, ContentDigest, Node, NodeFailure, NodeId, capabilities};
use plumb_wire::v1::EvaluateCase;

use crate::{
    app::App,
    error::{AppError, Code},
    views::{
        convert::ms,
        evaluate::{
            AnswerGroup, AskOutcome, AskedNode, ComparedRequest, EvaluationView, TestRequest,
        },
    },
};

/// Requests in one comparison: a node of the field answers one at a time, in about a millisecond.
pub const REQUESTS_MAX: usize = 200;
/// Nodes asked at the same time.
pub(crate) const NODES_AT_ONCE: usize = 32;
/// How long one node may take for all requests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// A capability for which nobody writes a policy: what nodes say where none matches.
const UNMATCHED: &str = "plumbline.test.unmatched";

type Answered = (NodeId, Result<Decisions, NodeFailure>);

impl App {
    /// Asks the named nodes, or all, to decide requests, and compares what they say. Without
    /// requests of the caller there is one for each policy that any node or signed bundle has.
    pub async fn evaluate_test(
        &self,
        fleet: &str,
        nodes: Option<&[String]>,
        given: &[TestRequest],
    ) -> Result<EvaluationView, AppError> {
        let ids = self.chosen(fleet, nodes)?;
        let (_, loaded) = self.loaded(fleet)?;
        let built_in = self.built_in_requests(fleet).await?;
        let requests: Vec<TestRequest> = given.iter().cloned().chain(built_in.clone()).collect();
        if requests.len() > REQUESTS_MAX {
            let message = format!("{} requests, more than {REQUESTS_MAX}", requests.len());
            return Err(AppError::new(Code::Invalid, message, "give fewer requests"));
        }
        let cases: Vec<EvaluateCase> = requests
            .iter()
            .map(|request| EvaluateCase {
                capability_id: request.capability_id.clone(),
                context: request.context.clone(),
            })
            .collect();
        let mut asked = Vec::new();
        let mut to_ask = Vec::new();
        for id in &ids {
            let node = &loaded.fleet.nodes[id];
            match capabilities(node.api).cannot.get(&Capability::Evaluate) {
                Some(reason) => {
                    asked.push(asked_node(&loaded, id, AskOutcome::CannotDo, reason.clone()));
                }
                None => to_ask.push(node),
            }
        }
        let now = self.wall();
        // Made before they are polled, for the reason given in `plumb-exec`.
        let asking: Vec<_> =
            to_ask.into_iter().map(|node| ask(&loaded.pool, node, &cases, &now)).collect();
        let answers: Vec<Answered> =
            stream::iter(asking).buffer_unordered(NODES_AT_ONCE).collect().await;
        asked.extend(answers.iter().map(|(id, answer)| match answer {
            Ok(decisions) => {
                let version = decisions.version.as_ref().map_or("no version", |v| v.as_str());
                asked_node(&loaded, id, AskOutcome::Answered, version.to_owned())
            }
            Err(failure) => asked_node(&loaded, id, AskOutcome::Failed, failure.message.clone()),
        }));
        asked.sort_by(|a, b| a.node.cmp(&b.node));
        let compared = compare(requests, &answers);
        let answered = answers.iter().any(|(_, answer)| answer.is_ok());
        Ok(EvaluationView {
            fleet: fleet.to_owned(),
            now_ms: ms(self.now()),
            agreed: answered && compared.iter().all(|request| request.agreed),
            built_in: u32::try_from(built_in.len()).unwrap_or(u32::MAX),
            nodes: asked,
            requests: compared,
        })
    }

    /// One request for each policy of any content known for the fleet, with the classification its
    /// conditions name, and one that no policy is for.
    pub(crate) async fn built_in_requests(
        &self,
        fleet: &str,
    ) -> Result<Vec<TestRequest>, AppError> {
        let current = self.current(fleet).await?;
        let assessment = current.assess(self.now());
        let contents: BTreeSet<ContentDigest> = assessment
            .groups
            .iter()
            .filter_map(|group| group.content)
            .chain(current.desired.catalogue.entries.iter().map(|entry| entry.content))
            .collect();
        let mut requests: BTreeMap<String, TestRequest> = BTreeMap::new();
        for digest in contents {
            let Some(content) = self.content(digest).await? else { continue };
            if content.ordering != plumb_fleet::Ordering::ByPosition {
                continue;
            }
            for policy in content.policies {
                if requests.len() + 1 < REQUESTS_MAX / 2 {
                    let request = request_for(&policy.id, &policy.text);
                    requests.entry(policy.id).or_insert(request);
                }
            }
        }
        let unmatched =
            TestRequest { capability_id: UNMATCHED.to_owned(), context: BTreeMap::new() };
        Ok(requests.into_values().chain([unmatched]).collect())
    }
}

async fn ask(pool: &HttpPool, node: &Node, cases: &[EvaluateCase], now: &Now) -> Answered {
    (node.id.clone(), evaluate(pool, node, cases, DEADLINE, now).await)
}

fn request_for(id: &str, text: &str) -> TestRequest {
    let classification = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|policy| policy.pointer("/conditions/data_classification").cloned())
        .and_then(|value| match value {
            serde_json::Value::Array(values) => values.into_iter().next(),
            other => Some(other),
        });
    let context = classification
        .map(|class| {
            let safety = serde_json::json!({ "data_classification": class });
            BTreeMap::from([("safety_context".to_owned(), safety)])
        })
        .unwrap_or_default();
    TestRequest { capability_id: id.to_owned(), context }
}

fn asked_node(
    loaded: &crate::app::Loaded,
    id: &NodeId,
    outcome: AskOutcome,
    detail: String,
) -> AskedNode {
    let api = loaded.fleet.nodes[id].api.name().to_owned();
    AskedNode { node: id.to_string(), api, outcome, detail }
}

/// Groups answers by their effect; two dialects may word one reason differently.
fn compare(requests: Vec<TestRequest>, answers: &[Answered]) -> Vec<ComparedRequest> {
    requests
        .into_iter()
        .enumerate()
        .map(|(index, request)| {
            let mut groups: BTreeMap<(bool, bool), AnswerGroup> = BTreeMap::new();
            for (id, answer) in answers {
                let Some(evaluation) =
                    answer.as_ref().ok().and_then(|answer| answer.decisions.get(index))
                else {
                    continue;
                };
                let decision = &evaluation.decision;
                groups
                    .entry((decision.allowed, decision.require_confirmation))
                    .or_insert_with(|| AnswerGroup {
                        allowed: decision.allowed,
                        require_confirmation: decision.require_confirmation,
                        reason: decision.reason.clone(),
                        nodes: Vec::new(),
                    })
                    .nodes
                    .push(id.to_string());
            }
            let mut answers: Vec<AnswerGroup> = groups.into_values().collect();
            for group in &mut answers {
                group.nodes.sort();
            }
            answers.sort_by_key(|group| std::cmp::Reverse(group.nodes.len()));
            ComparedRequest {
                capability_id: request.capability_id,
                context: request.context,
                agreed: answers.len() <= 1,
                answers,
            }
        })
        .collect()
}
