//! A run of a rollout on a terminal: progress, and the questions only a person answers.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, IsTerminal as _},
};

use plumb_app::{
    App,
    views::{
        rollout::{RunCheckVerdict, RunOrder, RunRollout, RunWave},
        run::{RunNodeState, RunPhase, RunView},
    },
};
use tokio::sync::oneshot;

use super::decide;
use crate::{
    commands::act::{LOOK_EVERY, loud, progress},
    exit::Failure,
    output::Output,
    text::{
        escape::printable,
        rollout::{waiting_wave, wave_lines},
    },
};

/// Follows a run until it ends or is left open: at the first Ctrl-C, or where only a person can decide and
/// nobody can be asked, or says nothing.
pub(super) async fn follow(out: &Output, app: &App, id: &str) -> Result<RunView, Failure> {
    let mut told = Told::default();
    let finished = app.finished(id);
    tokio::pin!(finished);
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        let run = tokio::select! {
            ended = &mut finished => {
                let ended = ended?;
                told.tell(out, &ended);
                return Ok(ended);
            }
            _ = look.tick() => app.run(id).await?,
            _ = tokio::signal::ctrl_c() => {
                out.note("pausing; what was sent is waited for, and the run stays open");
                return leave(app, id).await;
            }
        };
        told.tell(out, &run);
        let Some(question) = question(&run, app.now().as_millisecond()) else { continue };
        out.note(&question);
        if !can_ask() {
            return leave(app, id).await;
        }
        out.note(format!(
            "Type {}, back REASON or abort; an empty line leaves it open:",
            first_choice(&run)
        ));
        let answer = tokio::select! {
            answer = ask() => answer,
            ended = &mut finished => return Ok(ended?),
            _ = tokio::signal::ctrl_c() => None,
        };
        let Some(answer) = answer.filter(|answer| !answer.is_empty()) else {
            return leave(app, id).await;
        };
        match order(&run, &answer) {
            Some(Answer::Order(order)) => decide(app, id, Some(&order)).await?,
            Some(Answer::GoOn) => decide(app, id, None).await?,
            None => out.note("that is none of what can be said now, or says not why"),
        }
    }
}

/// Pauses what is not held yet. The journal says who did, and the next program picks it up.
async fn leave(app: &App, id: &str) -> Result<RunView, Failure> {
    // It may be paused already, or have ended in the meantime, which is as good.
    let _ = app.order_run(id, &RunOrder::Pause).await;
    Ok(app.run(id).await?)
}

/// What was said of a run already.
#[derive(Default)]
struct Told {
    nodes: BTreeMap<String, RunNodeState>,
    waves: BTreeMap<usize, Vec<String>>,
    bypassed: usize,
}

impl Told {
    fn tell(&mut self, out: &Output, run: &RunView) {
        progress(out, run, &mut self.nodes);
        loud(out, run, &mut self.bypassed);
        let Some(rollout) = &run.rollout else { return };
        for (number, lines) in wave_lines(out, rollout) {
            if self.waves.get(&number) != Some(&lines) {
                for line in &lines {
                    out.note(line);
                }
                self.waves.insert(number, lines);
            }
        }
    }
}

enum Answer {
    Order(RunOrder),
    GoOn,
}

/// What only a person can say now.
fn question(run: &RunView, now_ms: i64) -> Option<String> {
    let rollout = run.rollout.as_ref()?;
    if let Some(why) = &rollout.halted {
        return Some(format!("halted: {}", printable(why)));
    }
    let (number, wave) = waiting_wave(rollout)?;
    is_all_else_met(wave, now_ms)
        .then(|| format!("wave {number} waits until somebody attests what its gate asks for"))
}

/// Whether the attestation is all that is missing.
fn is_all_else_met(wave: &RunWave, now_ms: i64) -> bool {
    let unmet = wave.checks.iter().filter(|check| check.verdict != RunCheckVerdict::Met).count();
    unmet <= 1 && wave.soak_until_ms.is_none_or(|until| until <= now_ms)
}

fn first_choice(run: &RunView) -> &'static str {
    if run.phase == RunPhase::Halted { "resume" } else { "attest NOTE" }
}

fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// One line from a person, or nothing at the end of the input.
async fn ask() -> Option<String> {
    // A thread of its own: a read that nobody answers must not keep the program.
    let (told, line) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).is_ok() {
            // Nobody waits any more where the run ended meanwhile.
            let _ = told.send(line.trim().to_owned());
        }
    });
    line.await.ok()
}

fn order(run: &RunView, answer: &str) -> Option<Answer> {
    let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    let text = rest.trim().to_owned();
    let waiting = |rollout: &RunRollout| waiting_wave(rollout).map(|(number, _)| number);
    match word {
        "resume" if run.phase == RunPhase::Halted => Some(Answer::GoOn),
        "abort" => Some(Answer::Order(RunOrder::Abort)),
        "back" if !text.is_empty() => Some(Answer::Order(RunOrder::RollBack { reason: text })),
        "attest" if !text.is_empty() => {
            let number = run.rollout.as_ref().and_then(waiting)?;
            let wave = u32::try_from(number).ok()?.checked_sub(1)?;
            Some(Answer::Order(RunOrder::Attest { wave, note: text }))
        }
        _ => None,
    }
}
