//! A list of steps that all run, with a heading and a time for each and a list of the failed ones at the end.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::cmd::Cmd;

#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Step {
    name: String,
    took: Duration,
    error: Option<String>,
}

impl Steps {
    /// Runs one step; its failure is remembered and hinders no later step.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        eprintln!("\n==== {name}");
        let start = Instant::now();
        let error = work().err().map(|error| format!("{error:#}"));
        let took = start.elapsed();
        match &error {
            None => eprintln!("---- {name}: ok, {:.1} s", took.as_secs_f64()),
            Some(error) => eprintln!("---- {name}: FAILED, {:.1} s: {error}", took.as_secs_f64()),
        }
        let passed = error.is_none();
        self.done.push(Step { name: name.to_owned(), took, error });
        passed
    }

    pub(crate) fn run(&mut self, name: &str, cmd: Cmd) -> bool {
        self.step(name, || {
            eprintln!("$ {cmd}");
            cmd.run()
        })
    }

    /// Something that was not checked; said now and again at the end, so that nobody takes silence for a pass.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        eprintln!("\n!!!! {note}");
        self.notes.push(note);
    }

    /// The closing summary.
    pub(crate) fn finish(self) -> ExitCode {
        eprintln!("\n==== summary");
        for step in &self.done {
            let verdict = if step.error.is_some() { "FAILED" } else { "ok" };
            eprintln!("{verdict:>6} {:>7.1} s  {}", step.took.as_secs_f64(), step.name);
        }
        for note in &self.notes {
            eprintln!("!!!! {note}");
        }
        let total: Duration = self.done.iter().map(|step| step.took).sum();
        let failed: Vec<&Step> = self.done.iter().filter(|step| step.error.is_some()).collect();
        for step in &failed {
            eprintln!("{}: {}", step.name, step.error.as_deref().unwrap_or_default());
        }
        eprintln!(
            "{} steps, {} failed, {:.0} s",
            self.done.len(),
            failed.len(),
            total.as_secs_f64()
        );
        if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
