//! The evaluation process of the nodes in stories about packs.

use std::process::ExitCode;

fn main() -> ExitCode {
    plumb_worker::child::run_if_asked().unwrap_or(ExitCode::FAILURE)
}
