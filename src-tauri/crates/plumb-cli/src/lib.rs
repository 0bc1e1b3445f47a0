//! The same use cases on a terminal: arguments in, a document or text out, an exit code at the end.

mod args;
mod commands;
mod confirm;
mod exit;
mod output;
mod schemas;
mod session;
mod text;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{args::Arguments, output::Output};

pub use exit::Exit;
pub use schemas::schemas;

/// Reads the arguments of this process, does what they say, and tells how it ended.
pub fn run() -> ExitCode {
    if let Some(ended) = plumb_app::run_evaluation_process_if_asked() {
        return ended;
    }
    let arguments = Arguments::parse();
    let out = Output::new(&arguments.global);
    // A server tells what it does; a command tells what went wrong.
    let server = matches!(arguments.command, args::Command::Agent(_));
    log(arguments.global.verbose.saturating_add(u8::from(server)));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out.note(format!("error: the runtime does not start: {error}"));
            return Exit::Internal.into();
        }
    };
    let ended = runtime.block_on(commands::run(&arguments, &out));
    // A prompt or a keyring may still hold a thread; nothing waits for it.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.failure(&failure);
            failure.exit.into()
        }
    }
}

/// What the program tells of itself, on standard error. `RUST_LOG` beats `-v`.
fn log(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}
