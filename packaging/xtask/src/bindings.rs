//! `bindings`: the TypeScript types of the views, generated from the Rust ones.

use anyhow::Result;

use crate::cmd::{ROOT, cargo};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail when the committed file differs
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.check {
        return cargo().args(["test", "-p", "tidy-tests", "--test", "generated", "bindings"]).run();
    }
    // One process writes the one file anew, so types that are gone leave nothing behind; nextest, with a process for
    // each test, would leave the last type only. JSON numbers are `number` in the page, where ts-rs would say `bigint`.
    cargo()
        .args(["test", "--quiet", "-p", "plumb-app", "--lib", "export_bindings"])
        .env("TS_RS_EXPORT_DIR", ROOT.join("ui/src/lib/api"))
        .env("TS_RS_LARGE_INT", "number")
        .run()
}
