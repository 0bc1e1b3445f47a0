//! What people say to a run: held to what the step asks for, and to what counts as success.

use std::collections::{BTreeMap, BTreeSet};

use plumb_exec::{
    Left, StepOrder, StepOrderError, StepWish, Task, fold_steps,
    steps::{obey_step, rehearse},
};
use plumb_journal::{Entry, Outcome};
use plumb_runbook::document::StepEffect;
use plumb_testkit::clock;
use serde_json::json;

use super::{rehearsing::Well, world::*};

const LOOK: &str = "{id: look, title: Look, do: {doctor: {check: check.policy.bundle-health}}}";

async fn answered(steps: &[&str], answers: &[(&str, &str)]) -> (Left, Vec<Entry>, Vec<String>) {
    let plan = plan_of(&document("guide", steps), &[]);
    let world = good();
    let answers: BTreeMap<&str, &str> = answers.iter().copied().collect();
    let (left, entries) = run_on(&plan, &world, &[], &answers).await;
    (left, entries, world.performed())
}

#[tokio::test(start_paused = true)]
async fn what_counts_as_success_holds_for_peoples_words_too() {
    for (step, word, right, wrong) in [
        ("question: {ask: 'Do we go on?'}", "answer", "yes", "no"),
        ("attest: {what: nobody writes}", "note", "seen", "cannot tell"),
        ("announce: {to: all, text: It begins}", "note", "seen", "nowhere"),
    ] {
        let expected = if word == "note" { "seen" } else { right };
        let step = format!(
            "{{id: go, title: Go on, do: {{{step}}}, success: \"result.{word} == '{expected}'\"}}"
        );
        let (left, _, done) = answered(&[&step, LOOK], &[("go", right)]).await;
        assert_eq!(
            (left, done),
            (Left::Ended(Outcome::Succeeded), vec!["look".to_owned()]),
            "{step}"
        );
        if word == "note" {
            continue;
        }
        let (left, entries, done) = answered(&[&step, LOOK], &[("go", wrong)]).await;
        assert_eq!((left, done), (Left::Open, Vec::new()), "{step}");
        let state = fold_steps(&entries);
        // The word stands as it was given: a signature is over it.
        assert_eq!(state.step("go").map(|run| run.detail.as_str()), Some(wrong));
        let halted = state.halted.expect("it halted").reason;
        assert_eq!(halted, format!("Go on: {wrong}; result.{word} == '{expected}' does not hold"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_and_a_consent_are_held_to_their_success() {
    let ask = "{id: ask, title: Ask, do: {question: {ask: How many?, type: integer}}}";
    let wait = "{id: rest, title: Rest, do: {wait: {seconds: 5}}, success: steps.ask.answer > 2}";
    let (left, ..) = answered(&[ask, wait], &[("ask", "3")]).await;
    assert_eq!(left, Left::Ended(Outcome::Succeeded));
    let (left, entries, _) = answered(&[ask, wait], &[("ask", "2")]).await;
    assert_eq!(left, Left::Open);
    let halted = fold_steps(&entries).halted.expect("it halted").reason;
    assert_eq!(halted, "Rest: steps.ask.answer > 2 does not hold; waited");
    let consent = "{id: may, title: May, do: {approval: {what: it, groups: [Storage]}}, \
                   success: \"result.Storage == 'somebody else'\"}";
    let (left, entries, _) = answered(&[consent], &[]).await;
    assert_eq!(left, Left::Open);
    let halted = fold_steps(&entries).halted.expect("it halted").reason;
    assert!(halted.contains("does not hold; approved by of Storage"), "{halted}");
}

#[tokio::test(start_paused = true)]
async fn a_question_is_asked_again_as_often_as_it_says() {
    let ask = "{id: go, title: Go, do: {question: {ask: Now?, until_s: 60}}, retry: {tries: 3, every_s: 10}, \
               success: result.answer == 'yes'}";
    let (left, entries, _) = answered(&[ask], &[("go", "no")]).await;
    assert_eq!(left, Left::Open);
    let state = fold_steps(&entries);
    assert_eq!(state.step("go").map(|run| run.attempt), Some(3));
    assert_eq!(state.halted.expect("it halted").reason, "Go: nobody answered in time");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_what_the_question_asks_for() {
    let nodes = "the name of a node";
    for (of, right, wrong, wanted) in [
        ("integer", "-3", "3.5", "a whole number"),
        ("version", "2.0.0", "2\t0", "a version"),
        ("node", "eu-gw-001", "all", nodes),
        ("node", "eu-gw-001", "drifted", nodes),
        ("digest", &"0a".repeat(32), "0a", "a SHA-256 of 64 hex digits"),
    ] {
        let ask = format!("{{id: ask, title: Ask, do: {{question: {{ask: Which?, type: {of}}}}}}}");
        let plan = plan_of(&document("guide", &[&ask]), &[]);
        let (left, entries) = run_on(&plan, &good(), &[], &BTreeMap::from([("ask", right)])).await;
        assert_eq!(left, Left::Ended(Outcome::Succeeded), "{of} {right}");
        // As it stood while it waited.
        let state = fold_steps(&entries[..entries.len() - 2]);
        let answer = |answer: &str| {
            let (step, answer) = ("ask".to_owned(), answer.to_owned());
            let what = StepWish::Answer { step, answer, envelope: None };
            let order = StepOrder { by: "ana".to_owned(), groups: BTreeSet::new(), what };
            obey_step(&order, &plan.1, &state).err()
        };
        assert_eq!(answer(right), None);
        let (answered, wanted) = (wrong.to_owned(), wanted.to_owned());
        assert_eq!(answer(wrong), Some(StepOrderError::NoValue { answer: answered, wanted }));
    }
    let ask = "{id: ask, title: Ask, do: {question: {ask: Really?, type: boolean}}}";
    let next = "{id: look, title: Look, do: {doctor: {check: check.policy.bundle-health}}, when: '!steps.ask.answer'}";
    let (left, _, done) = answered(&[ask, next], &[("ask", "true")]).await;
    assert_eq!((left, done), (Left::Ended(Outcome::Succeeded), Vec::new()));
}

/// What is changed is known only after an answer, and is planned and confirmed then.
#[tokio::test(start_paused = true)]
async fn nodes_that_an_answer_names_are_planned_once_it_is_given() {
    let ask = "{id: which, title: Which, do: {question: {ask: Which node?, type: node}}}";
    let act =
        "{id: sync, title: Bring it back, do: {action: {verb: sync, nodes: '${answer.which}'}}}";
    let (left, entries, done) = answered(&[ask, act], &[("which", "eu-gw-002")]).await;
    assert_eq!(
        (left, done.len()),
        (Left::Ended(Outcome::Succeeded), 2),
        "planned, then carried out"
    );
    let state = fold_steps(&entries);
    let effect = state.step("sync").and_then(|run| run.effect.clone());
    let Some(StepEffect::Act { nodes, .. }) = effect else { panic!("{effect:?}") };
    assert_eq!(nodes, "eu-gw-002");
    assert!(state.step("sync").and_then(|run| run.planned.clone()).is_some());
}

/// A node of its own, and what was done to which nodes.
#[derive(Default)]
struct Fleet(Vec<String>);

impl plumb_exec::steps::SimulatedWorld for Fleet {
    fn begin(&mut self) {
        self.0.clear();
    }

    fn perform(&mut self, errand: &plumb_exec::Errand) -> plumb_exec::Came {
        if let Task::Plan { nodes, .. } = &errand.task {
            self.0.push(nodes.clone());
        }
        Well.perform(errand)
    }

    fn node(&self) -> Option<String> {
        Some("eu-gw-007".to_owned())
    }
}

#[test]
fn a_rehearsal_answers_with_a_node_of_the_fleet() {
    let ask = "{id: which, title: Which, do: {question: {ask: Which node?, type: node}}}";
    let act =
        "{id: sync, title: Bring it back, do: {action: {verb: sync, nodes: '${answer.which}'}}}";
    let (_, plan) = plan_of(&document("guide", &[ask, act]), &[]);
    let mut fleet = Fleet::default();
    let rehearsal = rehearse(&plan, &mut fleet, clock::start());
    assert!(rehearsal.is_green(), "{rehearsal:?}");
    assert!(
        fleet.0.iter().all(|nodes| nodes == "eu-gw-007") && !fleet.0.is_empty(),
        "{:?}",
        fleet.0
    );
}

/// An answer that the step does not go on with ends the run as it is meant to.
#[test]
fn a_rehearsal_is_green_where_a_no_ends_the_run() {
    let ask = "{id: go, title: Go, do: {question: {ask: Now?, choices: ['yes', 'no']}}, \
               success: result.answer == 'yes'}";
    let (_, plan) = plan_of(&document("guide", &[ask, LOOK]), &[]);
    let rehearsal = rehearse(&plan, &mut Well, clock::start());
    let declined = json!({ "go": "no" });
    let run =
        rehearsal.runs.iter().find(|run| json!(run.answers) == declined && run.faults.is_empty());
    assert_eq!(run.and_then(|run| run.outcome), Some(Outcome::Aborted));
    assert!(rehearsal.is_green(), "{rehearsal:?}");
}
