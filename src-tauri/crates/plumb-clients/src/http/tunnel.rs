//! Tunnels: a command of the fleet file that opens a SOCKS proxy here, as `ssh -N -D {port} host` does.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use plumb_fleet::{FailureKind, NodeFailure};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    process::{Child, Command},
    time::Instant,
};

use crate::{
    error::{failure, seconds},
    escape::{escape, escape_bytes},
    limits::{COMMAND_OUTPUT_BYTES_MAX, EXCERPT_CHARS_MAX, FAILURE_TTL, TUNNEL_START_TIME_MAX},
    once::{Made, Once},
};

/// How often the tunnel's port is tried while it starts.
const START_POLL: Duration = Duration::from_millis(50);

/// A running tunnel; the command is killed when the last user is gone.
#[derive(Debug, Clone)]
pub(crate) struct Tunnel {
    port: u16,
    child: Arc<Mutex<Child>>,
}

impl Tunnel {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn runs(&self) -> bool {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(child.try_wait(), Ok(None))
    }
}

/// One tunnel per command, so one per group.
#[derive(Debug)]
pub(crate) struct Tunnels {
    made: Once<Vec<String>, Result<Tunnel, NodeFailure>>,
}

impl Tunnels {
    pub(crate) fn new() -> Self {
        Self { made: Once::new() }
    }

    /// The tunnel of a command, started if it does not run.
    pub(crate) async fn get(&self, command: &[String]) -> Result<Tunnel, NodeFailure> {
        let tunnel = self.start(command).await?;
        if tunnel.runs() {
            return Ok(tunnel);
        }
        self.made.forget_if(command, |made| made.as_ref().is_ok_and(|tunnel| !tunnel.runs()));
        self.start(command).await
    }

    async fn start(&self, command: &[String]) -> Result<Tunnel, NodeFailure> {
        let command = command.to_vec();
        self.made
            .get(command.clone(), || async move {
                let value = start(&command).await;
                let good_until = value.is_err().then(|| Instant::now() + FAILURE_TTL);
                Made { value, good_until }
            })
            .await
    }
}

async fn start(command: &[String]) -> Result<Tunnel, NodeFailure> {
    let port = free_port()?;
    let words: Vec<String> =
        command.iter().map(|word| word.replace("{port}", &port.to_string())).collect();
    let Some((program, arguments)) = words.split_first() else {
        return Err(failure(
            FailureKind::Policy,
            "the tunnel command of this node's route is empty",
        ));
    };
    let name = escape(program, EXCERPT_CHARS_MAX);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            failure(
                FailureKind::Refused,
                format!("the tunnel command {name} does not start: {error}"),
            )
        })?;
    let end = Instant::now() + TUNNEL_START_TIME_MAX;
    loop {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
            drain(&mut child);
            return Ok(Tunnel { port, child: Arc::new(Mutex::new(child)) });
        }
        if let Ok(Some(status)) = child.try_wait() {
            let said = complaint(&mut child).await;
            return Err(failure(
                FailureKind::Refused,
                format!("the tunnel command {name} ended ({status}){said}"),
            ));
        }
        if Instant::now() >= end {
            return Err(failure(
                FailureKind::Refused,
                format!(
                    "the tunnel command {name} did not listen on its port within {}",
                    seconds(TUNNEL_START_TIME_MAX)
                ),
            ));
        }
        tokio::time::sleep(START_POLL).await;
    }
}

/// A port nobody listens on now; another program may take it before the tunnel does, which then
/// complains and is started again with another one.
fn free_port() -> Result<u16, NodeFailure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| failure(FailureKind::Policy, format!("no free local port: {error}")))
}

/// Reads on what the command says, so that it never blocks on a full pipe.
fn drain(child: &mut Child) {
    if let Some(mut stderr) = child.stderr.take() {
        tokio::spawn(async move {
            let mut sink = tokio::io::sink();
            let _ = tokio::io::copy(&mut stderr, &mut sink).await;
        });
    }
}

async fn complaint(child: &mut Child) -> String {
    let Some(stderr) = child.stderr.take() else { return String::new() };
    let mut said = Vec::new();
    let mut stderr = stderr.take(COMMAND_OUTPUT_BYTES_MAX as u64);
    // What was read by then is all there is to say.
    let _ = tokio::time::timeout(Duration::from_secs(1), stderr.read_to_end(&mut said)).await;
    match said.trim_ascii() {
        [] => String::new(),
        said => format!(": {}", escape_bytes(said, EXCERPT_CHARS_MAX)),
    }
}
