//! Rollouts: from what was asked to the policy in the plan, and orders to a run of it.

use plumb_exec::{OrderError, Wish};
use plumb_fleet::NodeId;
use plumb_journal::{Bypass, fold};
use plumb_runbook::{Gate, GateCheck, Milli, MilliError, OnFailure, Rollout, Shape};

use crate::{
    app::App,
    error::{AppError, Code},
    ids::run_id,
    views::{
        rollout::{GateRequest, QueryRequest, RolloutRequest, RunOrder, ShapeRequest},
        run::RunView,
    },
};

/// How long after the soak a check may still be unmet, and the pause between two looks, in seconds.
const PATIENCE_S: u32 = 60;
const EVERY_S: u32 = 5;

/// The policy that was asked for; the planner says what of it cannot be.
pub(crate) fn policy(request: &RolloutRequest) -> Result<Rollout, AppError> {
    let node = |name: &Option<String>| {
        name.as_ref().map(NodeId::new).transpose().map_err(|error| {
            let message = format!("the name of the canary {error}");
            AppError::new(Code::Invalid, message, "name a node as the fleet file does")
        })
    };
    let shape = match &request.shape {
        ShapeRequest::Shares { canary, percent } => {
            Shape::Shares { canary: node(canary)?, percent: percent.clone() }
        }
        ShapeRequest::ByLabel { label, order, canary } => {
            Shape::ByLabel { label: label.clone(), order: order.clone(), canary: node(canary)? }
        }
        ShapeRequest::BlueGreen { label, first } => {
            Shape::BlueGreen { label: label.clone(), first: first.clone() }
        }
        ShapeRequest::OneByOne => Shape::OneByOne,
    };
    Ok(Rollout {
        shape,
        gate: request.gate.as_ref().map(gate),
        on_failure: if request.roll_back_on_failure {
            OnFailure::RollBack
        } else {
            OnFailure::Halt
        },
        failures_tolerated: request.failures_tolerated,
        freeze: Vec::new(),
    })
}

fn gate(request: &GateRequest) -> Gate {
    let convergence =
        request.convergence_percent.map(|percent_min| GateCheck::Convergence { percent_min });
    let errors = request.errors_ppm.map(|ppm_max| GateCheck::ErrorRate { ppm_max });
    let latency = request.p95_us.map(|p95_us_max| GateCheck::Latency { p95_us_max });
    let queries = request.prometheus.iter().map(|asked| GateCheck::Prometheus {
        query: asked.query.trim().to_owned(),
        milli_max: asked.at_most_milli,
    });
    let attest = request.attest.clone().map(|what| GateCheck::Attest { what });
    let decisions = request.decisions.then_some(GateCheck::Decisions);
    let measured = [convergence, errors, latency, decisions].into_iter().flatten();
    Gate {
        checks: measured.chain(queries).chain(attest).collect(),
        soak_s: request.soak_s,
        patience_s: PATIENCE_S,
        every_s: EVERY_S,
    }
}

/// A query and its limit as people write them: `max(errors) <= 0.05`. The last `<=` is ours.
pub fn query_request(text: &str) -> Result<QueryRequest, AppError> {
    let wrong = |message: String| {
        let hint = "write a query, <= and a number, for example 'max(errors) <= 0.05'";
        AppError::new(Code::Invalid, message, hint)
    };
    let Some((query, limit)) = text.rsplit_once("<=") else {
        return Err(wrong(format!("{text:?} names no limit")));
    };
    let limit: Milli =
        limit.trim().parse().map_err(|error: MilliError| wrong(error.to_string()))?;
    if query.trim().is_empty() {
        return Err(wrong(format!("{text:?} names no query")));
    }
    Ok(QueryRequest { query: query.trim().to_owned(), at_most_milli: limit.0 })
}

/// Whether a gate asks for the value of a query.
pub(crate) fn asks_prometheus(policy: &Rollout) -> bool {
    checks(policy).any(|check| matches!(check, GateCheck::Prometheus { .. }))
}

/// Whether a gate asks nodes to decide.
pub(crate) fn asks_decisions(policy: &Rollout) -> bool {
    checks(policy).any(|check| *check == GateCheck::Decisions)
}

fn checks(policy: &Rollout) -> impl Iterator<Item = &GateCheck> {
    policy.gate.iter().flat_map(|gate| &gate.checks)
}

/// What was asked for, from the policy: asked again, it makes the same plan.
pub(crate) fn asked(policy: &Rollout) -> RolloutRequest {
    let name = |node: &Option<NodeId>| node.as_ref().map(ToString::to_string);
    let shape = match &policy.shape {
        Shape::Shares { canary, percent } => {
            ShapeRequest::Shares { canary: name(canary), percent: percent.clone() }
        }
        Shape::ByLabel { label, order, canary } => ShapeRequest::ByLabel {
            label: label.clone(),
            order: order.clone(),
            canary: name(canary),
        },
        Shape::BlueGreen { label, first } => {
            ShapeRequest::BlueGreen { label: label.clone(), first: first.clone() }
        }
        Shape::OneByOne => ShapeRequest::OneByOne,
    };
    RolloutRequest {
        shape,
        gate: policy.gate.as_ref().map(asked_gate),
        roll_back_on_failure: policy.on_failure == OnFailure::RollBack,
        failures_tolerated: policy.failures_tolerated,
    }
}

fn asked_gate(gate: &Gate) -> GateRequest {
    let mut request = GateRequest { soak_s: gate.soak_s, ..GateRequest::default() };
    for check in &gate.checks {
        match check {
            GateCheck::Convergence { percent_min } => {
                request.convergence_percent = Some(*percent_min);
            }
            GateCheck::ErrorRate { ppm_max } => request.errors_ppm = Some(*ppm_max),
            GateCheck::Latency { p95_us_max } => request.p95_us = Some(*p95_us_max),
            GateCheck::Prometheus { query, milli_max } => request
                .prometheus
                .push(QueryRequest { query: query.clone(), at_most_milli: *milli_max }),
            GateCheck::Decisions => request.decisions = true,
            GateCheck::Attest { what } => request.attest = Some(what.clone()),
        }
    }
    request
}

impl App {
    /// Gives an order to a run of this process, and returns when it stands in the journal. A run that
    /// nobody carries out is picked up to be aborted or brought back, and for nothing else.
    pub async fn order_run(&self, run: &str, order: &RunOrder) -> Result<RunView, AppError> {
        let id = run_id(run)?;
        let desk = {
            let runs = self.0.runs.lock().expect("no panic while runs are held");
            runs.get(&id).and_then(|active| active.desk.clone())
        };
        let given = self.order(order);
        let Some(desk) = desk else {
            if given.leads_back() {
                return Box::pin(self.pick_up(id, Some(order))).await;
            }
            return Err(AppError::new(
                Code::Busy,
                "this run is not carried out by this program, or it has ended",
                "give the order where the run was started, or pick the run up here",
            ));
        };
        if given.leads_forward() {
            let kept = self.kept_run(id).await?;
            let (plan, entries) = self.run_record(id).await?;
            if fold(&entries).rollback.is_none() {
                self.still_approved(&kept, &plan).await?;
            }
        }
        desk.give(given).await.map_err(|error| unwanted(&error))?;
        self.run_view(id).await
    }
}

pub(super) fn unwanted(error: &OrderError) -> AppError {
    AppError::new(Code::Invalid, error.to_string(), "look at how the run stands")
}

pub(super) fn wish(order: &RunOrder) -> Wish {
    match order {
        RunOrder::Pause => Wish::Pause,
        RunOrder::Resume => Wish::Resume,
        RunOrder::Abort => Wish::Abort,
        RunOrder::RollBack { reason } => Wish::RollBack { reason: reason.clone() },
        RunOrder::Attest { wave, note } => Wish::Attest { wave: *wave, note: note.clone() },
        RunOrder::SkipGate { wave, reason } => {
            Wish::Bypass { what: Bypass::Gate { wave: *wave }, reason: reason.clone() }
        }
    }
}
