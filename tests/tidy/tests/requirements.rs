//! Every requirement of runbooks, of alerts, of the agent, of trust and of rollouts is named where it is tested, or in the help
//! where a person has to see to it.

use std::{collections::BTreeSet, fs};

use tidy_tests::{files, none, root, shown, text};

/// The numbers, from and to.
const NUMBERS: [(u16, u16); 9] = [
    (1, 230),
    (267, 267),
    (269, 270),
    (272, 272),
    (275, 275),
    (279, 279),
    (280, 280),
    (282, 283),
    (284, 296),
];

/// Facts about an organisation: the help asks for each, and says who does it.
const ASKED_FOR: [u16; 5] = [175, 188, 211, 213, 216];
const CHECKLIST: &str = "## Before it decides in production";

#[test]
fn every_requirement_is_named_by_a_test_or_by_the_help() {
    let mut named = BTreeSet::new();
    for path in files(&root(), &[".rs", ".txt", ".md"]) {
        let shown = shown(&path);
        if shown.ends_with("tidy/tests/requirements.rs") {
            continue;
        }
        let text = text(&path);
        let is_rust = path.extension().is_some_and(|ending| ending == "rs");
        let is_help = shown.starts_with("assets/help/");
        let is_test = shown.starts_with("tests/") && !shown.contains("/output/")
            || shown.contains("/tests/") && is_rust
            || shown.ends_with("/tests.rs");
        let beside = text.split_once("#[cfg(test)]").map(|(_, tests)| tests);
        match beside {
            _ if is_help || is_test => named.extend(numbers(&text)),
            Some(tests) if is_rust => named.extend(numbers(tests)),
            _ => {}
        }
    }
    let all = NUMBERS.iter().flat_map(|(from, to)| *from..=*to);
    let missing: Vec<_> =
        all.filter(|number| !named.contains(number)).map(|number| format!("R{number}")).collect();
    none("requirements that neither a test nor the help names", &missing);
}

#[test]
fn the_checklist_asks_for_what_only_people_can_do() {
    let help = fs::read_to_string(root().join("assets/help/agent.md")).expect("readable");
    let (_, rest) = help.split_once(CHECKLIST).expect("the checklist");
    let checklist = rest.split("\n## ").next().unwrap_or_default();
    let rows: Vec<&str> = checklist.lines().filter(|line| line.starts_with("| ")).collect();
    let mut missing = Vec::new();
    for number in ASKED_FOR {
        let row = rows.iter().find(|row| numbers(row).contains(&number));
        let who = row.and_then(|row| row.split('|').nth(2)).unwrap_or_default();
        if who.trim().is_empty() {
            missing.push(format!("R{number}"));
        }
    }
    none("facts about an organisation that no row with somebody's name asks for", &missing);
}

/// Numbers as texts write them: `R159`, `R200 to R203`, `R287-R291`.
fn numbers(text: &str) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    let mut rest = text;
    while let Some(at) = rest.find('R') {
        let begins_a_word =
            rest[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric());
        rest = &rest[at + 1..];
        let Some(first) = number(rest).filter(|_| begins_a_word) else { continue };
        rest = &rest[3..];
        let further = [" to R", "-R"].into_iter().find_map(|link| rest.strip_prefix(link));
        match further.and_then(number) {
            Some(last) => found.extend(first..=last),
            None => {
                found.insert(first);
            }
        }
    }
    found
}

/// Three digits, and no more.
fn number(text: &str) -> Option<u16> {
    let digits = text.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let ends = !text[3..].starts_with(|next: char| next.is_alphanumeric());
    ends.then(|| digits.parse().ok()).flatten()
}

#[test]
fn numbers_are_read_as_texts_write_them() {
    let read = |text: &str| numbers(text).into_iter().collect::<Vec<_>>();
    assert_eq!(
        read("R159, (R200 to R203) and R287-R289."),
        [159, 200, 201, 202, 203, 287, 288, 289]
    );
    assert!(read("XR159 R1590 R15 CR123 R160x").is_empty());
}
