//! `check`: what is quick enough to run before every commit.

use std::process::ExitCode;

use crate::{
    cmd::{cargo, npm},
    setup,
    steps::Steps,
    test,
};

pub(crate) fn run() -> ExitCode {
    let mut steps = Steps::default();
    steps.run("rustfmt", cargo().args(["fmt", "--all", "--check"]));
    steps.run("clippy", test::clippy());
    // Fresh bindings need the whole workspace built, which is for `test`.
    let tidy = cargo().args(["nextest", "run", "-p", "tidy-tests", "-E", "not test(bindings)"]);
    steps.run("tidy", tidy.args(["--profile", "ci"]));
    steps.step("npm ci", setup::page_packages);
    steps.run("svelte-check", npm().args(["run", "check"]));
    steps.run("eslint", npm().args(["run", "lint"]));
    steps.finish()
}
