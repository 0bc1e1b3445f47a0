//! `test`: everything CI runs, in CI's order; every step runs, failures are listed at the end.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::{
    apps,
    cmd::{cargo, npm, on_path},
    package,
    session::Session,
    setup::{self, Purpose},
    steps::Steps,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave a part out; may be repeated
    #[arg(long, value_enum, value_name = "PART")]
    skip: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Setup,
    Fmt,
    Ui,
    Clippy,
    Unit,
    Doc,
    Vitest,
    Deny,
    E2e,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let wanted = |part: Part| !args.skip.contains(&part);
    let mut steps = Steps::default();
    for part in &args.skip {
        steps.note(format!("{part:?} was left out as asked").to_lowercase());
    }
    if wanted(Part::Setup) {
        steps.step("setup", || setup::ensure(Purpose::Test));
    }
    if wanted(Part::Fmt) {
        steps.run("rustfmt", cargo().args(["fmt", "--all", "--check"]));
    }
    if wanted(Part::Ui) {
        page(&mut steps);
    }
    if wanted(Part::Clippy) {
        steps.run("clippy", clippy());
    }
    if wanted(Part::Unit) {
        readers(&mut steps);
        steps.run("nextest", nextest("not package(e2e-tests)"));
    }
    if wanted(Part::Doc) {
        steps.run("doc tests", cargo().args(["test", "--doc", "--workspace"]));
    }
    if wanted(Part::Vitest) {
        steps.run("vitest", npm().args(["run", "test"]));
    }
    if wanted(Part::Deny) {
        deny(&mut steps);
    }
    if wanted(Part::E2e) {
        stories(&mut steps)?;
    }
    Ok(steps.finish())
}

/// Programs that tests hand files and alerts to; where one is missing, its tests pass without it.
fn readers(steps: &mut Steps) {
    if !setup::has_postgres() {
        steps.note(
            "alerts in PostgreSQL were NOT checked: postgresql is not there, see `cargo xtask setup`",
        );
    }
    for program in setup::FROM_PYPI.iter().filter(|program| !program.is_there()) {
        steps.note(format!(
            "{}: {} is not there, see `cargo xtask setup`",
            program.unchecked, program.name
        ));
    }
    for (program, files) in [
        ("promtool", "rules, dashboard, metrics and the way from a scrape to an incident"),
        ("amtool", "the example of routes, and alerts that reach a hub"),
        ("systemd-analyze", "the unit of the agent"),
    ] {
        if !on_path(program) {
            steps.note(format!(
                "{files} were NOT checked: {program} is not there, see `cargo xtask setup`"
            ));
        }
    }
}

fn page(steps: &mut Steps) {
    steps.step("npm ci", setup::page_packages);
    steps.run("svelte-check", npm().args(["run", "check"]));
    steps.run("eslint", npm().args(["run", "lint"]));
    steps.run("page build", apps::page());
}

pub(crate) fn clippy() -> crate::cmd::Cmd {
    cargo().args(["clippy", "--workspace", "--all-targets", "--keep-going", "--", "-D", "warnings"])
}

/// Always the whole workspace and a filter: `-p` would resolve features anew and rebuild half of it.
pub(crate) fn nextest(filter: &str) -> crate::cmd::Cmd {
    cargo().args(["nextest", "run", "--workspace", "--profile", "ci", "-E", filter])
}

fn deny(steps: &mut Steps) {
    if !cargo().args(["deny", "--version"]).succeeds() {
        steps.note(
            "dependencies were NOT checked: cargo-deny is not there, see `cargo xtask setup`",
        );
        return;
    }
    let check = ["deny", "--all-features", "check"];
    steps.run("cargo deny", cargo().args(check).args(["bans", "licenses", "sources"]));
    let advisories = cargo().args(check).args(["advisories"]);
    match advisories.captured() {
        Ok((true, _)) => {}
        Ok((false, text)) if text.contains("advisory database") => {
            steps.note(
                "advisories were NOT checked: the advisory database cannot be reached from here",
            );
        }
        Ok((false, text)) => {
            steps.step("cargo deny advisories", || anyhow::bail!("{text}"));
        }
        Err(error) => steps.note(format!("advisories were NOT checked: {error:#}")),
    }
}

/// On the programs as the package installs them, below a fresh folder.
fn stories(steps: &mut Steps) -> Result<()> {
    let mut installed = None;
    let built = steps.run("release build", apps::release());
    if built {
        steps.step("packages", || {
            let packages = package::build()?;
            let deb = packages.iter().find(|one| one.extension().is_some_and(|kind| kind == "deb"));
            installed = Some(package::unpacked(deb.context("a .deb is made")?)?);
            Ok(())
        });
    }
    let Some(installed) = installed else {
        steps.note("stories on the window were NOT run: there is no window to run them on");
        return Ok(());
    };
    let session = Session::new()?;
    let stories = nextest("package(e2e-tests)");
    let stories = apps::driven(stories, &installed.path().join("usr/bin"));
    steps.run("stories on the installed window", session.within(stories));
    Ok(())
}
