//! What another version would answer differently: both are asked the same requests.

mod compare;
mod expected;
mod policy;
mod recorded;
pub mod requests;
mod semantics;

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
pub use plumb_decide::Reading;
use plumb_decide::{Case, Entrypoint, FlipReport, case::merged};
use plumb_fleet::{Capability, ContentDigest, NodeApi, Version, capabilities};
use plumb_runbook::ReadAs;
use plumb_worker::{PoolOptions, ProcessLimits, Program, WorkerPool};
use tokio_util::sync::CancellationToken;

use crate::{
    actions::decisions,
    app::App,
    error::{AppError, Code, chain},
    views::impact::{CoverageView, FlipView, ImpactSide, ImpactView, NotEvaluatedView, Requests},
};
use compare::compare;
pub(crate) use expected::{Expected, expected};
use policy::Policy;
pub use recorded::RequestSource;
pub use requests::RecordedRequest;
use semantics::Remote;
pub(crate) use semantics::asked_of_nodes;

/// Requests that a node is asked in one comparison: a node of the field answers one in about a millisecond.
const ASKED_OF_A_NODE_MAX: usize = 2_000;
/// Seed of generated requests unless another is asked for: the same comparison gives the same report.
pub const SEED: u64 = 1;

/// A bundle, and what people call it.
#[derive(Debug, Clone)]
pub struct NamedBundle {
    pub label: String,
    pub bytes: Vec<u8>,
}

/// One side of a comparison.
#[derive(Debug, Clone)]
pub enum Side {
    Bundle(NamedBundle),
    /// A node as it runs.
    Node(AskedNode),
}

/// A node that is asked itself; [`App::asked_node`] makes one.
#[derive(Debug, Clone)]
pub struct AskedNode {
    label: String,
    reading: Reading,
    remote: Remote,
    /// What it was last seen to run, and the bundle of that, where it is at hand.
    content: Option<ContentDigest>,
    runs: Option<NamedBundle>,
}

impl AskedNode {
    /// How the node itself reads conditions of first-match rules.
    pub const fn reading(&self) -> Reading {
        self.reading
    }
}

impl Side {
    fn label(&self) -> &str {
        match self {
            Self::Bundle(bundle) => &bundle.label,
            Self::Node(asked) => &asked.label,
        }
    }
}

/// What to compare.
#[derive(Debug, Clone)]
pub struct ImpactRequest {
    pub from: Side,
    pub to: Side,
    /// Requests beside the generated ones.
    pub requests: Vec<RecordedRequest>,
    /// The rule that is asked of Rego; found where only one of the policies' rules can be meant.
    pub entrypoint: Option<String>,
    /// How conditions of first-match rules are read.
    pub reading: Reading,
    pub seed: u64,
}

/// Two contents by their digests, and how they are read; nothing where that is left to the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    pub from: String,
    pub to: String,
    pub reading: Option<Reading>,
}

/// The processes that evaluate policies of others during one comparison, started with the first that
/// needs them: lists of rules are read here.
#[derive(Debug)]
pub struct Evaluators {
    /// Nothing where this program starts none: then Rego is not compared.
    program: Option<Program>,
    pool: OnceLock<WorkerPool>,
}

impl Evaluators {
    /// This program starts itself again; its main function has to have asked
    /// [`crate::run_evaluation_process_if_asked`].
    pub fn of_this_program() -> Result<Self, AppError> {
        let program = Program::current().map_err(|error| {
            AppError::new(Code::Other, chain(&error), "start the program again by its full path")
        })?;
        Ok(Self::of(program))
    }

    /// Processes of another program that does the same.
    pub const fn of(program: Program) -> Self {
        Self { program: Some(program), pool: OnceLock::new() }
    }

    /// None: only rules that are read here are compared.
    pub const fn none() -> Self {
        Self { program: None, pool: OnceLock::new() }
    }

    fn pool(&self) -> Option<&WorkerPool> {
        let program = self.program.as_ref()?;
        Some(self.pool.get_or_init(|| {
            // One for each version: both are asked at the same time.
            let limits = ProcessLimits::default();
            let options = PoolOptions { program: program.clone(), limits, size: 2 };
            WorkerPool::start(options, CancellationToken::new())
        }))
    }

    /// Ends them.
    pub async fn close(self) {
        if let Some(pool) = self.pool.into_inner() {
            pool.close().await;
        }
    }
}

/// Both sides of a comparison, read, and what they are asked.
struct Sides {
    from: Policy,
    to: Policy,
    entrypoint: Entrypoint,
    cases: Vec<Case>,
}

impl Sides {
    async fn read(evaluators: &Evaluators, request: &ImpactRequest) -> Result<Self, AppError> {
        let from = Policy::of(evaluators, &request.from, request.reading).await?;
        let to = Policy::of(evaluators, &request.to, request.reading).await?;
        // Before a rule is looked for: two kinds of bundles have none in common.
        let mut cases = Policy::generate(&from, &to, request.seed)?;
        let entrypoint = policy::entrypoint(&from, &to, request.entrypoint.as_deref())?;
        let by_time = from.asks_time() || to.asks_time();
        cases.extend(request.requests.iter().map(|request| request.case(by_time)));
        let mut sides = Self { from, to, entrypoint, cases: merged(cases) };
        if let Some(now) = sides.from.answers_at().or(sides.to.answers_at()) {
            sides.ask_now(now).await;
        }
        Ok(sides)
    }

    /// A node answers by its own clock: everything is asked as of now, and what is answered otherwise a few
    /// minutes earlier or later is left out. Of too many requests those that somebody asked are kept.
    async fn ask_now(&mut self, now: Timestamp) {
        let cases = std::mem::take(&mut self.cases);
        let mut cases = merged(cases.into_iter().map(|case| Case { now, ..case }).collect());
        cases.sort_by_key(|case| case.origin);
        cases.truncate(ASKED_OF_A_NODE_MAX);
        let cases = merged(cases);
        let before = self.from.steady(&self.entrypoint, &cases, now).await;
        let after = self.to.steady(&self.entrypoint, &cases, now).await;
        let steady = before.into_iter().zip(after).map(|(before, after)| before && after);
        let kept =
            cases.into_iter().zip(steady).filter_map(|(case, steady)| steady.then_some(case));
        self.cases = kept.collect();
    }
}

/// Compares two bundles. `told` is given what is known so far, again and again, the first time after
/// a small part of the requests; examples are made smaller at the end.
pub async fn impact(
    evaluators: &Evaluators,
    request: &ImpactRequest,
    told: impl FnMut(&ImpactView),
) -> Result<ImpactView, AppError> {
    Ok(compared(evaluators, request, told).await?.0)
}

/// The same, with the report that the view is made of.
pub(crate) async fn compared(
    evaluators: &Evaluators,
    request: &ImpactRequest,
    mut told: impl FnMut(&ImpactView),
) -> Result<(ImpactView, FlipReport), AppError> {
    let Sides { from, to, entrypoint, cases } = Sides::read(evaluators, request).await?;
    let (before, after) = (from.semantics(&entrypoint), to.semantics(&entrypoint));
    let view = |asked: usize, report: &FlipReport| ImpactView {
        from: side(&request.from, &from),
        to: side(&request.to, &to),
        entrypoint: (from.is_rego() || to.is_rego()).then(|| entrypoint.to_string()),
        requests: Requests::of(&cases, &request.requests),
        asked: u32::try_from(asked).unwrap_or(u32::MAX),
        seed: request.seed,
        flips: FlipView::all(report),
        not_evaluated: NotEvaluatedView::all(report),
        digest: None,
    };
    let compared =
        compare(&*before, &*after, &cases, |asked, so_far| told(&view(asked, so_far))).await;
    let mut view = view(cases.len(), &compared.report);
    view.digest = Some(compared.report.digest().to_string());
    let covered = |policy: &Policy, side: usize| {
        policy.cover(&cases, &compared.held[side]).map(CoverageView::of)
    };
    view.from.coverage = covered(&from, 0);
    view.to.coverage = covered(&to, 1);
    Ok((view, compared.report))
}

fn side(side: &Side, policy: &Policy) -> ImpactSide {
    ImpactSide {
        label: side.label().to_owned(),
        content: policy.content().map(|content| content.to_string()).unwrap_or_default(),
        format: policy.format().to_owned(),
        coverage: None,
    }
}

/// The bundle in a file, called as people call it.
pub(crate) async fn read_bundle(label: &str, path: &str) -> Result<NamedBundle, AppError> {
    let bytes = tokio::fs::read(path).await.map_err(|error| {
        let message = format!("{path} could not be read: {error}");
        AppError::new(Code::Other, message, "look at the file")
    })?;
    Ok(NamedBundle { label: label.to_owned(), bytes })
}

impl App {
    /// The signed bundle of a version that the fleet knows and this machine has.
    pub async fn bundle_of_version(
        &self,
        fleet: &str,
        version: &str,
    ) -> Result<NamedBundle, AppError> {
        let current = self.current(fleet).await?;
        let named = Version::new(version)
            .map_err(|error| AppError::new(Code::Invalid, chain(&error), "name a version"))?;
        let catalogue = &current.desired.catalogue;
        let at_hand = || catalogue.of_version(&named).filter(|entry| entry.local_path.is_some());
        let contents: BTreeSet<_> = at_hand().map(|entry| entry.content).collect();
        // Where a version names several contents, the desired one is meant, if it is one of them.
        let desired = current.desired.fleet.as_ref().filter(|desired| desired.version == named);
        let desired = desired.and_then(|desired| desired.content);
        if contents.len() > 1 && !desired.is_some_and(|desired| contents.contains(&desired)) {
            let all: Vec<String> = contents.iter().map(|content| content.short()).collect();
            let message = format!("version {version} names {} contents", contents.len());
            let hint = format!("name the file of one of them: {}", all.join(", "));
            return Err(AppError::new(Code::Invalid, message, hint));
        }
        let entry = at_hand().find(|entry| contents.len() == 1 || Some(entry.content) == desired);
        let Some(path) = entry.and_then(|entry| entry.local_path.clone()) else {
            let known: Vec<&str> =
                catalogue.entries.iter().map(|entry| entry.version.as_str()).collect();
            let hint = format!("name a file, or one of: {}", known.join(", "));
            let message = format!("no signed bundle of version {version} is at hand");
            return Err(AppError::new(Code::NotFound, message, hint));
        };
        read_bundle(version, &path).await
    }

    /// A node of a fleet, to be asked itself, as it was last seen.
    pub async fn asked_node(&self, fleet: &str, id: &str) -> Result<AskedNode, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let node = Arc::clone(loaded.node(id)?);
        if let Some(reason) = capabilities(node.api).cannot.get(&Capability::Evaluate) {
            let message = format!("{id} cannot be asked: {reason}");
            return Err(AppError::new(
                Code::Invalid,
                message,
                "compare the bundles of both versions",
            ));
        }
        let current = self.current(fleet).await?;
        let seen = current.snapshot.nodes.get(&node.id).and_then(|seen| seen.report.as_ref());
        let content = seen.and_then(|report| report.content.as_ref()).map(|content| content.value);
        let runs = match content {
            Some(content) => decisions::bundle(&current.desired.catalogue, content).await.ok(),
            None => None,
        };
        let (pool, now) = (loaded.pool.clone(), self.wall());
        let reading = decisions::reading(ReadAs::by(node.api));
        let remote = Remote { pool, node, now };
        Ok(AskedNode { label: format!("node {id}"), reading, remote, content, runs })
    }

    /// How the fleet's own nodes read conditions: as the field's program does where one of them is of
    /// that kind.
    pub fn reading_of(&self, fleet: &str) -> Result<Reading, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let field = loaded.fleet.nodes.values().any(|node| node.api == NodeApi::Reload);
        Ok(if field { Reading::Field } else { Reading::Documented })
    }
}
