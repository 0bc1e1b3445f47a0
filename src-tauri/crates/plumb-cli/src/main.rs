//! `plumb`: the same use cases on a terminal.

use std::process::ExitCode;

fn main() -> ExitCode {
    plumb_cli::run()
}
