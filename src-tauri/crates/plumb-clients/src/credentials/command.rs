//! A command that prints a token: an argument vector, never a shell line.

use std::{process::Stdio, time::Duration};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    time::{Instant, timeout},
};

use crate::{
    credentials::{CredentialError, Token, checked},
    escape::{escape, escape_bytes},
    limits::{
        COMMAND_OUTPUT_BYTES_MAX, EXCERPT_CHARS_MAX, TOKEN_COMMAND_TIME_MAX, TOKEN_COMMAND_TTL,
        TOKEN_EXPIRY_MARGIN,
    },
};

/// What a command may print instead of the bare token.
#[derive(Deserialize)]
struct Printed {
    token: SecretString,
    expires_at: Option<Timestamp>,
}

/// Runs the command and reads its token.
pub(crate) async fn run(words: &[String], now: Timestamp) -> Result<Token, CredentialError> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(CredentialError::CommandStart {
            program: String::new(),
            detail: "the command is empty".to_owned(),
        });
    };
    let program = escape(program, EXCERPT_CHARS_MAX);
    let ended = timeout(TOKEN_COMMAND_TIME_MAX, output(&words[0], arguments, &program)).await;
    let printed = ended.map_err(|_| CredentialError::CommandTimedOut {
        program: program.clone(),
        seconds: TOKEN_COMMAND_TIME_MAX.as_secs(),
    })??;
    read(&printed, &program, now)
}

async fn output(
    path: &str,
    arguments: &[String],
    program: &str,
) -> Result<Vec<u8>, CredentialError> {
    let start = |error: std::io::Error| CredentialError::CommandStart {
        program: program.to_owned(),
        detail: error.to_string(),
    };
    let mut child = Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (printed, said) = tokio::join!(bounded(stdout), bounded(stderr));
    let status = child.wait().await.map_err(start)?;
    if status.success() {
        return Ok(printed);
    }
    let said = match said.trim_ascii() {
        [] => String::new(),
        said => format!(": {}", escape_bytes(said, EXCERPT_CHARS_MAX)),
    };
    Err(CredentialError::CommandEnded {
        program: program.to_owned(),
        status: status.to_string(),
        said,
    })
}

/// Reads what fits, then closes the pipe, so that a chatty command ends instead of blocking.
async fn bounded(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut read = Vec::new();
    if let Some(pipe) = pipe {
        // A read error leaves what was read; the exit status tells the rest.
        let _ = pipe.take(COMMAND_OUTPUT_BYTES_MAX as u64 + 1).read_to_end(&mut read).await;
    }
    read
}

fn read(printed: &[u8], program: &str, now: Timestamp) -> Result<Token, CredentialError> {
    let printed = printed.trim_ascii();
    if printed.starts_with(b"{") {
        let bad = |problem| CredentialError::BadToken { source_name: program.to_owned(), problem };
        let printed: Printed = serde_json::from_slice(printed)
            .map_err(|_| bad("not {\"token\", \"expires_at\"}, though it starts like JSON"))?;
        let ttl = printed.expires_at.map_or(TOKEN_COMMAND_TTL, |end| remaining(end, now));
        return Ok(Token {
            secret: checked(printed.token, program)?,
            good_until: Some(Instant::now() + ttl),
        });
    }
    let text = String::from_utf8_lossy(printed).into_owned();
    Ok(Token {
        secret: checked(SecretString::from(text), program)?,
        good_until: Some(Instant::now() + TOKEN_COMMAND_TTL),
    })
}

/// How long to keep a token: until shortly before its end, and never longer than a day, so that a
/// wrong clock cannot keep one for ever.
fn remaining(end: Timestamp, now: Timestamp) -> Duration {
    const DAY: Duration = Duration::from_hours(24);
    let seconds = u64::try_from(end.as_second().saturating_sub(now.as_second())).unwrap_or(0);
    Duration::from_secs(seconds).saturating_sub(TOKEN_EXPIRY_MARGIN).min(DAY)
}
