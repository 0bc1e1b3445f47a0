//! From a request to a plan a person can judge: select, plan, ask the nodes, examine.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use plumb_clients::{
    Attempt, HttpPool, Now, Operation, Outcome, hub::HubError, operations::curl, perform,
};
use plumb_fleet::{
    Assessment, BundleDigest, Capability, DriftState, Fleet, FleetId, Node, NodeApi, NodeId,
    Version, capabilities, filter::Filter,
};
use plumb_journal::{NodePhase, fold};
use plumb_runbook::{
    Action, Effect, Finding, NodePlan, PinChange, Plan, Probe, ReadAs, Rung, Severity, blast_lines,
    findings_around, plan, roll_out, rung,
};

use crate::{
    actions::{
        configure::{setting, wire_value},
        plan_line::plan_line,
        rollout::{asks_decisions, asks_prometheus, policy},
    },
    app::{App, Loaded},
    current::Current,
    error::{AppError, Code},
    ids::run_id,
    ports::hub::FleetHub,
    queries::{fleet::subject, rollouts::of_plan},
    views::{
        impact::ReadingView,
        plan::{
            ActionKind, ActionRequest, BlastRadius, ConfirmationView, FindingView, LeftOut,
            NodeSelection, PlanTarget, PlanView, SeverityView,
        },
    },
};

/// Nodes asked at the same time whether they accept a bundle.
const PROBES_AT_ONCE: usize = 32;
/// Curl lines shown in a preview; the rest is counted.
const CURL_LINES_MAX: usize = 24;
/// Node names a command line spells out; above it the line says `--all-nodes` only where that is true.
const CLI_NODES_MAX: usize = 200;

/// A plan that was shown, with what was found about it.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub request: ActionRequest,
    pub plan: Plan,
    pub findings: Vec<Finding>,
    pub probes: BTreeMap<NodeId, Probe>,
    /// Whether nodes of a rollout accept what they would go back to, where they load a file.
    pub back: BTreeMap<NodeId, Probe>,
}

impl App {
    /// Plans an action against the newest snapshot, asks nodes whether they accept what they are to
    /// load, and keeps the plan so that it can be started by its hash.
    pub async fn prepare_plan(
        &self,
        fleet: &str,
        request: &ActionRequest,
    ) -> Result<PlanView, AppError> {
        let (prepared, current) = self.prepare(fleet, request).await?;
        let view = plan_view(&prepared, &current, &current.assess(self.now()));
        self.keep_prepared(prepared).await?;
        Ok(view)
    }

    pub(crate) async fn prepare(
        &self,
        fleet: &str,
        request: &ActionRequest,
    ) -> Result<(Prepared, Current), AppError> {
        let (state, loaded) = self.loaded(fleet)?;
        self.bundles_known(&state).await?;
        let current = self.current(fleet).await?;
        let plan = self.plan_now(&current, request).await?;
        let to_load = plan.targets().map(|target| (target, target.effects.as_slice()));
        let to_go_back = plan.targets().map(|target| (target, target.back.as_slice()));
        let (probes, back) =
            tokio::join!(self.probe(&loaded, to_load), self.probe(&loaded, to_go_back),);
        let around = Box::pin(self.circumstances(&plan, &back)).await?;
        let assessment = current.assess(self.now());
        let input = current.plan_input(&assessment);
        let findings = findings_around(&plan, &probes, &around, input, self.now());
        Ok((Prepared { request: request.clone(), plan, findings, probes, back }, current))
    }

    /// The plan of a request against what is stored now; the same bytes as long as nothing changed.
    pub(crate) async fn plan_now(
        &self,
        current: &Current,
        request: &ActionRequest,
    ) -> Result<Plan, AppError> {
        let assessment = current.assess(self.now());
        let action = self.action(current, request).await?;
        let selected = match &action {
            Action::Undo { nodes, .. } => Some(nodes.keys().cloned().collect()),
            _ => select(current, &assessment, &request.nodes)?,
        };
        let earlier = match action {
            Action::Rollback { to: None } => {
                Some(self.with_earlier(current, selected.as_ref()).await?)
            }
            _ => None,
        };
        let known = earlier.as_ref().unwrap_or(current);
        let mut policy = request.rollout.as_ref().map(policy).transpose()?;
        if let Some(policy) = &mut policy
            && !action.is_way_back()
        {
            policy.freeze = self.freeze_windows(&current.fleet.name).await?;
        }
        if policy.as_ref().is_some_and(asks_prometheus) && current.fleet.prometheus.is_none() {
            let message = "a gate asks a Prometheus, and the fleet file names none";
            let hint = "add [prometheus] with its url to the fleet file, or leave that check out";
            return Err(AppError::new(Code::Invalid, message, hint));
        }
        let input = known.plan_input(&assessment);
        let plan = plan(&action, selected.as_ref(), input).and_then(|plan| match &policy {
            Some(policy) => roll_out(plan, policy, input),
            None => Ok(plan),
        });
        let mut plan = plan.map_err(|error| {
            let hint = "change the selection, the version or the rollout, and plan again";
            AppError::new(Code::Invalid, error.to_string(), hint)
        })?;
        if policy.as_ref().is_some_and(asks_decisions) {
            all_can_decide(&plan, &current.fleet)?;
        }
        plan.consent = self.consent_terms(&plan.fleet).await?;
        self.numbered(plan).await
    }

    /// A plan that has not run yet: the first number of which the record holds no run.
    async fn numbered(&self, mut plan: Plan) -> Result<Plan, AppError> {
        let mut record = self.record().read().await?;
        while plumb_store::runs::had(&mut record, &plan.fleet, plan.hash()).await? {
            plan.repeat += 1;
        }
        Ok(plan)
    }

    /// Refuses a plan that has run: it runs once.
    pub(crate) async fn not_run_yet(&self, plan: &Plan) -> Result<(), AppError> {
        let mut record = self.record().read().await?;
        if plumb_store::runs::had(&mut record, &plan.fleet, plan.hash()).await? {
            let message = "this plan was started already, and a plan runs once";
            return Err(AppError::new(
                Code::Outdated,
                message,
                "plan again, and start the new plan",
            ));
        }
        Ok(())
    }

    async fn action(&self, current: &Current, request: &ActionRequest) -> Result<Action, AppError> {
        match request.kind {
            ActionKind::Undo => self.undo_action(&current.fleet.name, request).await,
            _ => action(request),
        }
    }

    /// What takes a run back: the way back of every node it sent something to, and its pins.
    async fn undo_action(
        &self,
        fleet: &FleetId,
        request: &ActionRequest,
    ) -> Result<Action, AppError> {
        let wrong = |message: String, hint: &str| AppError::new(Code::Invalid, message, hint);
        if request.nodes != NodeSelection::All {
            return Err(wrong(
                "an undo is for the nodes of its run".to_owned(),
                "select all nodes; the run says which",
            ));
        }
        let run = run_id(request.run.as_deref().unwrap_or_default())?;
        let (plan, entries) = self.run_record(run).await?;
        if plan.fleet != *fleet {
            let message = format!("run {run} is one of fleet {}", plan.fleet);
            return Err(wrong(message, "name that fleet"));
        }
        if self.owns_run(run) {
            let message = format!("run {run} is under way");
            return Err(AppError::new(Code::Busy, message, "wait for its end, or abort it"));
        }
        let state = fold(&entries);
        let touched = |target: &&NodePlan| {
            let phase = state.nodes.get(&target.node).map(|node| node.phase);
            !matches!(phase, None | Some(NodePhase::Waiting | NodePhase::Skipped))
        };
        let way_back = |target: &NodePlan| (target.node.clone(), target.undo.clone());
        Ok(Action::Undo {
            run,
            title: plan.action.title(),
            nodes: plan.targets().filter(touched).map(way_back).collect(),
            pins: plan.pins_before.clone().filter(|_| state.pins_may_differ()),
        })
    }

    /// Asks every reload node whether it accepts the bundle that these effects load, and the hub whether it has
    /// what it is to serve.
    pub(crate) async fn probe<'a>(
        &self,
        loaded: &Loaded,
        targets: impl Iterator<Item = (&'a NodePlan, &'a [Effect])>,
    ) -> BTreeMap<NodeId, Probe> {
        let now = self.wall();
        let fleet = &loaded.fleet;
        let deadline = Duration::from_secs(u64::from(fleet.deadline_s));
        let attempt = Attempt { deadline, idempotency_key: None, step: None };
        let mut served = Vec::new();
        // Made before they are polled, for the reason given in `plumb-exec`.
        let mut questions = Vec::new();
        for (target, effects) in targets {
            if let Some(digest) = served_digest(effects) {
                served.push((target.node.clone(), digest));
            } else if let (Some(node), Some(path)) =
                (fleet.nodes.get(&target.node), verify_path(effects))
            {
                questions.push(ask(&loaded.pool, node, path, attempt, now.clone()));
            }
        }
        let asked = stream::iter(questions).buffer_unordered(PROBES_AT_ONCE);
        let (mut probes, of_hub): (BTreeMap<NodeId, Probe>, _) =
            tokio::join!(asked.collect(), self.probe_hub(loaded, served));
        probes.extend(of_hub);
        probes
    }

    /// One question for all nodes: which bundles were published.
    async fn probe_hub(
        &self,
        loaded: &Loaded,
        served: Vec<(NodeId, BundleDigest)>,
    ) -> Vec<(NodeId, Probe)> {
        if served.is_empty() {
            return Vec::new();
        }
        let asked = async {
            match self.hub(loaded).await? {
                Some(hub) => hub.published().await.map(Some),
                None => Ok(None),
            }
        };
        let asked = asked.await;
        let said = |digest: BundleDigest| match &asked {
            Ok(known) => {
                let digest = digest.to_string();
                let mut versions =
                    known.iter().flat_map(|known| &known.packs).flat_map(|pack| &pack.versions);
                if versions.any(|version| version.digest == digest) {
                    Probe::Verified
                } else {
                    Probe::Missing
                }
            }
            Err(error @ HubError::Refused { .. }) => Probe::Refused { message: error.to_string() },
            Err(error) => Probe::NoAnswer { message: error.to_string() },
        };
        served.into_iter().map(|(node, digest)| (node, said(digest))).collect()
    }
}

/// Whether somebody is asked, before these effects, whether there is what they load.
pub(crate) fn is_probed(effects: &[Effect]) -> bool {
    verify_path(effects).is_some() || served_digest(effects).is_some()
}

fn served_digest(effects: &[Effect]) -> Option<BundleDigest> {
    effects.iter().find_map(|effect| match effect {
        Effect::Serve { digest, .. } => Some(*digest),
        _ => None,
    })
}

async fn ask(
    pool: &HttpPool,
    node: &Node,
    path: &str,
    attempt: Attempt<'_>,
    now: Now,
) -> (NodeId, Probe) {
    let verify = Operation::Verify { path: path.to_owned() };
    let outcome = perform(pool, node, &verify, &attempt, &now).await;
    (node.id.clone(), probe_of(outcome))
}

fn verify_path(effects: &[Effect]) -> Option<&str> {
    effects.iter().find_map(|effect| match effect {
        Effect::Verify { path } => Some(path.as_str()),
        _ => None,
    })
}

fn probe_of(outcome: Outcome) -> Probe {
    match outcome {
        Outcome::Accepted { .. } => Probe::Verified,
        Outcome::Missing { .. } => Probe::Missing,
        Outcome::Refused { message } => Probe::Refused { message },
        Outcome::InDoubt { message } => Probe::NoAnswer { message },
        Outcome::NotSent { failure } => Probe::NoAnswer { message: failure.message },
    }
}

/// The one request to a node that carries out an effect; nothing for what the hub is asked.
pub(crate) fn operation(effect: &Effect) -> Option<Operation> {
    Some(match effect {
        Effect::Serve { .. } => return None,
        Effect::Verify { path } => Operation::Verify { path: path.clone() },
        Effect::Reload { path } => Operation::Reload { path: Some(path.clone()) },
        Effect::Pin { version, content } => {
            Operation::Pin { version: version.clone(), content: Some(*content) }
        }
        Effect::Sync { force } => Operation::Sync { force: *force },
        Effect::Rollback { to } => Operation::Rollback { to: to.clone() },
        Effect::Unpin { .. } => Operation::Unpin,
        Effect::SetConfig { key, value, .. } => {
            Operation::ConfigSet { key: key.clone(), value: wire_value(value) }
        }
        Effect::Restart => Operation::Restart,
    })
}

/// The nodes of a selection; nothing stands for the whole fleet.
pub(crate) fn select(
    current: &Current,
    assessment: &Assessment,
    selection: &NodeSelection,
) -> Result<Option<BTreeSet<NodeId>>, AppError> {
    let state =
        |id: &NodeId| assessment.nodes.get(id).map_or(DriftState::Unknown, |verdict| verdict.state);
    Ok(match selection {
        NodeSelection::All => None,
        NodeSelection::Drifted => {
            Some(current.fleet.nodes.keys().filter(|id| state(id).is_drifted()).cloned().collect())
        }
        NodeSelection::Nodes { ids } => {
            let ids: Result<BTreeSet<NodeId>, _> = ids.iter().map(NodeId::new).collect();
            Some(ids.map_err(|error| {
                AppError::new(
                    Code::Invalid,
                    format!("a node name {error}"),
                    "name nodes as the fleet file does",
                )
            })?)
        }
        NodeSelection::Filter { filter } => {
            let filter = Filter::parse(filter).map_err(|error| {
                AppError::new(Code::Invalid, error.to_string(), "mend the filter line")
            })?;
            let nodes = current.fleet.nodes.keys();
            Some(
                nodes
                    .filter(|id| filter.matches(&subject(current, id, state(id))))
                    .cloned()
                    .collect(),
            )
        }
    })
}

fn action(request: &ActionRequest) -> Result<Action, AppError> {
    let version = || -> Result<Version, AppError> {
        let label = request.version.as_deref().unwrap_or_default();
        Version::new(label).map_err(|error| {
            AppError::new(Code::Invalid, format!("the version {error}"), "name a version")
        })
    };
    let content = || -> Result<Option<plumb_fleet::ContentDigest>, AppError> {
        let parse = |text: &String| text.parse();
        request.content.as_ref().map(parse).transpose().map_err(
            |error: plumb_fleet::ids::DigestError| {
                AppError::new(Code::Invalid, error.to_string(), "give the full content digest")
            },
        )
    };
    Ok(match request.kind {
        ActionKind::Sync => Action::Sync { force: request.force },
        ActionKind::PinAndSync => {
            Action::Pin { version: version()?, content: content()?, sync: true }
        }
        ActionKind::Pin => Action::Pin { version: version()?, content: content()?, sync: false },
        ActionKind::Rollback => {
            Action::Rollback { to: if request.version.is_some() { Some(version()?) } else { None } }
        }
        ActionKind::Restart => Action::Restart,
        ActionKind::ResolveConflict => {
            Action::ResolveConflict { to: version()?, content: content()? }
        }
        ActionKind::Unpin => Action::Unpin,
        ActionKind::SetConfig => {
            let given = |text: &Option<String>| text.clone().unwrap_or_default();
            let (key, value) = setting(&given(&request.key), &given(&request.value))?;
            Action::SetConfig { key, value }
        }
        ActionKind::Undo => {
            return Err(AppError::new(Code::Invalid, "an undo is made of its run", "name the run"));
        }
    })
}

/// The preview of a plan.
pub(crate) fn plan_view(
    prepared: &Prepared,
    current: &Current,
    assessment: &Assessment,
) -> PlanView {
    let plan = &prepared.plan;
    let fatal = prepared.findings.iter().any(|finding| finding.severity == Severity::Fatal);
    let targets: Vec<PlanTarget> =
        plan.targets().map(|target| plan_target(target, &current.fleet, assessment)).collect();
    PlanView {
        hash: plan.hash().to_string(),
        title: plan.action.title(),
        fleet: plan.fleet.to_string(),
        environment: plan.environment.clone(),
        production: plumb_runbook::is_production(&plan.environment),
        action: prepared.request.clone(),
        repeat: plan.repeat,
        pins: pin_lines(plan),
        left_out: plan
            .left_out
            .iter()
            .map(|left| LeftOut { node: left.node.to_string(), reason: left.detail.clone() })
            .collect(),
        findings: prepared.findings.iter().map(finding_view).collect(),
        blast: BlastRadius {
            nodes: u32::try_from(targets.len()).unwrap_or(u32::MAX),
            of: u32::try_from(current.fleet.nodes.len()).unwrap_or(u32::MAX),
            lines: blast_lines(plan)
                .iter()
                .map(|(count, runs)| format!("{count} of {runs}"))
                .collect(),
        },
        cli: command_lines(plan),
        curl: curl_lines(plan, &current.fleet),
        steps: crate::runbooks::as_steps(plan),
        confirmation: match rung(plan) {
            Rung::Undo => ConfirmationView::Undo,
            Rung::Dialog => ConfirmationView::Dialog,
            Rung::Typed { phrase } => ConfirmationView::Typed { phrase },
        },
        empty: plan.is_empty(),
        startable: !plan.is_empty() && !fatal,
        rollout: of_plan(plan),
        targets,
    }
}

/// What the plan changes in the console's record: the desired version and single pins.
fn pin_lines(plan: &Plan) -> Vec<String> {
    let desired = plan.desired.iter().map(|change| {
        let content = change.content.map(|content| format!(" {}", content.short()));
        let whose = match change.nodes.as_deref() {
            None => "the fleet".to_owned(),
            Some([node]) => node.to_string(),
            Some(nodes) => format!("{} nodes", nodes.len()),
        };
        format!("pin {whose} to {}{}", change.version, content.unwrap_or_default())
    });
    desired.chain(plan.pins.iter().flat_map(PinChange::lines)).collect()
}

fn plan_target(target: &NodePlan, fleet: &Fleet, assessment: &Assessment) -> PlanTarget {
    let state =
        assessment.nodes.get(&target.node).map_or(DriftState::Unknown, |verdict| verdict.state);
    let api = fleet.nodes.get(&target.node).map(|node| node.api);
    let version = |runs: &plumb_runbook::Running| runs.version.as_ref().map(ToString::to_string);
    let content = |runs: &plumb_runbook::Running| runs.content.map(|content| content.to_string());
    PlanTarget {
        node: target.node.to_string(),
        state: state.into(),
        from_version: version(&target.before),
        from_content: content(&target.before),
        to_version: version(&target.after),
        to_content: content(&target.after),
        reading: ReadingView::of(ReadAs::by(api.unwrap_or(NodeApi::Agent))),
        effects: target.effects.iter().map(Effect::sentence).collect(),
        undo: target.undo.to_string(),
    }
}

fn finding_view(finding: &Finding) -> FindingView {
    FindingView {
        severity: match finding.severity {
            Severity::Note => SeverityView::Note,
            Severity::Warning => SeverityView::Warning,
            Severity::Fatal => SeverityView::Fatal,
        },
        code: finding.code.name().to_owned(),
        node: finding.node.as_ref().map(ToString::to_string),
        message: finding.message.clone(),
        remedy: finding.remedy.clone(),
    }
}

fn command_lines(plan: &Plan) -> String {
    if let Some(line) = plan_line(plan) {
        return line;
    }
    let nodes: Vec<NodeId> =
        plan.targets().take(CLI_NODES_MAX).map(|target| target.node.clone()).collect();
    let scope = if plan.whole_fleet { None } else { Some(nodes.as_slice()) };
    plan.action.command_lines(plan.fleet.as_str(), scope).join(" && ")
}

fn by_hand(fleet: &Fleet, node: &Node, effect: &Effect) -> Vec<String> {
    match (effect, &fleet.hub, operation(effect)) {
        (Effect::Serve { digest, .. }, Some(hub), _) => {
            vec![FleetHub::serve_by_hand(hub, &node.id, *digest)]
        }
        (_, _, Some(operation)) => curl(node, &operation),
        _ => Vec::new(),
    }
}

fn curl_lines(plan: &Plan, fleet: &Fleet) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = 0;
    for target in plan.targets() {
        let Some(node) = fleet.nodes.get(&target.node) else { continue };
        for effect in &target.effects {
            if lines.len() < CURL_LINES_MAX {
                lines.extend(by_hand(fleet, node, effect));
            } else {
                left += 1;
            }
        }
    }
    if left > 0 {
        lines.push(format!("# and {left} more of the same kind"));
    }
    lines
}

/// Refuses a plan with a node that cannot be asked to decide, where a gate asks for that.
fn all_can_decide(plan: &Plan, fleet: &Fleet) -> Result<(), AppError> {
    let cannot = |target: &NodePlan| {
        let node = fleet.nodes.get(&target.node)?;
        let reason = capabilities(node.api).cannot.get(&Capability::Evaluate)?.clone();
        Some((target.node.clone(), reason))
    };
    match plan.targets().find_map(cannot) {
        None => Ok(()),
        Some((node, reason)) => Err(AppError::new(
            Code::Invalid,
            format!("a gate asks changed nodes to decide, and {node} cannot: {reason}"),
            "leave that check out, or plan such nodes apart",
        )),
    }
}
