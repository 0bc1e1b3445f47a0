//! Every error of documents, libraries and plans, as people read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use insta::assert_snapshot;
use plumb_runbook::document::{
    self, Expression, Library, RunbookPlan, Scope, Trusted, Values, parse, substitute,
};

use crate::document::{FRONT, LOOK, check, shipped, text};

fn with(step: &str) -> String {
    check(&text(FRONT, &[LOOK, &format!("id: second\ntitle: Second\n{step}")]))
}

/// Steps that are wrong, each for one reason.
const WRONG: [&str; 68] = [
    "do: {wait: {seconds: 0}}",
    "do: {doctor: {check: version}}",
    "do: {doctor: {chek: version}}",
    "do: {dance: {}}",
    "do: {wait: {seconds: 5}}\nwhenever: true",
    "do: {action: {verb: pin, nodes: all}}",
    "do: {action: {verb: sync, nodes: all, version: v1}}",
    "do: {action: {verb: set_config, nodes: all, key: a}}",
    "do: {action: {verb: pin, nodes: all, version: '${verison}'}}",
    "do: {action: {verb: pin, nodes: all, version: '${version'}}",
    "do: {action: {verb: sync, nodes: all}}\nretry: {tries: 3, every_s: 1}",
    "do: {wait: {seconds: 5}}\nretry: {tries: 1, every_s: 1}",
    "do: {query: {source: nodes, query: up}}",
    "do: {query: {source: nodes, query: up, min: 2, max: 1}}",
    "do: {http: {method: GET, url: 'file:///etc/passwd'}}",
    "do: {http: {method: GET, url: 'https://me:pw@host/'}}",
    "do: {http: {method: GET, url: 'https://${version}/'}}",
    "do: {http: {method: GET, url: 'https://host/', headers: {Authorization: Bearer x}}}",
    "do: {command: {argv: []}}",
    "do: {command: {argv: [/bin/sh, -c, 'rm -rf /']}}",
    "do: {command: {argv: [ls], folder: ../..}}",
    "do: {command: {argv: [job], repeats: {step: look, without: --dry-run}}}",
    "do: {capture: {from: {result: look}, into: /etc/cron.d/x}}",
    "do: {capture: {from: {result: look}, into: ../x.json}}",
    "do: {capture: {from: {file: a/../../b}, into: x.json}}",
    "do: {capture: {from: {result: later}, into: x.json}}",
    "do: {capture: {from: {result: look}, into: '${version}.json'}}",
    "do: {question: {ask: Which?, choices: [one]}}",
    "do: {branch: {arms: [{title: a, when: 'true'}]}}",
    "do: {branch: {arms: [{title: a}, {title: b}]}}",
    "do: {branch: {arms: [{title: a, when: 'steps.look.ok', steps: [look]}, {title: b}]}}",
    "do: {parallel: {steps: [look]}}",
    "do: {unfreeze: {step: look}}",
    "do: {freeze: {reason: x, lease_s: 0}}",
    "do: {announce: {to: team, text: ''}}",
    "do: {attest: {what: ''}}",
    "do: {wait: {seconds: 5}}\nrollback: look",
    "do: {wait: {seconds: 5}}\nwhen: steps.later.ok",
    "do: {wait: {seconds: 5}}\nwhen: '1 +'",
    "do: {wait: {seconds: 5}}\nwhen: '[1].all(x, x > 0)'",
    "do: {wait: {seconds: 5}}\nwhen: exec('x')",
    "do: {wait: {seconds: 5}}\nwhen: ''",
    "do: {wait: {seconds: 5}}\nwhen: '((((((((((((((1))))))))))))))'",
    "do: {wait: {seconds: &a 5}}",
    "do: {action: {verb: pin, nodes: all, version: v1, force: true}}",
    "do: {action: {verb: sync, nodes: ' '}}",
    "do: {query: {source: nodes, query: ' ', max: 1}}",
    "do: {query: {source: nodes, query: up, max: 0.0001}}",
    "do: {command: {argv: [job, \"a\\0b\"]}}",
    "do: {command: {argv: ['${version}']}}",
    "do: {command: {argv: [job], output_bytes_max: 0}}",
    "do: {command: {argv: [job], timeout_s: 0}}",
    "do: {approval: {what: x, until_s: 0}}",
    "do: {question: {ask: x, until_s: 0}}",
    "do: {attest: {what: x, until_s: 0}}",
    "do: {doctor: {check: check.a}}\nmonitors: [{title: Up, source: nodes, query: up, max: 1}]",
    "do: {wait: {seconds: 5}}\nmonitors: [{title: Up, source: nodes, query: up}]",
    "do: {wait: {seconds: 5}}\nmonitors: [{title: Up, source: nodes, query: up, max: 1, every_s: 0}]",
    "do: {wait: {seconds: 5, holds: later}}",
    "do: {wait: {seconds: 5}}\nwhen: 'a{b: 1}'",
    "do: {question: {ask: x, type: number}}",
    "do: {question: {ask: x, type: choice}}",
    "do: {question: {ask: x, type: integer, choices: ['1', '2']}}",
    "do: {wait: {seconds: 5, holds: 'true'}}",
    "do: {branch: {arms: [{title: a, when: 'true'}, {title: b}]}}\nsuccess: 'true'",
    "do: {branch: {arms: [{title: a, when: 'true'}, {title: b}]}}\nretry: {tries: 3, every_s: 1}",
    "do: {runbook: {file: other.md}}\nsuccess: 'true'",
    "do: {runbook: {file: other.md}}\nretry: {tries: 3, every_s: 1}",
];

/// What is said of each of them, and of front matter and whole documents that are wrong.
fn of_documents() -> String {
    let mut told = String::new();
    for step in WRONG {
        write!(told, "{step}\n{}\n", with(step)).expect("writing to a string");
    }
    for front in [
        FRONT.replace("severity: medium", "severity: bad"),
        FRONT.replace("title: Nodes differ\n", ""),
        FRONT.replace("2026-01-17", "17 January"),
        FRONT.replace("[Storage]", "[DevOps]"),
        format!("{FRONT}related: [../other.md]\n"),
        format!("{FRONT}artifacts: ../../etc\n"),
        format!("{FRONT}  - {{name: version, type: text, ask: Again?}}\n"),
        format!("{FRONT}  - {{name: No, type: text, ask: Name?}}\n"),
        format!("{FRONT}  - {{name: many, type: integer, ask: How many?, default: few}}\n"),
        format!("{FRONT}title: Twice\n"),
        format!("{FRONT}kind: rollout\n"),
        FRONT.replace("title: Nodes differ", "title: ' '"),
        format!("{FRONT}  - {{name: which, type: choice, ask: Which?, choices: [one]}}\n"),
        format!("{FRONT}  - {{name: which, type: text, ask: Which?, choices: [one, two]}}\n"),
        format!("{FRONT}  - {{name: any, type: choice, ask: Any?, choices: [a, b], default: c}}\n"),
        format!("{FRONT}  - {{name: yes_or_no, type: boolean, ask: Really?, default: maybe}}\n"),
        format!("{FRONT}  - {{name: one, type: node, ask: Which?, default: 'a b'}}\n"),
        format!("{FRONT}  - {{name: next, type: version, ask: Which?, default: ''}}\n"),
        format!("{FRONT}  - {{name: log, type: digest, ask: Which?, default: 9f86}}\n"),
        format!("{FRONT}  - {{name: word, type: text, ask: Which?, default: ''}}\n"),
    ] {
        let last = front.lines().last().unwrap_or_default();
        write!(told, "{last}\n{}\n", check(&text(&front, &[LOOK]))).expect("writing to a string");
    }
    for whole in
        ["", "# no front\n", "---\ntitle: x\n", &text(FRONT, &[]), &text(FRONT, &[LOOK, LOOK])]
    {
        writeln!(told, "{}", check(whole)).expect("writing to a string");
    }
    // Side by side are checks alone, and only nodes come from answers of questions further up.
    let ask = "id: ask\ntitle: Ask\ndo: {question: {ask: 'Which?'}}";
    let beside = "id: beside\ntitle: Beside\ndo: {parallel: {steps: [ask, rest]}}\nsuccess: 'true'";
    let rest = "id: rest\ntitle: Rest\ndo: {wait: {seconds: 5}}";
    let act = |given: &str| format!("id: act\ntitle: Act\ndo: {{action: {{{given}}}}}");
    let steps = |act: &str| text(FRONT, &[rest, ask, act]);
    for whole in [
        text(FRONT, &[beside, ask, rest]),
        steps(&act("verb: sync, nodes: '${answer.rest}'")),
        steps(&act("verb: pin, version: '${answer.ask}', nodes: all")),
        steps("id: act\ntitle: Act\ndo: {command: {argv: [job, '${answer.ask}']}}"),
    ] {
        writeln!(told, "{}", check(&whole)).expect("writing to a string");
    }
    let open = text(FRONT, &[LOOK]).replace("\n```\n", "\n");
    write!(told, "{}{}", check(&open), check(&text(FRONT, &["id: a\u{202e}"]))).expect("a string");
    told
}

/// Steps of one document that are wrong together, with what is wrong in front.
fn of_steps_together() -> String {
    let dry = |argv: &str| format!("id: dry\ntitle: Dry\ndo: {{command: {{argv: [{argv}]}}}}");
    let real = "id: real\ntitle: Real\n\
                do: {command: {argv: [job, -n=5], repeats: {step: dry, without: --dry-run}}}";
    let beside = "id: beside\ntitle: Beside\ndo: {parallel: {steps: [sync, last]}}";
    let again = "id: again\ntitle: Again\ndo: {parallel: {steps: [sync, last]}}";
    let sync = "id: sync\ntitle: Sync\ndo: {action: {verb: sync, nodes: all}}";
    let last = "id: last\ntitle: Last\ndo: {doctor: {check: check.policy.version-consistency}}";
    let monitor = "{title: Up, source: nodes, query: up, max: 1},";
    let many = format!("do: {{wait: {{seconds: 5}}}}\nmonitors: [{}]", monitor.repeat(17));
    let words = format!("do: {{command: {{argv: [{}]}}}}", "job,".repeat(257));
    let mut told = String::new();
    for (what, said) in [
        ("a dry run without its flag", check(&text(FRONT, &[&dry("job, -n=5"), real]))),
        ("another dry run", check(&text(FRONT, &[&dry("job, -n=6, --dry-run"), real]))),
        ("a change beside a look", check(&text(FRONT, &[LOOK, beside, sync, last]))),
        ("steps of two others", check(&text(FRONT, &[LOOK, beside, again, sync, last]))),
        ("many monitors", with(&many)),
        ("many words", with(&words)),
        ("a large document", check(&"x".repeat(document::DOCUMENT_BYTES_MAX + 1))),
        ("many steps", check(&text(FRONT, &vec![LOOK; document::STEPS_MAX + 1]))),
    ] {
        writeln!(told, "{what}\n{said}").expect("writing to a string");
    }
    told
}

/// The shipped rollout, changed in one place each.
fn of_rollouts() -> String {
    let whole = shipped().remove("supersedes-backfill.md").expect("shipped");
    let mut told = String::new();
    for (from, to) in [
        ("phase: freeze", "phase: unfreeze"),
        ("phase: validate\n", "phase: validate\nmay_skip: true\n"),
        ("    repeats: {step: count, without: --dry-run}\n", ""),
        ("phase: preconditions\n", ""),
        ("do: {approval: {what: 'the backfill in production'}}", "do: {attest: {what: consent}}"),
        (
            "do: {approval: {what: 'the backfill in production'}}",
            "when: params.expected > 0\ndo: {approval: {what: 'the backfill in production'}}",
        ),
        ("  approvals: [Concelier Storage Guild, Platform Security]\n", ""),
        (
            "do: {freeze: {reason: supersedes backfill, announced_h: 24, lease_s: 14400}}",
            "when: params.expected > 0\n\
             do: {freeze: {reason: supersedes backfill, announced_h: 24, lease_s: 14400}}",
        ),
        (
            "do: {attest: {what: '/advisories/summary returns supersedes metadata'}}",
            "do: {freeze: {reason: once more, lease_s: 60}}",
        ),
        (
            "do: {unfreeze: {step: freeze}}",
            "do: {attest: {what: 'writers of advisories write again'}}",
        ),
        (
            "success: result.exit == 0 && result.new",
            "when: params.expected > 0\nsuccess: result.exit == 0 && result.new",
        ),
        (
            "success: result.exit == 0 && result.dropped",
            "when: params.expected > 0\nsuccess: result.exit == 0 && result.dropped",
        ),
        (
            "do: {unfreeze: {step: freeze}}",
            "when: params.expected > 0\ndo: {unfreeze: {step: freeze}}",
        ),
        ("argv: [./backfill-job, --check], reads_only: true", "argv: [./backfill-job, --check]"),
        ("rollback: remove_window", "rollback: summary"),
        (
            "do: {attest: {what: '/advisories/summary returns supersedes metadata'}}",
            "do: {parallel: {steps: [absent, replay]}}",
        ),
        (
            "title: Count only, in staging\nphase: dry_run",
            "title: Count only, in staging\nphase: freeze",
        ),
    ] {
        let changed = whole.replacen(from, to, 1);
        assert_ne!(changed, whole, "{from}");
        writeln!(told, "{from:?} -> {to:?}\n{}", check(&changed)).expect("writing to a string");
    }
    let unfrozen = whole
        .replace(
            "do: {freeze: {reason: supersedes backfill, announced_h: 24, lease_s: 14400}}",
            "do: {attest: {what: it}}",
        )
        .replace("do: {unfreeze: {step: freeze}}", "do: {attest: {what: it}}");
    writeln!(told, "no freeze\n{}", check(&unfrozen)).expect("writing to a string");
    told
}

/// The shipped rollout, with one more step in a phase that calls another runbook.
fn calling(phase: &str, file: &str) -> String {
    let whole = shipped().remove("supersedes-backfill.md").expect("shipped");
    let step = format!(
        "```step\nid: call\ntitle: Call\nphase: {phase}\ndo: {{runbook: {{file: {file}}}}}\n```\n\n"
    );
    let first = format!("\nphase: {phase}\n");
    let found = whole.find(&first).expect("it has the phase");
    let begins = whole[..found].rfind("```step").expect("a step begins");
    format!("{}{step}{}", &whole[..begins], &whole[begins..])
}

/// What a rollout may not call in most of its phases.
fn careless() -> String {
    let front = FRONT.split("parameters:").next().expect("front matter");
    text(
        front,
        &[
            "id: maybe\ntitle: Maybe\nwhen: 'false'\ndo: {attest: {what: seen}}",
            "id: skip\ntitle: Skip\nmay_skip: true\ndo: {attest: {what: seen}}",
            "id: pause\ntitle: Pause\ndo: {freeze: {reason: it, lease_s: 60}}",
            "id: go_on\ntitle: Go on\ndo: {unfreeze: {step: pause}}",
            "id: change\ntitle: Change\ndo: {command: {argv: [job]}}",
            "id: later\ntitle: Later\nphase: unfreeze\ndo: {attest: {what: seen}}",
            "id: back\ntitle: Back\nphase: rollback\ndo: {command: {argv: [undo]}}",
        ],
    )
}

/// What no document tells alone.
fn of_libraries() -> String {
    let front = FRONT.split("parameters:").next().expect("front matter");
    let call = |file: &str, more: &str| {
        format!("id: call\ntitle: Call\ndo: {{runbook: {{file: {file}{more}}}}}")
    };
    let mut library = Library::default();
    for (file, whole) in [
        ("calls-a-rollout.md", text(front, &[&call("supersedes-backfill.md", "")])),
        (
            "gives-too-much.md",
            text(front, &[&call("needs.md", ", parameters: {version: v1, x: y}")]),
        ),
        ("gives-nothing.md", text(front, &[&call("needs.md", "")])),
        ("calls-nothing.md", text(front, &[&call("gone.md", "")])),
        ("links-nothing.md", text(&format!("{front}related: [gone.md]\n"), &[LOOK])),
        ("calls-itself.md", text(front, &[&call("calls-itself.md", "")])),
        ("needs.md", text(FRONT, &[LOOK])),
        ("supersedes-backfill.md", shipped().remove("supersedes-backfill.md").expect("shipped")),
        ("rollout-calls.md", calling("validate", "careless.md")),
        ("rollout-dry.md", calling("dry_run", "careless.md")),
        ("rollout-real.md", calling("execute", "careless.md")),
        ("careless.md", careless()),
    ] {
        library.documents.insert(file.to_owned(), parse(&whole).expect("fine alone"));
    }
    let mut told = String::new();
    for (file, errors) in library.check() {
        for error in errors {
            writeln!(told, "{file}:{error}").expect("writing to a string");
        }
    }
    told
}

/// Why runbooks make no plan, or a step of one no effect.
fn of_plans() -> String {
    let front = FRONT.split("parameters:").next().expect("front matter");
    let nobody = front.replace(", approvals: [Storage]", "");
    let call = "id: call\ntitle: Call\ndo: {runbook: {file: own.md}}";
    let asks = "id: ask\ntitle: Ask\ndo: {http: {method: GET, url: 'https://host:8443/x'}}";
    let consent = "id: consent\ntitle: Consent\ndo: {approval: {what: it}}";
    let own = text(front, &[LOOK, call]);
    let many = vec![LOOK.replace("look", "ID"); 600];
    let many: Vec<String> =
        many.iter().zip(0..).map(|(step, at)| step.replace("ID", &format!("s{at}"))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let twice =
        ["a", "b"].map(|id| format!("id: {id}\ntitle: Run\ndo: {{runbook: {{file: many.md}}}}"));
    let documents = BTreeMap::from([
        ("needs.md".to_owned(), text(FRONT, &[LOOK])),
        ("own.md".to_owned(), own),
        ("asks.md".to_owned(), text(front, &[asks])),
        ("consent.md".to_owned(), text(&nobody, &[consent])),
        ("many.md".to_owned(), text(front, &many)),
        ("twice.md".to_owned(), text(front, &[&twice[0], &twice[1]])),
    ]);
    let mut told = String::new();
    for (runbook, given) in [
        ("gone.md", None),
        ("broken.md", None),
        ("needs.md", None),
        ("needs.md", Some(("version", ""))),
        ("asks.md", Some(("version", "v1"))),
        ("own.md", None),
        ("twice.md", None),
        ("asks.md", None),
        ("consent.md", None),
    ] {
        let mut documents = documents.clone();
        if runbook == "broken.md" {
            documents.insert(runbook.to_owned(), text(front, &["id: a"]));
        }
        let given = given.map(|(name, value): (&str, &str)| (name.to_owned(), value.to_owned()));
        let plan = RunbookPlan {
            format: RunbookPlan::FORMAT,
            fleet: "prod-eu".parse().expect("a name"),
            environment: "production".to_owned(),
            runbook: runbook.to_owned(),
            documents,
            parameters: given.into_iter().collect(),
            hosts: BTreeSet::new(),
            trusted: Trusted::Shipped,
            made_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let said = match plan.compile() {
            Err(error) => error.to_string(),
            Ok(compiled) => compiled.effect(0, &Values::new()).expect_err("nobody approves"),
        };
        writeln!(told, "{runbook}: {said}").expect("writing to a string");
    }
    told
}

/// What conditions and templates say when they are filled in, though they could be read.
fn of_answers() -> String {
    let scope = Scope { steps: ["count".to_owned()].into(), ..Scope::default() };
    let steps = serde_json::json!({ "count": { "new": 7 } });
    let values = BTreeMap::from([("steps".to_owned(), steps)]);
    let mut told = String::new();
    for condition in ["steps.count.new", "steps.count.old > 7"] {
        let read = Expression::parse(condition, &scope).expect("it can be read");
        let said = read.holds(&values).expect_err("it is neither yes nor no");
        writeln!(told, "{condition}: {said}").expect("writing to a string");
    }
    let said = substitute("${gone}", &Values::new()).expect_err("nobody gave it");
    writeln!(told, "${{gone}}: {said}").expect("writing to a string");
    told
}

#[test]
fn every_error_says_where_it_is_and_what_to_do() {
    let told = [of_documents(), of_steps_together(), of_rollouts()].join("\n");
    assert!(!told.contains("fine"), "something wrong was not found:\n{told}");
    assert_snapshot!(told);
}

#[test]
fn what_no_document_tells_alone_is_said_of_libraries_and_plans() {
    assert_snapshot!([of_libraries(), of_plans(), of_answers()].join("\n"));
}

/// Sentences of these sources that nobody reads: reasons, and what a check before keeps from being said.
const NO_ERRORS: [&str; 7] = [
    "a plan always serialises",
    "serde passes what it skips so",
    "its size was just checked",
    "lines of a document in memory",
    "an empty part",
    "set_config needs a key",
    "set_config needs a value",
];

/// Every sentence that the sources of documents can say about one stands in a snapshot above.
#[test]
fn no_error_is_left_out() {
    let told = [
        of_documents(),
        of_steps_together(),
        of_rollouts(),
        of_libraries(),
        of_plans(),
        of_answers(),
    ];
    let told = told.concat();
    let mut missing = Vec::new();
    for source in sources() {
        for sentence in sentences(&source) {
            let is_said = told.lines().any(|line| says(line, &sentence));
            if !is_said && !NO_ERRORS.contains(&sentence.as_str()) {
                missing.push(sentence);
            }
        }
    }
    assert!(missing.is_empty(), "in no snapshot: {missing:#?}");
}

/// The sources of documents, but those that speak of what is done with them.
#[expect(
    clippy::disallowed_methods,
    reason = "the sources lie in the tree, and this test reads them there"
)]
fn sources() -> Vec<String> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/document")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match name {
                "dashboard.rs" | "effect.rs" => {}
                _ if path.is_dir() => open.push(path),
                _ => files.push(path),
            }
        }
    }
    assert!(files.len() > 20, "{files:?}");
    files.sort();
    let whole = files.iter().map(|file| fs::read_to_string(file).expect("readable"));
    whole.map(|text| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()).collect()
}

/// Texts of a source that are sentences: of three words or more.
fn sentences(source: &str) -> Vec<String> {
    let code = source.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let code: String = code.flat_map(|line| [line, "\n"]).collect();
    // Escapes are rare here, and no sentence has one but for a quotation mark.
    let code = code.replace("'\"'", "").replace("\\\n", "").replace("\\\"", "\u{1}");
    let texts = code.split('"').skip(1).step_by(2).map(|text| text.replace('\u{1}', "\""));
    let is_sentence = |text: &String| text.split(' ').filter(|word| !word.is_empty()).count() > 2;
    texts.filter(is_sentence).collect()
}

/// Whether a line is this sentence, whatever is filled in.
fn says(line: &str, sentence: &str) -> bool {
    let mut rest = line;
    sentence.split('{').enumerate().all(|(at, part)| {
        let part = if at == 0 { part } else { part.split_once('}').map_or("", |(_, after)| after) };
        match rest.find(part) {
            Some(found) => {
                rest = &rest[found + part.len()..];
                true
            }
            None => false,
        }
    })
}
