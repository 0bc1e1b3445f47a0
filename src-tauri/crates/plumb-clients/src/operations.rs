//! What a node can be asked to do or to show, beyond the sweep. Mutations are sent once, never retried.

mod curl;
mod outcome;
mod raw;
mod request;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use plumb_fleet::{
    Content, FailureKind, Node, NodeApi, NodeFailure, PlanHash, RunId, Version, content_digest,
};
use plumb_wire::v1;

pub use curl::{curl, curl_reads};
pub use outcome::Outcome;
pub(crate) use outcome::read as read_outcome;
pub use raw::{RawAnswer, raw};
pub use request::Operation;

use crate::{
    error::{failure, from_status, malformed},
    escape::escape,
    http::{Answer, Call, HttpPool, Lane, Now, SendError, Session, json},
    limits::{ANSWER_BYTES_MAX, DOCUMENT_BYTES_MAX, LOG_LINES_MAX, POLICIES_BYTES_MAX},
    node::said,
    nodes::{agent, opa, reload},
};

/// How one operation is attempted.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    pub deadline: Duration,
    /// Sent to agents, which then carry the operation out once; `reload` nodes know no such header.
    pub idempotency_key: Option<&'a str>,
    /// The plan it is a step of. Agents refuse another run of a plan that ran there.
    pub step: Option<PlanStep>,
}

/// Which plan a request is a step of, and the run that carries it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanStep {
    pub plan: PlanHash,
    pub run: RunId,
}

/// Carries out one mutation (or `verify`, which only reads) and says what is known of its effect.
pub async fn perform(
    pool: &HttpPool,
    node: &Node,
    operation: &Operation,
    attempt: &Attempt<'_>,
    now: &Now,
) -> Outcome {
    let Some(request) = operation.request(node.api) else {
        let message = format!("a {} node cannot {}", node.api.name(), operation.name());
        return Outcome::NotSent { failure: failure(FailureKind::Policy, message) };
    };
    let opened = Session::open(pool, node, Lane::Fresh, attempt.deadline, now).await;
    let session = match opened {
        Ok(session) => session,
        Err(failure) => return Outcome::NotSent { failure },
    };
    let call = Call {
        method: request.method,
        path: request.path,
        body: request.body,
        idempotency_key: attempt.idempotency_key.filter(|_| node.api == NodeApi::Agent),
        step: attempt.step.filter(|_| node.api == NodeApi::Agent),
        bytes_max: ANSWER_BYTES_MAX,
        shows_token: true,
    };
    let outcome = match session.send(&call).await {
        Ok(answer) => read_outcome(node.api, operation, request.path, &answer),
        Err(SendError::NotSent(failure)) => Outcome::NotSent { failure },
        Err(SendError::InDoubt(failure)) => Outcome::InDoubt { message: failure.message },
    };
    tracing::info!(
        node = %node.id, operation = operation.name(), outcome = outcome.name(),
        "operation answered"
    );
    outcome
}

/// The policies in force with their texts, and the digest that identifies them.
pub async fn policies(
    pool: &HttpPool,
    node: &Node,
    deadline: Duration,
    now: &Now,
) -> Result<Content, NodeFailure> {
    let session = Session::open(pool, node, Lane::Warm, deadline, now).await?;
    let (policies, ordering) = match node.api {
        NodeApi::Reload => {
            let (rules, policies) = tokio::join!(
                session.get(reload::RULES, POLICIES_BYTES_MAX),
                reload::bundle_policies(&session),
            );
            (reload::read_in_force(&rules?.body, &policies?)?.0, plumb_fleet::Ordering::ByPosition)
        }
        NodeApi::Agent => {
            let answer = session.get(v1::path::POLICIES, POLICIES_BYTES_MAX).await?;
            agent::read_policies(&answer.body)?
        }
        NodeApi::Opa => {
            let bundle = opa::bundle_of(&session).await?;
            let answer = session.get(opa::POLICIES, POLICIES_BYTES_MAX).await?;
            (opa::read_modules(&answer.body, bundle.as_deref())?, plumb_fleet::Ordering::Unordered)
        }
    };
    let digest = content_digest(policies.iter().map(|p| (p.id.as_str(), p.digest)), ordering);
    Ok(Content { digest, ordering, policies })
}

/// The node's settings as dotted keys.
pub async fn config(
    pool: &HttpPool,
    node: &Node,
    deadline: Duration,
    now: &Now,
) -> Result<BTreeMap<String, String>, NodeFailure> {
    let session = Session::open(pool, node, Lane::Warm, deadline, now).await?;
    match node.api {
        NodeApi::Reload => Err(cannot(node, "show its configuration")),
        NodeApi::Agent => {
            let answer = session.get(v1::path::CONFIG, DOCUMENT_BYTES_MAX).await?;
            let config: v1::Config = json(v1::path::CONFIG, &answer.body)?;
            let line = |s: v1::ConfigSetting| (said(&s.key), agent::setting_text(&s.value));
            Ok(config.settings.into_iter().map(line).collect())
        }
        NodeApi::Opa => opa::config(&session).await,
    }
}

/// A signed document that agents keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    Roster,
    RefusedList,
}

/// Hands a signed document to an agent, which judges it by itself. The failure says why it was not taken.
pub async fn put_signed(
    pool: &HttpPool,
    node: &Node,
    what: Signed,
    envelope: &[u8],
    deadline: Duration,
    now: &Now,
) -> Result<(), NodeFailure> {
    if node.api != NodeApi::Agent {
        return Err(cannot(node, "keep signed documents"));
    }
    let path = match what {
        Signed::Roster => v1::path::ROSTER,
        Signed::RefusedList => v1::path::REFUSED,
    };
    let session = Session::open(pool, node, Lane::Warm, deadline, now).await?;
    let call = Call { method: reqwest::Method::PUT, path, ..Call::posting(envelope.to_vec()) };
    let answer = session.send(&call).await.map_err(SendError::into_failure)?;
    if answer.status.is_success() {
        return Ok(());
    }
    Err(from_status(path, answer.status, &answer.body))
}

/// Hands a plan with its approvals to an agent that takes no change without. The failure says why not.
pub async fn submit_plan(
    pool: &HttpPool,
    node: &Node,
    submission: &v1::PlanSubmission,
    deadline: Duration,
    now: &Now,
) -> Result<(), NodeFailure> {
    if node.api != NodeApi::Agent {
        return Err(cannot(node, "verify approvals"));
    }
    let session = Session::open(pool, node, Lane::Fresh, deadline, now).await?;
    post(&session, v1::path::PLANS, submission).await.map(drop)
}

/// Asks an agent for its deployment lock, or for a longer lease, or gives it back.
pub async fn ask_lock(
    pool: &HttpPool,
    node: &Node,
    request: &v1::LockRequest,
    deadline: Duration,
    now: &Now,
) -> Result<v1::LockAnswer, NodeFailure> {
    if node.api != NodeApi::Agent {
        return Err(cannot(node, "be locked"));
    }
    let session = Session::open(pool, node, Lane::Fresh, deadline, now).await?;
    let answer = post(&session, v1::path::LOCK, request).await?;
    let mut answer: v1::LockAnswer = json(v1::path::LOCK, &answer.body)?;
    answer.held = answer.held.map(|held| v1::LockHeld { owner: said(&held.owner), ..held });
    Ok(answer)
}

/// Who holds the deployment lock of an agent.
pub async fn lock(
    pool: &HttpPool,
    node: &Node,
    deadline: Duration,
    now: &Now,
) -> Result<Option<v1::LockHeld>, NodeFailure> {
    if node.api != NodeApi::Agent {
        return Err(cannot(node, "be locked"));
    }
    let session = Session::open(pool, node, Lane::Warm, deadline, now).await?;
    let answer = session.get(v1::path::LOCK, DOCUMENT_BYTES_MAX).await?;
    let state: v1::LockState = json(v1::path::LOCK, &answer.body)?;
    Ok(state.held.map(|held| v1::LockHeld { owner: said(&held.owner), ..held }))
}

/// What an agent has stored and what stands below its roots, escaped.
pub async fn bundles(
    pool: &HttpPool,
    node: &Node,
    deadline: Duration,
    now: &Now,
) -> Result<v1::BundlesFound, NodeFailure> {
    if node.api != NodeApi::Agent {
        return Err(cannot(node, "list its bundles"));
    }
    let session = Session::open(pool, node, Lane::Warm, deadline, now).await?;
    let answer = session.get(v1::path::BUNDLES, POLICIES_BYTES_MAX).await?;
    let mut found: v1::BundlesFound = json(v1::path::BUNDLES, &answer.body)?;
    for bundle in &mut found.bundles {
        bundle.path = said(&bundle.path);
        for text in
            [&mut bundle.reason, &mut bundle.bundle_id, &mut bundle.version, &mut bundle.key]
        {
            *text = text.as_deref().map(said);
        }
    }
    Ok(found)
}

/// Lines of an agent's log, newest last, escaped.
pub async fn logs(
    pool: &HttpPool,
    node: &Node,
    query: &v1::LogsQuery,
    deadline: Duration,
    now: &Now,
) -> Result<v1::Logs, NodeFailure> {
    if node.api != NodeApi::Agent {
        return Err(cannot(node, "show logs"));
    }
    let session = Session::open(pool, node, Lane::Warm, deadline, now).await?;
    let path = request::logs_path(query);
    let answer = session.get(&path, DOCUMENT_BYTES_MAX).await?;
    let mut logs: v1::Logs = json(v1::path::LOGS, &answer.body)?;
    logs.lines.truncate(LOG_LINES_MAX);
    for line in &mut logs.lines {
        line.message = escape(&line.message, 4_000);
    }
    Ok(logs)
}

/// Requests that an agent sampled as they were asked, masked as it masks them.
pub async fn recorded_requests(
    pool: &HttpPool,
    node: &Node,
    deadline: Duration,
    now: &Now,
) -> Result<v1::RecordedRequests, NodeFailure> {
    if node.api != NodeApi::Agent {
        return Err(cannot(node, "show what it was asked"));
    }
    let session = Session::open(pool, node, Lane::Warm, deadline, now).await?;
    let answer = session.get(v1::path::REQUESTS, POLICIES_BYTES_MAX).await?;
    let mut recorded: v1::RecordedRequests = json(v1::path::REQUESTS, &answer.body)?;
    recorded.requests.truncate(v1::RECORDED_REQUESTS_MAX);
    Ok(recorded)
}

/// What a node decides on test requests, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decisions {
    pub version: Option<Version>,
    pub at: Timestamp,
    pub decisions: Vec<v1::Evaluation>,
}

/// Asks the node to decide test requests with the policies in force.
pub async fn evaluate(
    pool: &HttpPool,
    node: &Node,
    requests: &[v1::EvaluateCase],
    deadline: Duration,
    now: &Now,
) -> Result<Decisions, NodeFailure> {
    if node.api == NodeApi::Opa {
        return Err(cannot(node, "decide without a decision-log event"));
    }
    let session = Session::open(pool, node, Lane::Warm, deadline, now).await?;
    if node.api == NodeApi::Agent {
        let body = v1::EvaluateRequest { requests: requests.to_vec() };
        let answer = post(&session, v1::path::EVALUATE, &body).await?;
        let evaluated: v1::Evaluated = json(v1::path::EVALUATE, &answer.body)?;
        if evaluated.results.len() != requests.len() {
            return Err(malformed(v1::path::EVALUATE, "not one decision per request"));
        }
        return Ok(Decisions {
            version: Version::new(evaluated.policy_version).ok(),
            at: answer.at,
            decisions: evaluated.results.into_iter().map(escaped).collect(),
        });
    }
    let mut decided = Decisions { version: None, at: now(), decisions: Vec::new() };
    for case in requests {
        let body =
            reload::wire::Evaluate { capability_id: &case.capability_id, context: &case.context };
        let answer = post(&session, EVALUATE, &body).await?;
        let evaluated: reload::wire::Evaluated = json(EVALUATE, &answer.body)?;
        decided.version = evaluated.policy_version.and_then(|label| Version::new(label.0).ok());
        decided.at = answer.at;
        decided.decisions.push(escaped(v1::Evaluation {
            capability_id: case.capability_id.clone(),
            decision: evaluated.decision,
            policy: None,
        }));
    }
    Ok(decided)
}

const EVALUATE: &str = "/evaluate";

async fn post(
    session: &Session<'_>,
    path: &str,
    body: &impl serde::Serialize,
) -> Result<Answer, NodeFailure> {
    let body = serde_json::to_vec(body).expect("a request always serialises");
    let call = Call { path, ..Call::posting(body) };
    let answer = session.send(&call).await.map_err(SendError::into_failure)?;
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(from_status(path, answer.status, &answer.body))
    }
}

fn escaped(mut evaluation: v1::Evaluation) -> v1::Evaluation {
    let decision = &mut evaluation.decision;
    decision.reason = said(&decision.reason);
    for text in
        [&mut decision.suggested_alternative, &mut decision.risk_level, &mut evaluation.policy]
    {
        *text = text.as_deref().map(said);
    }
    evaluation
}

fn cannot(node: &Node, what: &str) -> NodeFailure {
    failure(FailureKind::Policy, format!("a {} node cannot {what}", node.api.name()))
}
