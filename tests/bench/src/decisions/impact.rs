//! What two versions answer differently: the whole comparison, and when its first flips are known.

use std::{fs, path::Path, process::Command, time::Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use plumb_app::impact::{self, Evaluators, ImpactRequest, NamedBundle, Reading, SEED, Side};
use plumb_bundle::formats::{archive::Members, opa_archive};
use serde_json::Value;
use tempfile::tempdir;

use super::{QUESTIONS, RULES, SERIES_MS_MAX, question, source};
use crate::{
    agent::opa,
    report::{RUNS, Report, best},
};

/// Until somebody who waits sees the first flips, in milliseconds.
pub(crate) const FIRST_MS_MAX: f64 = 300.0;
/// The rule that is asked.
pub(crate) const ENTRYPOINT: &str = "data.a.allow";
/// Rules of which the second version takes the risk otherwise.
const SALT: usize = 7;

pub(super) async fn measure(report: &mut Report) -> Result<()> {
    let (mut whole, mut first, mut flips) = (Vec::new(), Vec::new(), 0);
    for _ in 0..RUNS {
        let evaluators = Evaluators::of_this_program().map_err(told)?;
        let request = request()?;
        let began = Instant::now();
        let mut seen = None;
        let view = impact::impact(&evaluators, &request, |so_far| {
            if !so_far.flips.is_empty() && seen.is_none() {
                seen = Some(began.elapsed().as_secs_f64() * 1_000.0);
            }
        });
        let view = Box::pin(view).await.map_err(told)?;
        whole.push(began.elapsed().as_secs_f64() * 1_000.0);
        first.push(seen.context("flips are told before the end")?);
        evaluators.close().await;
        ensure!(view.not_evaluated.is_empty(), "every request is answered");
        flips = view.flips.iter().map(|flip| flip.requests).sum();
    }
    ensure!(flips > 0, "the second version answers otherwise");
    let name = format!("decisions: flips of {QUESTIONS} requests x 2 versions of {RULES} rules");
    report.timed(&format!("{name}: all"), best(&whole), "ms", SERIES_MS_MAX);
    report.timed(&format!("{name}: the first"), best(&first), "ms", FIRST_MS_MAX);
    report.shown(&format!("{name}: how many"), f64::from(flips), "");
    let missing = "no batch of a real one stands beside a comparison";
    if let Some(program) = opa::program(missing) {
        let peers = [("opa eval", batches(&program).context("batches of a real OPA")?)];
        report.compared(&format!("{name}: beside batches"), best(&whole), "ms", &peers);
    }
    Ok(())
}

/// The same requests answered by a real OPA for one version after the other, each in one process, in milliseconds.
fn batches(program: &Path) -> Result<f64> {
    let folder = tempdir().context("a folder for batches")?;
    let lines = requests();
    let inputs = lines.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    let inputs: Vec<&Value> = inputs.iter().map(|line| &line["input"]).collect();
    let asked = folder.path().join("requests.json");
    fs::write(&asked, serde_json::json!({ "requests": inputs }).to_string())?;
    let mut all = Vec::new();
    for (version, salt) in [("1", 0), ("2", SALT)] {
        let data = folder.path().join(version);
        for (name, bytes) in members(version, salt) {
            let file = data.join(name);
            fs::create_dir_all(file.parent().context("a folder")?)?;
            fs::write(file, bytes)?;
        }
        all.push(data);
    }
    let query = format!("count([1 | i := data.requests[_]; {ENTRYPOINT} == true with input as i])");
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        let mut allowed = Vec::new();
        for data in &all {
            let mut command = Command::new(program);
            command.args(["eval", "--format", "raw", "--data"]).arg(data);
            let ran = command.arg("--data").arg(&asked).arg(&query).output()?;
            let said = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
            ensure!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
            allowed.push(said.parse::<u64>().with_context(|| format!("it answered {said:?}"))?);
        }
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
        ensure!(allowed[0] != allowed[1], "the second version answers otherwise: {allowed:?}");
    }
    Ok(best(&took))
}

fn request() -> Result<ImpactRequest> {
    let requests = impact::requests::read("requests", &requests()).map_err(told)?;
    let side = |version: &str, salt| {
        let bytes = opa_archive::write(&members(version, salt)).context("an archive")?;
        Ok::<_, anyhow::Error>(Side::Bundle(NamedBundle { label: version.to_owned(), bytes }))
    };
    Ok(ImpactRequest {
        from: side("1", 0)?,
        to: side("2", SALT)?,
        requests,
        entrypoint: Some(ENTRYPOINT.to_owned()),
        reading: Reading::Documented,
        seed: SEED,
    })
}

/// One line a request: around the limits that versions draw differently, and none twice.
pub(crate) fn requests() -> String {
    let line = |number: usize| {
        let mut input = question(number % RULES).input;
        input["risk"] = (50 + number / RULES * 2).into();
        format!("{}\n", serde_json::json!({ "input": input }))
    };
    (0..QUESTIONS).map(line).collect()
}

/// The files of a bundle that draws its limits by the salt.
pub(crate) fn members(version: &str, salt: usize) -> Members {
    let policy = source(1, salt);
    let mut files = Members::from([
        (".manifest".to_owned(), format!(r#"{{"revision":"{version}"}}"#).into_bytes()),
        ("data.json".to_owned(), policy.data.to_string().into_bytes()),
    ]);
    for module in policy.modules {
        files.insert(format!("a/{}", module.name), module.text.into_bytes());
    }
    files
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn told(error: plumb_app::error::AppError) -> anyhow::Error {
    anyhow!("{}; {}", error.message, error.hint)
}
