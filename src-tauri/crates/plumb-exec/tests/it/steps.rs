//! Runs of runbooks against a world that answers well, badly or not at all, held to a small model.

mod rehearsing;
mod shipped;
mod taken_back;
mod words;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use jiff::SignedDuration;
use plumb_exec::{
    Left, StepOrder, StepOrderError, StepSetting, StepWish, StepsState, fold_steps, perform_steps,
    step_desk,
    steps::{SignedStart, StepPhase},
};
use plumb_journal::{Entry, Event, Outcome, StepEvent};
use plumb_runbook::document::{Compiled, RunbookPlan, StepEffect};
use plumb_testkit::{clock, ids::SeededIds};
use proptest::prelude::*;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::world::*;

#[tokio::test(start_paused = true)]
async fn a_rollout_goes_through_its_phases_in_their_order() {
    // R076, R054, R072, R091
    let plan = plan_of(&backfill(), &[]);
    let world = good();
    let (left, entries) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::Succeeded), "{}", phases(&plan.1, &entries));
    assert_eq!(world.performed(), ["freeze", "count", "job", "check", "absent", "unfreeze"]);
    let announced = entries.iter().position(|entry| {
        matches!(&entry.body.event, Event::Step { happened: StepEvent::Announced { .. }, .. })
    });
    let frozen = entries.iter().position(|entry| {
        matches!(&entry.body.event, Event::Step { happened: StepEvent::Frozen { .. }, .. })
    });
    let (announced, frozen) = (announced.expect("announced"), frozen.expect("frozen"));
    let ahead = entries[frozen].body.at.duration_since(entries[announced].body.at);
    assert!(ahead >= SignedDuration::from_hours(24), "a day ahead, not {ahead}");
    assert_eq!(
        plumb_journal::verify(entries[0].body.run, &entries),
        plumb_journal::ChainVerdict::Complete { events: entries.len() as u64 }
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_takes_back_what_was_written_and_keeps_the_freeze_meanwhile() {
    // R077-R079
    let plan = plan_of(&backfill(), &[]);
    let mut world = good();
    world.results.insert("job".to_owned(), json!({ "exit": 0, "errors": 2 }));
    let (left, entries) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::RolledBack), "{}", phases(&plan.1, &entries));
    assert_eq!(world.performed(), ["freeze", "count", "job", "remove", "unfreeze"]);
    let said = world.said.lock().expect("nobody panicked").clone();
    let remove = said.iter().find(|(step, _)| step == "remove").expect("it was removed");
    assert!(remove.1.contains_key("run.window_start") && remove.1.contains_key("run.window_end"));
    assert!(fold_steps(&entries).frozen().next().is_none(), "the freeze is lifted");
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_fails_has_a_second_level() {
    // R080
    let plan = plan_of(&backfill(), &[]);
    let mut world = good();
    world.fails.extend(["job".to_owned(), "remove".to_owned()]);
    let (left, entries) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::RolledBack), "{}", phases(&plan.1, &entries));
    let state = fold_steps(&entries);
    assert_eq!(state.step("restore").and_then(|run| run.by.as_deref()), Some("ana"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_dry_run_is_never_followed_by_the_real_one() {
    let plan = plan_of(&backfill(), &[("expected", "4")]);
    let world = good();
    let (left, entries) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Open);
    assert_eq!(world.performed(), ["freeze", "count"]);
    let state = fold_steps(&entries);
    let halted = state.halted.expect("it halted");
    assert!(halted.reason.contains("result.new == params.expected does not hold"), "{halted:?}");
}

/// R076: what the document promises is not believed once more: the real command is held to the one that was run dry, as
/// the journal has it.
#[tokio::test(start_paused = true)]
async fn the_real_one_is_refused_when_another_batch_size_was_run_dry() {
    let plan = plan_of(&backfill(), &[]);
    let (left, entries) = run_on(&plan, &good(), &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::Succeeded));
    let after_dry_run = |entry: &&Entry| !matches!(&entry.body.event, Event::Step { step, happened: StepEvent::Started { .. } } if step == "job");
    let before: Vec<Entry> = entries.iter().take_while(after_dry_run).cloned().collect();
    let other = |size: &str| -> Vec<Entry> {
        let run_dry = |mut entry: Entry| {
            if let Event::Step { step, happened: StepEvent::Started { effect, .. } } =
                &mut entry.body.event
                && step == "count"
                && let StepEffect::Run { argv, .. } = effect
            {
                for word in argv.iter_mut().filter(|word| word.starts_with("--batch-size")) {
                    *word = format!("--batch-size={size}");
                }
            }
            entry
        };
        before.iter().cloned().map(run_dry).collect()
    };
    let same = good();
    let (left, _) = run_on(&plan, &same, &other("500"), &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::Succeeded), "the same size goes on");
    assert!(same.performed().contains(&"job".to_owned()));
    let changed = good();
    let (left, entries) = run_on(&plan, &changed, &other("50"), &BTreeMap::new()).await;
    assert_ne!(left, Left::Ended(Outcome::Succeeded));
    assert!(!changed.performed().contains(&"job".to_owned()), "{:?}", changed.performed());
    let told = phases(&plan.1, &entries);
    assert!(told.contains("refused: it differs from its dry run by more than --dry-run"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_figure_out_of_its_limits_stops_the_job_and_goes_back() {
    // R089
    let plan = plan_of(&backfill(), &[]);
    let mut world = good();
    world.figure = Some(61.0);
    world.endless.insert("job".to_owned());
    let (left, entries) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::RolledBack), "{}", phases(&plan.1, &entries));
    let state = fold_steps(&entries);
    assert_eq!(
        state.step("job").map(|run| run.detail.as_str()),
        Some("stopped: lag: 61 is above 60")
    );
}

#[tokio::test(start_paused = true)]
async fn a_figure_beside_a_wait_is_asked_once_a_look() {
    let soak = "{id: soak, title: Soak, do: {wait: {seconds: 12}}, \
                monitors: [{title: lag, source: prometheus, query: lag, max: 60, every_s: 5}]}";
    let plan = plan_of(&document("guide", &[soak]), &[]);
    let world = good();
    let (left, entries) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::Succeeded), "{}", phases(&plan.1, &entries));
    assert_eq!(world.looks.load(Ordering::Relaxed), 3, "at once, after 5 s and after 10 s");
}

#[tokio::test(start_paused = true)]
async fn a_figure_that_nobody_tells_stops_the_job_too() {
    let plan = plan_of(&backfill(), &[]);
    let mut world = good();
    world.figure = None;
    world.endless.insert("job".to_owned());
    let (left, _) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::RolledBack));
}

#[tokio::test(start_paused = true)]
async fn a_mutating_command_in_doubt_is_taken_back_and_never_sent_again() {
    let plan = plan_of(&backfill(), &[]);
    let mut world = good();
    world.doubts.insert("job".to_owned());
    let (left, _) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::RolledBack));
    assert_eq!(world.performed().iter().filter(|step| *step == "job").count(), 1);
}

/// A journal of a rollout up to an event, after which somebody lifted its freeze by hand.
async fn lifted_after(
    plan: &(RunbookPlan, Compiled),
    is_last: impl Fn(&str, &StepEvent) -> bool,
) -> Vec<Entry> {
    let (_, whole) = run_on(plan, &good(), &[], &BTreeMap::new()).await;
    let last = whole.iter().position(|entry| {
        matches!(&entry.body.event, Event::Step { step, happened } if is_last(step, happened))
    });
    let mut entries = whole[..=last.expect("it comes to that")].to_vec();
    let (by, reason) = ("sam".to_owned(), "the guild is done".to_owned());
    let event =
        Event::Step { step: "freeze".to_owned(), happened: StepEvent::Lifted { by, reason } };
    let at = entries.last().expect("it is not the first").body.at;
    let mut head = plumb_journal::head(SeededIds::new("steps").run(), &entries);
    entries.push(head.append(at, event));
    entries
}

#[tokio::test(start_paused = true)]
async fn nothing_is_changed_once_the_freeze_was_lifted_by_hand() {
    let plan = plan_of(&backfill(), &[]);
    let before =
        lifted_after(&plan, |step, is| step == "count" && matches!(is, StepEvent::Finished { .. }))
            .await;
    assert!(fold_steps(&before).lifted_by_hand());
    let world = good();
    let (left, entries) = run_on(&plan, &world, &before, &BTreeMap::new()).await;
    assert_eq!(left, Left::Open, "{}", phases(&plan.1, &entries));
    assert_eq!(world.performed(), Vec::<String>::new());
    let halted = fold_steps(&entries).halted.expect("it halted");
    assert!(halted.reason.contains("was lifted by hand"), "{halted:?}");
}

#[tokio::test(start_paused = true)]
async fn what_leads_back_goes_on_once_the_freeze_was_lifted_by_hand() {
    let plan = plan_of(&backfill(), &[]);
    let before =
        lifted_after(&plan, |step, is| step == "job" && matches!(is, StepEvent::Finished { .. }))
            .await;
    // The check only reads; what leads back is never refused.
    let mut world = good();
    world.fails.insert("check".to_owned());
    let (left, entries) = run_on(&plan, &world, &before, &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::RolledBack), "{}", phases(&plan.1, &entries));
    assert_eq!(world.performed(), ["check", "remove", "unfreeze"]);
    assert!(!fold_steps(&entries).lifted_by_hand(), "the run lifted it as well");
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_the_journal_does_not_tell_of_can_be_lifted() {
    let plan = plan_of(&backfill(), &[]);
    let before = lifted_after(&plan, |step, is| {
        step == "freeze" && matches!(is, StepEvent::Started { .. } | StepEvent::Announced { .. })
    })
    .await;
    let state = fold_steps(&before);
    assert!(state.lifted_by_hand() && state.frozen().next().is_none());
}

/// Runs to the end, then again from every prefix of the journal: as after a crash at that event.
async fn every_prefix(plan: &(RunbookPlan, Compiled), world: &World) {
    every_prefix_of(plan, world, &BTreeMap::new()).await;
}

/// The same where people give these answers. Gives the journal of the whole run.
async fn every_prefix_of(
    plan: &(RunbookPlan, Compiled),
    world: &World,
    answers: &BTreeMap<&str, &str>,
) -> Vec<Entry> {
    let (_, whole) = run_on(plan, world, &[], answers).await;
    for cut in 0..whole.len() {
        let before = &whole[..cut];
        let started: BTreeSet<String> = (before.iter())
            .filter_map(|entry| match &entry.body.event {
                Event::Step { step, happened: StepEvent::Started { effect, .. } }
                    if effect.mutates() && !effect.is_idempotent() =>
                {
                    Some(step.clone())
                }
                _ => None,
            })
            .collect();
        let again = World { performed: Arc::default(), said: Arc::default(), ..world.clone() };
        let (left, entries) = run_on(plan, &again, before, answers).await;
        let acts = |step: &String| {
            plan.1.place(step).is_some_and(|at| {
                matches!(plan.1.steps[at].step.kind, plumb_runbook::document::StepKind::Action(_))
            })
        };
        for step in again.performed().iter().filter(|step| !acts(step)) {
            assert!(!started.contains(step), "{step} was sent again after event {cut}");
        }
        let state = fold_steps(&entries);
        assert!(
            matches!(left, Left::Ended(_)) || state.halted.is_some(),
            "after event {cut} it neither ended nor says what it waits for:\n{}",
            phases(&plan.1, &entries)
        );
        assert!(
            state.outcome.is_none() || state.frozen().next().is_none(),
            "after event {cut} it ended frozen"
        );
    }
    whole
}

#[tokio::test(start_paused = true)]
async fn every_prefix_of_a_rollout_resumes() {
    let plan = plan_of(&backfill(), &[]);
    every_prefix(&plan, &good()).await;
    let mut world = good();
    world.fails.extend(["check".to_owned(), "remove".to_owned()]);
    every_prefix(&plan, &world).await;
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_taken_by_an_answer_that_stands_in_the_journal() {
    let text = document(
        "guide",
        &[
            "{id: cause, title: Cause, do: {question: {ask: Which?, choices: [one, two, three]}}}",
            "{id: branch, title: Branch, do: {branch: {arms: [{title: One, when: steps.cause.answer == 'one', steps: [a, b]}, {title: Two, when: steps.cause.answer == 'two', steps: [c]}, {title: Rest}]}}}",
            "{id: a, title: A, do: {doctor: {check: check.a}}}",
            "{id: b, title: B, do: {action: {verb: restart, nodes: all}}}",
            "{id: c, title: C, do: {doctor: {check: check.c}}, retry: {tries: 3, every_s: 5}}",
            "{id: end, title: End, do: {parallel: {steps: [x, y]}}}",
            "{id: x, title: X, do: {doctor: {check: check.x}}}",
            "{id: y, title: Y, do: {doctor: {check: check.y}}}",
        ],
    );
    let plan = plan_of(&text, &[]);
    for (answer, performed) in [
        // An action is planned, confirmed by its phrase, and only then carried out.
        ("one", vec!["a", "b", "b", "x", "y"]),
        ("two", vec!["c", "x", "y"]),
        ("three", vec!["x", "y"]),
    ] {
        let world = World::default();
        let (left, entries) =
            run_on(&plan, &world, &[], &BTreeMap::from([("cause", answer)])).await;
        assert_eq!(left, Left::Ended(Outcome::Succeeded), "{}", phases(&plan.1, &entries));
        assert_eq!(world.performed(), performed);
    }
    every_prefix(&plan, &World::default()).await;
    let mut silent = World::default();
    silent.fails.insert("c".to_owned());
    let (left, entries) = run_on(&plan, &silent, &[], &BTreeMap::from([("cause", "two")])).await;
    assert_eq!((left, rehearsed(&entries)), (Left::Open, None));
    assert_eq!(silent.performed(), ["c", "c", "c"], "a fixed number of tries");
}

#[tokio::test(start_paused = true)]
async fn two_groups_take_two_people_and_never_the_runner() {
    // R091, R092
    let plan = plan_of(&backfill(), &[]);
    let run = SeededIds::new("roles").run();
    let paper = Paper::new(run, &[]);
    let (desk, orders) = step_desk();
    let cancel = CancellationToken::new();
    let world = good();
    let clock = clock::FixedClock::at(clock::start());
    let setting = StepSetting {
        handler: &world,
        journal: &paper,
        clock: &clock,
        cancel: &cancel,
        orders,
        entries: &[],
        operator: "runner",
        signed: None,
        told: &tokio::sync::watch::channel(StepsState::default()).0,
    };
    let performing = perform_steps(run, (&plan.0, &plan.1), setting);
    let order = |by: &str, group: &str, to: &str| StepOrder {
        by: by.to_owned(),
        groups: BTreeSet::from([group.to_owned()]),
        what: StepWish::Approve {
            step: "consent".to_owned(),
            group: to.to_owned(),
            envelope: None,
        },
    };
    let asking = async {
        let attest = StepWish::Attest {
            step: "index".to_owned(),
            note: "log 1f".to_owned(),
            envelope: None,
        };
        let groups = BTreeSet::new();
        desk.give(StepOrder { by: "ana".to_owned(), groups, what: attest })
            .await
            .expect("attested");
        let refused = desk.give(order("runner", "Storage", "Storage")).await;
        assert_eq!(refused, Err(StepOrderError::Runner));
        let refused = desk.give(order("eve", "Network", "Storage")).await;
        assert_eq!(refused, Err(StepOrderError::NotOfGroup { group: "Storage".to_owned() }));
        desk.give(order("sam", "Storage", "Storage")).await.expect("one of two");
        let refused = desk.give(order("sam", "Security", "Security")).await;
        assert!(matches!(refused, Err(StepOrderError::Twice { .. })), "{refused:?}");
        assert!(!world.performed().contains(&"freeze".to_owned()));
        desk.give(order("kim", "Security", "Security")).await.expect("two of two");
        cancel.cancel();
    };
    let (left, ()) = tokio::join!(performing, asking);
    assert_eq!(left.expect("a journal"), Left::Open);
}

/// Whoever signed the start is the runner, whatever name its first event or its resumer has.
#[tokio::test(start_paused = true)]
async fn who_signed_the_start_is_the_runner_and_stays_it() {
    let plan = plan_of(&backfill(), &[]);
    let run = SeededIds::new("signed").run();
    let paper = Paper::new(run, &[]);
    let cancel = CancellationToken::new();
    let (world, clock) = (good(), clock::FixedClock::at(clock::start()));
    let signed = SignedStart { by: "sam".to_owned(), envelope: "by sam".to_owned() };
    let other = SignedStart { by: "eve".to_owned(), envelope: "by eve".to_owned() };
    for (operator, signed) in [("runner", &signed), ("eve", &other)] {
        let (desk, orders) = step_desk();
        let entries = paper.entries();
        let setting = StepSetting {
            handler: &world,
            journal: &paper,
            clock: &clock,
            cancel: &cancel,
            orders,
            entries: &entries,
            operator,
            signed: Some(signed),
            told: &tokio::sync::watch::channel(StepsState::default()).0,
        };
        let consent = |by: &str| StepOrder {
            by: by.to_owned(),
            groups: BTreeSet::from(["Storage".to_owned()]),
            what: StepWish::Approve {
                step: "consent".to_owned(),
                group: "Storage".to_owned(),
                envelope: None,
            },
        };
        let saying = async {
            if entries.is_empty() {
                let note = "log 1f".to_owned();
                let what = StepWish::Attest { step: "index".to_owned(), note, envelope: None };
                let (by, groups) = ("ana".to_owned(), BTreeSet::new());
                desk.give(StepOrder { by, groups, what }).await.expect("attested");
            }
            assert_eq!(desk.give(consent("sam")).await, Err(StepOrderError::Runner));
            drop(desk);
        };
        let performing = perform_steps(run, (&plan.0, &plan.1), setting);
        let (left, ()) = tokio::join!(performing, saying);
        assert_eq!(left.expect("a journal"), Left::Open);
    }
    let state = fold_steps(&paper.entries());
    assert_eq!((state.runner(), state.operator.as_str()), ("sam", "runner"));
    assert_eq!(state.signed.map(|signed| signed.envelope).as_deref(), Some("by sam"));
}

#[tokio::test(start_paused = true)]
async fn a_question_takes_a_choice_of_its_group_and_halts_when_nobody_answers_in_time() {
    let ask = "{id: ask, title: Ask, do: {question: {ask: 'How?', choices: [by hand, at once], \
               who: Platform Team, until_s: 60}}}";
    let plan = plan_of(&document("guide", &[ask]), &[]);
    let run = SeededIds::new("question").run();
    let paper = Paper::new(run, &[]);
    let (desk, orders) = step_desk();
    let cancel = CancellationToken::new();
    let (world, clock) = (World::default(), clock::FixedClock::at(clock::start()));
    let (tell, mut told) = tokio::sync::watch::channel(StepsState::default());
    let setting = StepSetting {
        handler: &world,
        journal: &paper,
        clock: &clock,
        cancel: &cancel,
        orders,
        entries: &[],
        operator: "runner",
        signed: None,
        told: &tell,
    };
    let answer = |group: &str, answer: &str| StepOrder {
        by: "ana".to_owned(),
        groups: BTreeSet::from([group.to_owned()]),
        what: StepWish::Answer {
            step: "ask".to_owned(),
            answer: answer.to_owned(),
            envelope: None,
        },
    };
    let saying = async {
        let refused = desk.give(answer("storage", "by hand")).await;
        let group = "Platform Team".to_owned();
        assert_eq!(refused, Err(StepOrderError::NotOfGroup { group }));
        let refused = desk.give(answer("Platform Team", "by foot")).await;
        assert!(matches!(refused, Err(StepOrderError::NoChoice { .. })), "{refused:?}");
        told.wait_for(|state| state.halted.is_some()).await.expect("it goes on");
        // What comes too late is not taken; asked anew, it is.
        let late = desk.give(answer("platform-team", "by hand")).await;
        assert_eq!(late, Err(StepOrderError::NotAsked { step: "ask".to_owned() }));
        let (by, groups) = ("ana".to_owned(), BTreeSet::new());
        let what = StepWish::Again { step: "ask".to_owned() };
        desk.give(StepOrder { by, groups, what }).await.expect("it is asked anew");
        told.wait_for(|state| state.phase("ask") == StepPhase::Running).await.expect("asked");
        desk.give(answer("platform-team", "by hand")).await.expect("as the roster writes it");
    };
    let performing = perform_steps(run, (&plan.0, &plan.1), setting);
    let (left, ()) = tokio::join!(performing, saying);
    assert_eq!(left.expect("a journal"), Left::Ended(Outcome::Succeeded));
    let entries = paper.entries();
    let at = |holds: fn(&StepEvent) -> bool| {
        let found = entries.iter().find(
            |entry| matches!(&entry.body.event, Event::Step { happened, .. } if holds(happened)),
        );
        found.expect("it happened").body.at
    };
    let asked = at(|happened| matches!(happened, StepEvent::Started { .. }));
    let failed = at(|happened| matches!(happened, StepEvent::Finished { .. }));
    assert_eq!(failed.duration_since(asked), SignedDuration::from_secs(60));
}

/// A guide made of a few kinds of steps, with faults in the world.
#[derive(Debug, Clone)]
struct Model {
    /// Kind of each step.
    kinds: Vec<u8>,
    fails: BTreeSet<usize>,
}

impl Model {
    fn text(&self) -> String {
        let steps: Vec<String> = (self.kinds.iter().enumerate())
            .map(|(at, kind)| {
                let does = match kind {
                    0 => "{command: {argv: [look], reads_only: true}}".to_owned(),
                    1 => "{command: {argv: [change]}}".to_owned(),
                    2 => "{attest: {what: all is well}}".to_owned(),
                    _ => "{wait: {seconds: 5}}".to_owned(),
                };
                let when = if at % 3 == 2 { ", when: params.expected == 4" } else { "" };
                format!("{{id: s{at}, title: S, do: {does}{when}}}")
            })
            .collect();
        document("guide", &steps.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn is_skipped(at: usize) -> bool {
        at % 3 == 2
    }

    fn world(&self) -> World {
        let fails = self.fails.iter().map(|at| format!("s{at}")).collect();
        World { fails, ..World::default() }
    }

    /// What has to be performed, and whether the end is reached.
    fn expected(&self) -> (Vec<String>, bool) {
        let mut performed = Vec::new();
        for (at, kind) in self.kinds.iter().enumerate() {
            if Self::is_skipped(at) {
                continue;
            }
            if *kind <= 1 {
                performed.push(format!("s{at}"));
                if self.fails.contains(&at) {
                    return (performed, false);
                }
            }
        }
        (performed, true)
    }
}

fn models() -> impl Strategy<Value = Model> {
    let kinds = proptest::collection::vec(0_u8..4, 1..9);
    let fails = proptest::collection::btree_set(0_usize..9, 0..2);
    (kinds, fails).prop_map(|(kinds, fails)| Model { kinds, fails })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_guide_does_what_a_small_model_says_and_resumes_from_everywhere(model in models()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let plan = plan_of(&model.text(), &[]);
            let world = model.world();
            let (left, entries) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
            let (performed, to_the_end) = model.expected();
            assert_eq!(world.performed(), performed);
            assert_eq!(left == Left::Ended(Outcome::Succeeded), to_the_end);
            assert!(entries.len() > 2);
            every_prefix(&plan, &model.world()).await;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_thousand_steps_resumes_in_no_time() {
    let step = |at: usize| {
        format!("{{id: s{at}, title: S, do: {{command: {{argv: [look], reads_only: true}}}}}}")
    };
    let steps: Vec<String> = (0..1_000).map(step).collect();
    let text = document("guide", &steps.iter().map(String::as_str).collect::<Vec<_>>());
    let plan = plan_of(&text, &[]);
    let (left, entries) = run_on(&plan, &World::default(), &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::Succeeded));
    let cut = &entries[..entries.len() - 2];
    let began = std::time::Instant::now();
    let state = fold_steps(cut);
    let noted = plumb_exec::steps::NotedSteps::default();
    let next = plumb_exec::steps::next_step(&plan.1, &state, &noted, clock::start());
    assert!(matches!(next, plumb_exec::steps::Move::Perform(_)), "{next:?}");
    assert!(began.elapsed() < std::time::Duration::from_millis(100), "{:?}", began.elapsed());
}
