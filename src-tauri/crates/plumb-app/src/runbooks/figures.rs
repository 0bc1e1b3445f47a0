//! What figures beside running steps came to, for whoever looks at the run.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use plumb_exec::{StepsState, steps::StepPhase};
use plumb_runbook::document::{
    Compiled,
    steps::query::{QueryStep, Source},
};

use crate::views::{
    convert::ms,
    runbook::{FigureView, MonitorView},
};

/// Figures kept of one monitor: an hour at one every ten seconds.
const FIGURES_MAX: usize = 360;

/// Figures by the question that they answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures(Arc<Mutex<BTreeMap<(&'static str, String), Asked>>>);

#[derive(Debug, Default)]
struct Asked {
    figures: VecDeque<(Timestamp, f64)>,
    problem: Option<String>,
}

pub(super) const fn source_name(source: Source) -> &'static str {
    match source {
        Source::Nodes => "nodes",
        Source::Prometheus => "prometheus",
        Source::Hub => "hub",
    }
}

impl Figures {
    /// Takes in an answer, or why there was none.
    pub(super) fn add(&self, query: &QueryStep, at: Timestamp, answer: &Result<f64, String>) {
        let mut held = self.0.lock().expect("no panic while figures are held");
        let asked = held.entry((source_name(query.source), query.query.clone())).or_default();
        match answer {
            Ok(value) => {
                if asked.figures.len() == FIGURES_MAX {
                    asked.figures.pop_front();
                }
                asked.figures.push_back((at, *value));
                asked.problem = None;
            }
            Err(problem) => asked.problem = Some(problem.clone()),
        }
    }

    /// Every monitor of a run, in the order of its steps, with what is known of its figures.
    pub(super) fn monitors(&self, plan: &Compiled, state: &StepsState) -> Vec<MonitorView> {
        let held = self.0.lock().expect("no panic while figures are held");
        let mut found = Vec::new();
        for planned in &plan.steps {
            let run = state.step(&planned.id);
            for monitor in &planned.step.monitors {
                let source = source_name(monitor.source);
                let asked = held.get(&(source, monitor.query.clone()));
                let figures = asked.map(|asked| asked.figures.iter()).into_iter().flatten();
                let breach = format!("{}: ", monitor.title);
                let breached = run.and_then(|run| run.breached.as_ref());
                found.push(MonitorView {
                    step: planned.id.clone(),
                    title: monitor.title.clone(),
                    source: source.to_owned(),
                    query: monitor.query.clone(),
                    min: monitor.min.map(f64::from),
                    max: monitor.max.map(f64::from),
                    every_s: monitor.every_s,
                    watching: run.is_some_and(|run| run.phase == StepPhase::Running),
                    breached: breached
                        .and_then(|what| what.strip_prefix(&breach))
                        .map(str::to_owned),
                    problem: asked.and_then(|asked| asked.problem.clone()),
                    figures: figures
                        .map(|(at, value)| FigureView { at_ms: ms(*at), value: *value })
                        .collect(),
                });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_lifts_the_problem_and_old_figures_go() {
        let figures = Figures::default();
        let query =
            QueryStep { source: Source::Prometheus, query: "lag".to_owned(), min: None, max: None };
        let at: Timestamp = "2026-03-14T02:00:00Z".parse().expect("a moment");
        figures.add(&query, at, &Err("no answer".to_owned()));
        for _ in 0..=FIGURES_MAX {
            figures.add(&query, at, &Ok(4.5));
        }
        let held = figures.0.lock().expect("figures");
        let asked = &held[&("prometheus", "lag".to_owned())];
        assert_eq!((asked.figures.len(), &asked.problem), (FIGURES_MAX, &None));
    }
}
