//! Names that say nothing, code that is not there yet, and tests that do not run.

use std::path::PathBuf;

use tidy_tests::{files, none, root, shown, source, text};

/// A type or file with such a name does more than one thing, or nobody knew which.
const BANNED: [&str; 10] = [
    "manager",
    "managers",
    "helper",
    "helpers",
    "util",
    "utils",
    "data",
    "info",
    "processor",
    "processors",
];

const UNFINISHED: [&str; 4] = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore"];

const NOT_RUN: [&str; 12] = [
    "it.skip(",
    "it.only(",
    "it.todo(",
    "test.skip(",
    "test.only(",
    "test.todo(",
    "describe.skip(",
    "describe.only(",
    "describe.todo(",
    "xit(",
    "xdescribe(",
    "xtest(",
];

#[test]
fn names_say_what_a_thing_is() {
    let mut offences = Vec::new();
    for path in rust().into_iter().chain(page()) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if is_banned(stem) {
            offences.push(shown(&path));
        }
        let code = source::code(&text(&path));
        for name in declared(&code).filter(|name| is_banned(name)) {
            offences.push(format!("{}: {name}", shown(&path)));
        }
    }
    none("banned words, see CONVENTIONS.md", &offences);
}

#[test]
fn nothing_is_unfinished_or_ignored() {
    let mut offences = Vec::new();
    for path in rust() {
        let code = source::code(&text(&path));
        for word in UNFINISHED.iter().filter(|word| source::names(&code, word)) {
            offences.push(format!("{}: {word}", shown(&path)));
        }
    }
    for path in page() {
        let text = text(&path);
        for word in NOT_RUN.iter().filter(|word| source::names(&text, word)) {
            offences.push(format!("{}: {word}", shown(&path)));
        }
    }
    none("assert today's behaviour and say why it is wrong instead", &offences);
}

#[test]
fn lints_are_silenced_with_a_reason() {
    let mut offences = Vec::new();
    for path in rust() {
        let flat = source::flat(&source::code(&text(&path)));
        for start in ["[allow(", "[expect("] {
            let attributes = flat.split(start).skip(1).filter_map(|rest| rest.split(")]").next());
            for attribute in attributes.filter(|attribute| !attribute.contains("reason =")) {
                offences.push(format!("{}: #{start}{attribute})]", shown(&path)));
            }
        }
    }
    none("a silenced lint without `reason = \"...\"`", &offences);
}

fn rust() -> Vec<PathBuf> {
    let folders = ["src-tauri", "packaging", "tests"].map(|folder| root().join(folder));
    folders.iter().flat_map(|folder| files(folder, &[".rs"])).collect()
}

fn page() -> Vec<PathBuf> {
    files(&root().join("ui/src"), &[".ts", ".svelte"])
}

fn is_banned(name: &str) -> bool {
    source::words(name).iter().any(|word| BANNED.contains(&word.as_str()))
}

/// The names that follow a word which declares a type or a module, in Rust or TypeScript.
fn declared(code: &str) -> impl Iterator<Item = &str> {
    const DECLARES: [&str; 7] = ["struct", "enum", "trait", "type", "mod", "class", "interface"];
    let mut words =
        code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty());
    let mut declares = false;
    std::iter::from_fn(move || {
        loop {
            let word = words.next()?;
            let is_name = declares;
            declares = DECLARES.contains(&word);
            if is_name && word.starts_with(|c: char| c.is_alphabetic()) {
                return Some(word);
            }
        }
    })
}
