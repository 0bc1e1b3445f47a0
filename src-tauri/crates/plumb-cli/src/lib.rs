//! The same use cases on a terminal: arguments in, a document or text out, an exit code at the end.

mod args;
mod commands;
mod confirm;
mod exit;
mod output;
mod schemas;
mod session;
mod text;

use std::{
    fmt::{self, Debug},
    process::ExitCode,
};

use clap::Parser as _;
use tracing::field::Field;
use tracing_subscriber::{
    Layer as _,
    fmt::format::{Writer, debug_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    args::{Arguments, LogFormat},
    output::Output,
};

pub use exit::Exit;
pub use schemas::{file_schemas, schemas};

/// Reads the arguments of this process, does what they say, and tells how it ended.
pub fn run() -> ExitCode {
    if let Some(ended) = plumb_app::run_evaluation_process_if_asked() {
        return ended;
    }
    let arguments = Arguments::parse();
    let out = Output::new(&arguments.global);
    // A server tells what it does; a command tells what went wrong.
    let server =
        matches!(arguments.command, args::Command::Agent(_)) || arguments.command.serves_a_hub();
    let format = arguments.command.log_format();
    log(arguments.global.verbose.saturating_add(u8::from(server)), format);
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

/// What the program tells of itself: on standard error, where `RUST_LOG` beats `-v`, and beside the record it opens.
fn log(verbose: u8, format: LogFormat) {
    let level = match verbose {
        0 => "error",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let log = match format {
        LogFormat::Text => log.fmt_fields(debug_fn(readable)).with_filter(filter).boxed(),
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
    };
    tracing_subscriber::registry().with(log).with(plumb_app::own_log::layer()).init();
}

/// Fields below `event.` repeat what the message says, for collectors; people read the message.
fn readable(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if name.starts_with("event.") => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    }
}
