//! The process of the tests. As `eval-worker` it is the real child; by other words it is a child
//! that breaks the rules, or a parent that is killed.

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
};

use plumb_worker::{PoolOptions, ProcessLimits, Program, WorkerPool, child};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    if let Some(ended) = child::run_if_asked() {
        return ended;
    }
    let word = std::env::args().nth(1).unwrap_or_default();
    match word.as_str() {
        "parent" => parent(),
        // Ends before it is ready.
        "absent" => Ok(()),
        // Says nothing and stays.
        "silent" => listen(),
        // Is ready, and answers the first call with what follows.
        "garbage" => ready().and_then(|()| answer(b"\0\0\0\x05hello")).and_then(|()| listen()),
        "flood" => ready().and_then(|()| answer(b"\x7f\xff\xff\xff")).and_then(|()| listen()),
        "liar" => {
            ready().and_then(|()| answer(&frame(r#"{"reply":"unknown"}"#))).and_then(|()| listen())
        }
        "deaf" => ready().and_then(|()| listen()),
        // Is ready, hears the first call, says how many modules it parsed, and goes on so.
        "dying" => ready().and_then(|()| hear()).and_then(|()| parsed(3)),
        "stuck" => ready().and_then(|()| hear()).and_then(|()| parsed(3)).and_then(|()| listen()),
        "boasting" => {
            ready().and_then(|()| hear()).and_then(|()| parsed(99)).and_then(|()| listen())
        }
        "repeating" => ready()
            .and_then(|()| hear())
            .and_then(|()| parsed(1))
            .and_then(|()| parsed(1))
            .and_then(|()| listen()),
        _ => Err(io::Error::other("no such part")),
    }
    .map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn frame(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("a short text");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

fn say(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(bytes).and_then(|()| out.flush())
}

fn ready() -> io::Result<()> {
    let guards = "memory processor_time no_core_dump no_files no_network no_processes system_calls";
    let guards: Vec<String> = guards.split(' ').map(|name| format!("\"{name}\":true")).collect();
    say(&frame(&format!(r#"{{"reply":"ready","guards":{{{}}}}}"#, guards.join(","))))
}

fn answer(bytes: &[u8]) -> io::Result<()> {
    io::stdin().read_exact(&mut [0; 4])?;
    say(bytes)
}

/// Takes a whole call.
fn hear() -> io::Result<()> {
    let mut length = [0; 4];
    io::stdin().read_exact(&mut length)?;
    let length = u64::from(u32::from_be_bytes(length));
    io::stdin().take(length).read_to_end(&mut Vec::new()).map(|_| ())
}

fn parsed(modules: usize) -> io::Result<()> {
    say(&frame(&format!(r#"{{"reply":"parsed","modules":{modules}}}"#)))
}

/// Until the parent is gone.
fn listen() -> io::Result<()> {
    io::stdin().read_to_end(&mut Vec::new()).map(|_| ())
}

/// A pool of two; tells their ids, then waits to be killed.
fn parent() -> io::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let program = Program::new(std::env::current_exe()?, [child::SUBCOMMAND.into()]);
        let options = PoolOptions { program, limits: ProcessLimits::default(), size: 2 };
        let pool = WorkerPool::start(options, CancellationToken::new());
        let ids = loop {
            let ids = pool.idle();
            if ids.len() == 2 {
                break ids;
            }
            tokio::task::yield_now().await;
        };
        say(format!("{} {}\n", ids[0], ids[1]).as_bytes())?;
        std::future::pending().await
    })
}
