//! `bindings`: the TypeScript types of the views, generated from the Rust ones.

use std::fs;

use anyhow::{Context, Result};

use crate::cmd::{Cmd, ROOT, cargo};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail when a committed file differs
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.check {
        return cargo().args(["test", "-p", "tidy-tests", "--test", "generated", "bindings"]).run();
    }
    // Built first, so that a view that does not compile costs no file.
    export().args(["--no-run"]).run()?;
    let folder = ROOT.join("ui/src/lib/api/generated");
    if folder.exists() {
        // Types that are gone leave no file behind.
        fs::remove_dir_all(&folder).context("the old bindings cannot be removed")?;
    }
    // JSON numbers are `number` in the page; ts-rs by itself says `bigint` for 64-bit ones.
    export().env("TS_RS_EXPORT_DIR", &folder).env("TS_RS_LARGE_INT", "number").run()
}

fn export() -> Cmd {
    cargo().args(["test", "--quiet", "-p", "plumb-app", "--lib", "export_bindings"])
}
