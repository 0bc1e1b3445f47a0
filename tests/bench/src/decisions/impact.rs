//! What two versions answer differently: the whole comparison, and when its first flips are known.

use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use plumb_app::impact::{self, Evaluators, ImpactRequest, NamedBundle, Reading, SEED, Side};
use plumb_bundle::formats::{archive::Members, opa_archive};

use super::{QUESTIONS, RULES, SERIES_MS_MAX, question, source};
use crate::report::{RUNS, Report, best};

/// Until somebody who waits sees the first flips, in milliseconds.
const FIRST_MS_MAX: f64 = 300.0;
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
    Ok(())
}

fn request() -> Result<ImpactRequest> {
    // Around the limits that the versions draw differently, and no request twice.
    let lines = (0..QUESTIONS).map(|number| {
        let mut input = question(number % RULES).input;
        input["risk"] = (50 + number / RULES * 2).into();
        format!("{}\n", serde_json::json!({ "input": input }))
    });
    let requests = impact::requests::read("requests", &lines.collect::<String>()).map_err(told)?;
    Ok(ImpactRequest {
        from: Side::Bundle(bundle("1", 0)?),
        to: Side::Bundle(bundle("2", SALT)?),
        requests,
        entrypoint: Some("data.a.allow".to_owned()),
        reading: Reading::Documented,
        seed: SEED,
    })
}

fn bundle(version: &str, salt: usize) -> Result<NamedBundle> {
    let policy = source(1, salt);
    let mut files = Members::from([
        (".manifest".to_owned(), format!(r#"{{"revision":"{version}"}}"#).into_bytes()),
        ("data.json".to_owned(), policy.data.to_string().into_bytes()),
    ]);
    for module in policy.modules {
        files.insert(format!("a/{}", module.name), module.text.into_bytes());
    }
    let bytes = opa_archive::write(&files).context("an archive")?;
    Ok(NamedBundle { label: version.to_owned(), bytes })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn told(error: plumb_app::error::AppError) -> anyhow::Error {
    anyhow!("{}; {}", error.message, error.hint)
}
