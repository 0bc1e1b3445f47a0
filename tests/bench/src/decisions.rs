//! Decisions of Rego: in process, through the evaluation process, and the way of a pack to both.

mod hostile;
pub(crate) mod impact;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use plumb_decide::{Answer, Module, Question, RegoPolicy, RegoSource, RegoVersion};
use plumb_worker::{PoolOptions, ProcessLimits, Program, WorkerPool};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    report::{RUNS, Report, best, best_of_five, timed},
    runtime,
};

/// Rules of one policy. One question looks at every one of them; for many an index is made.
pub(crate) const RULES: usize = 500;
pub(crate) const QUESTIONS: usize = 10_000;
/// All questions of both versions, processes included, in milliseconds.
const SERIES_MS_MAX: f64 = 2_000.0;
/// Checking, preparing and probing a pack, against the parse of its modules alone.
const PACK_TIMES_PARSE: f64 = 2.5;
/// Modules of the pack, each with fifty rules.
const PACK_MODULES: usize = 100;
const LIMIT: Duration = Duration::from_secs(1);

/// Measures a policy of 500 rules and a pack of 100 modules.
pub fn run(report: &mut Report) -> Result<()> {
    let runtime = runtime()?;
    let pool = pool(&runtime)?;
    let questions: Vec<Question> = (0..QUESTIONS).map(|n| question(n % (2 * RULES))).collect();
    in_process(report, &questions)?;
    runtime.block_on(through_the_process(report, &pool, &questions))?;
    runtime.block_on(pack(report, &pool))?;
    runtime.block_on(pool.close());
    runtime.block_on(impact::measure(report))?;
    runtime.block_on(hostile::measure(report))
}

/// The pack alone, for those who ask what an agent does with one.
pub(crate) fn pack_alone(report: &mut Report) -> Result<()> {
    let runtime = runtime()?;
    let pool = pool(&runtime)?;
    runtime.block_on(pack(report, &pool))?;
    runtime.block_on(pool.close());
    Ok(())
}

fn pool(runtime: &Runtime) -> Result<WorkerPool> {
    let options = PoolOptions {
        program: Program::current().context("finding this program")?,
        limits: ProcessLimits::default(),
        size: 1,
    };
    Ok(runtime.block_on(async { WorkerPool::start(options, CancellationToken::new()) }))
}

fn in_process(report: &mut Report, questions: &[Question]) -> Result<()> {
    let policy = RegoPolicy::prepare(&source(1, 0)).context("the policy of this benchmark")?;
    let some = &questions[..1_000];
    ensure!(policy.ask(&some[3], LIMIT) == Answer::Allow, "the third capability is allowed");
    ensure!(policy.ask(&some[RULES + 3], LIMIT) == Answer::Deny, "an unknown one is not");
    let took = best_of_five(|| some.iter().map(|q| policy.ask(q, LIMIT)).collect::<Vec<_>>());
    let each_us = took * 1_000.0 / some.len() as f64;
    report.shown(&format!("decisions: one of {RULES} rules in process"), each_us, "us");
    Ok(())
}

async fn through_the_process(
    report: &mut Report,
    pool: &WorkerPool,
    questions: &[Question],
) -> Result<()> {
    let versions = [source(1, 0), source(1, 7)];
    let mut all = Vec::new();
    for _ in 0..RUNS {
        let began = std::time::Instant::now();
        for version in &versions {
            let answers = pool.evaluate(version, questions).await;
            let decided = |answer: &Answer| matches!(answer, Answer::Allow | Answer::Deny);
            ensure!(answers.iter().all(decided), "every question is decided");
        }
        all.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    let name = format!("decisions: {QUESTIONS} x 2 versions of {RULES} rules, in one process");
    report.timed(&name, best(&all), "ms", SERIES_MS_MAX);
    let mut trips = Vec::new();
    for _ in 0..RUNS {
        let began = std::time::Instant::now();
        for question in &questions[..100] {
            pool.evaluate(&versions[0], std::slice::from_ref(question)).await;
        }
        trips.push(began.elapsed().as_secs_f64() * 1e6 / 100.0);
    }
    report.shown("decisions: round trip of one to the process", best(&trips), "us");
    Ok(())
}

/// The whole way of a pack into an agent: the process prepares and probes it, and this one follows.
async fn pack(report: &mut Report, pool: &WorkerPool) -> Result<()> {
    let (mut parses, mut prepares, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        // Another pack each time: nothing is known from the last.
        let source = Arc::new(source(PACK_MODULES, 100 + run));
        parses.push(timed(|| parse(&source))?.0);
        prepares.push(timed(|| Ok(RegoPolicy::prepare(&source)?))?.0);
        let began = std::time::Instant::now();
        let followed = pool.prepare_followed(Arc::clone(&source), &[question(3)]).await;
        let (passed, follower) = followed.context("the pack passes")?;
        ensure!(passed.probes == [Answer::Allow], "the probe is answered");
        let policy = follower.analyse().await.context("what passed is analysed here")?;
        ensure!(policy.ask(&question(3), LIMIT) == Answer::Allow, "and answers");
        whole.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    let (parse, whole) = (best(&parses), best(&whole));
    let name = format!("pack of {PACK_MODULES} modules");
    report.compared(&format!("{name}: checked and live"), whole, "ms", &[("parse alone", parse)]);
    report.shown(&format!("{name}: parsed and analysed once"), best(&prepares), "ms");
    report.counted(&format!("{name}: times its parse"), whole / parse, "times", PACK_TIMES_PARSE);
    Ok(())
}

/// What the engine does with the text and nothing else.
fn parse(source: &RegoSource) -> Result<()> {
    let mut engine = regorus::Engine::new();
    for module in &source.modules {
        engine.add_policy(module.name.clone(), module.text.clone())?;
    }
    Ok(())
}

/// A policy of allow rules, one for each capability and role, as access policies are written.
fn source(modules: usize, salt: usize) -> RegoSource {
    let rules = if modules == 1 { RULES } else { 50 };
    let module = |number: usize| {
        let package = if number == 0 { "a".to_owned() } else { format!("m{number}") };
        let allow = |rule: usize| {
            let (role, risk) = (rule % 7, 50 + (rule + salt) % 40);
            format!(
                "\nallow if {{\n\tinput.capability == \"tool.{rule}\"\n\tinput.user.role in \
                 data.roles[\"r{role}\"]\n\tnot input.user.suspended\n\tinput.risk < {risk}\n}}\n"
            )
        };
        let text: String = (0..rules).map(allow).collect();
        let text = format!("package {package}\n# {salt}\ndefault allow := false\n{text}");
        Module { name: format!("{package}.rego"), text }
    };
    let roles: Value = (0..7).map(|n| (format!("r{n}"), json!(["admin", "operator"]))).collect();
    let data = json!({ "roles": roles });
    RegoSource { modules: (0..modules).map(module).collect(), data, version: RegoVersion::V1 }
}

fn question(number: usize) -> Question {
    let input = json!({
        "capability": format!("tool.{number}"),
        "risk": 10,
        "user": { "name": "ada", "role": "operator", "suspended": false },
    });
    let entrypoint = "data.a.allow".parse().expect("an entry point");
    let now = "2026-03-01T12:00:00Z".parse().expect("a time");
    Question { entrypoint, input, now }
}
