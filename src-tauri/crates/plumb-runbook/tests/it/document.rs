//! Documents as people write them, and as others write them to do harm.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use insta::assert_snapshot;
use plumb_runbook::document::{
    self, Library, Parameter, RunbookPlan, RunbookPlanError, StepKind, Trusted, parse, substitute,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

pub(crate) const FRONT: &str = "title: Nodes differ\ncomponent: Policy Engine\nseverity: medium\n\
    on_call_scope: Platform team\nowners: {run: DevOps, approvals: [Storage]}\n\
    last_updated: 2026-01-17\nparameters:\n  - {name: version, type: version, ask: Which version?}\n";

pub(crate) fn text(front: &str, steps: &[&str]) -> String {
    let mut text = format!("---\n{front}---\n# Runbook\n");
    for step in steps {
        write!(text, "\nThen:\n\n```step\n{step}\n```\n").expect("writing to a string");
    }
    text
}

/// What is wrong with a document, one line an error.
pub(crate) fn check(text: &str) -> String {
    match parse(text) {
        Ok(document) => format!("fine, {} steps\n", document.steps.len()),
        Err(errors) => {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            lines.join("\n") + "\n"
        }
    }
}

pub(crate) const LOOK: &str =
    "id: look\ntitle: Look\ndo: {doctor: {check: check.policy.version-consistency}}";

#[test]
fn metacharacters_and_markup_stay_words() {
    let step = "id: run\ntitle: <script>alert(1)</script>\n\
                do: {command: {argv: [job, '$(reboot); `id` | ${version} && x']}}";
    let document = parse(&text(FRONT, &[step])).expect("fine");
    let StepKind::Command(command) = &document.steps[0].kind else { panic!("a command") };
    let values = BTreeMap::from([("version".to_owned(), "${version}; rm".to_owned())]);
    let word = substitute(&command.argv[1], &values).expect("known");
    assert_eq!(word, "$(reboot); `id` | ${version}; rm && x", "one word, filled in once");
}

#[test]
fn hostile_documents_are_refused_in_bounded_work() {
    let deep = format!("id: a\ntitle: A\ndo: {}", "{x: ".repeat(10_000));
    let bomb = "id: &a [x, x]\ntitle: [*a, *a]\ndo: [*a, *a]";
    let large = "x".repeat(document::DOCUMENT_BYTES_MAX + 1);
    let many = text(FRONT, &vec![LOOK; document::STEPS_MAX + 1]);
    let wide =
        format!("id: a\ntitle: A\nwhen: \"{}1\"\ndo: {{wait: {{seconds: 1}}}}", "-".repeat(500));
    for hostile in [text(FRONT, &[&deep]), text(FRONT, &[bomb]), large, many, text(FRONT, &[&wide])]
    {
        let errors = parse(&hostile).expect_err("refused");
        assert!(errors.len() <= document::ERRORS_MAX);
    }
}

#[test]
fn mutated_documents_are_read_or_refused() {
    let whole: Vec<Vec<u8>> = shipped().into_values().map(String::into_bytes).collect();
    let mut random = StdRng::seed_from_u64(17);
    for round in 0..150 {
        let mut bytes = whole[round % whole.len()].clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = b"{}[]:&*!|-`\n\"'#$"[random.random_range(0..16)],
                1 => drop(bytes.drain(at..(at + 20).min(bytes.len()))),
                _ => bytes.extend_from_within(at..(at + 40).min(bytes.len())),
            }
        }
        document::fuzz(&bytes);
    }
}

/// The runbooks that come with the program, by the name of their file.
#[expect(
    clippy::disallowed_methods,
    reason = "the library lies in the tree, and tests read it there"
)]
pub(crate) fn shipped() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/runbooks");
    let entries = fs::read_dir(folder).expect("the folder of runbooks");
    let files = entries.map(|entry| entry.expect("an entry").path());
    files
        .map(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            (name, fs::read_to_string(&path).expect("readable"))
        })
        .collect()
}

/// R046: every runbook is sound, and every link between two of them resolves.
#[test]
fn the_shipped_library_is_sound() {
    let mut library = Library::default();
    let mut wrong = String::new();
    for (file, text) in shipped() {
        match parse(&text) {
            Ok(document) => drop(library.documents.insert(file, document)),
            Err(errors) => {
                for error in errors {
                    writeln!(wrong, "{file}:{error}").expect("writing to a string");
                }
            }
        }
    }
    for (file, errors) in library.check() {
        for error in errors {
            writeln!(wrong, "{file}:{error}").expect("writing to a string");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    for file in ["policy-opa-crash.md", "policy-storage-unavailable.md"] {
        assert!(library.documents.contains_key(file), "R046 names {file}");
    }
}

/// A broken link, a missing parameter and a loop over three runbooks are found where they are written.
#[test]
fn a_library_finds_what_no_document_tells_alone() {
    let mut library = Library::default();
    for (file, calls) in [("a.md", "b.md"), ("b.md", "c.md"), ("c.md", "a.md"), ("d.md", "e.md")] {
        let front = format!("{FRONT}related: [{calls}]\n");
        let step = format!("id: call\ntitle: Call\ndo: {{runbook: {{file: {calls}}}}}");
        library.documents.insert(file.to_owned(), parse(&text(&front, &[&step])).expect("fine"));
    }
    let mut told = String::new();
    for (file, errors) in library.check() {
        for error in errors {
            writeln!(told, "{file}:{error}").expect("writing to a string");
        }
    }
    assert_snapshot!(told);
}

/// A plan that somebody else made of runbooks that run each other is refused, however they are written.
#[test]
fn runbooks_that_run_each_other_make_no_plan() {
    let call = |file: &str| format!("id: call\ntitle: Call\ndo: {{runbook: {{file: {file}}}}}");
    let front = FRONT.split("parameters:").next().expect("front matter");
    let documents = [("a.md", "b.md"), ("b.md", "a.md"), ("own.md", "own.md")];
    let documents: BTreeMap<String, String> =
        documents.map(|(file, calls)| (file.to_owned(), text(front, &[LOOK, &call(calls)]))).into();
    for runbook in ["a.md", "own.md"] {
        let plan = RunbookPlan {
            format: RunbookPlan::FORMAT,
            fleet: "prod-eu".parse().expect("a name"),
            environment: "production".to_owned(),
            runbook: runbook.to_owned(),
            documents: documents.clone(),
            parameters: BTreeMap::new(),
            hosts: BTreeSet::new(),
            trusted: Trusted::Shipped,
            made_at: jiff::Timestamp::UNIX_EPOCH,
        };
        assert_eq!(plan.compile().err(), Some(RunbookPlanError::TooDeep), "{runbook}");
    }
}

/// R076, R057, R062: the execution repeats its dry run but for the flag, and no phase is skipped.
#[test]
fn an_execution_that_differs_from_its_dry_run_is_refused() {
    let text = shipped().remove("supersedes-backfill.md").expect("shipped");
    assert!(parse(&text).is_ok());
    let (head, execute) = text.split_once("id: backfill\n").expect("the execution");
    let other = format!("{head}id: backfill\n{}", execute.replacen("=500", "=5000", 1));
    assert!(check(&other).contains("this differs from its dry run by more than --dry-run"));
    let skipped = text.replace("phase: validate", "phase: execute");
    assert!(check(&skipped).contains("a rollout has a step of the phase validate"));
    let turned = text.replacen("phase: freeze", "phase: unfreeze", 1);
    assert!(check(&turned).contains("comes before unfreeze"));
}

/// A run that began when a rollout was held to the names of its phases alone is read for ever; no new one is made so.
#[test]
fn a_plan_of_the_first_format_is_read_by_the_rules_of_then() {
    let whole = shipped().remove("supersedes-backfill.md").expect("shipped");
    let text = whole.replace("do: {unfreeze: {step: freeze}}", "do: {attest: {what: it runs}}");
    let compiled = |format: u32| {
        let given = [("expected", "3".to_owned()), ("index_log", "0".repeat(64))];
        let plan = RunbookPlan {
            format,
            fleet: "prod-eu".parse().expect("a name"),
            environment: "production".to_owned(),
            runbook: "it.md".to_owned(),
            documents: BTreeMap::from([("it.md".to_owned(), text.clone())]),
            parameters: given.map(|(name, value)| (name.to_owned(), value)).into(),
            hosts: BTreeSet::new(),
            trusted: Trusted::Shipped,
            made_at: jiff::Timestamp::UNIX_EPOCH,
        };
        plan.compile().map(|compiled| compiled.steps.len()).map_err(|error| error.to_string())
    };
    assert!(compiled(1).is_ok_and(|steps| steps > 20));
    let refused = compiled(RunbookPlan::FORMAT).expect_err("it never lifts its freeze");
    assert!(refused.contains("the freeze freeze is lifted by an unfreeze"), "{refused}");
}

#[test]
fn conditions_are_answered_with_yes_or_no_only() {
    use plumb_runbook::document::{Expression, Scope};
    let scope = Scope {
        steps: ["count".to_owned()].into(),
        parameters: ["expected".to_owned()].into(),
        result: false,
    };
    let values = BTreeMap::from([
        ("steps".to_owned(), serde_json::json!({"count": {"new": 7}})),
        ("params".to_owned(), serde_json::json!({"expected": 7})),
    ]);
    let ask = |text: &str| Expression::parse(text, &scope).map(|e| e.holds(&values));
    assert_eq!(ask("steps.count.new == params.expected"), Ok(Ok(true)));
    assert_eq!(ask("steps.count.new > 7"), Ok(Ok(false)));
    assert!(matches!(ask("steps.count.old > 7"), Ok(Err(_))), "unknown is not no");
    assert!(matches!(ask("steps.count.new"), Ok(Err(_))), "a number is neither");
    assert!(matches!(ask("9223372036854775807 + 1 > 0"), Ok(Err(_))), "no silent overflow");
}

#[test]
fn parameters_take_values_of_their_type_only() {
    let front: Vec<Parameter> = parse(&text(FRONT, &[LOOK])).expect("fine").front.parameters;
    assert_eq!(front[0].refuses("v1.2"), None);
    assert_eq!(front[0].refuses(""), Some("version is a version".to_owned()));
}
