//! The peer: one `curl --parallel` over a list of URLs.

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// Transfers at once that are tried; the best is the peer. curl allows 300 at most.
pub(crate) const SETTINGS: [usize; 2] = [100, 300];

/// How the peer is called in the report.
pub(crate) fn name(parallel: usize) -> String {
    format!("curl --parallel-max {parallel}")
}

/// Fetches every URL once and throws the bodies away.
pub(crate) fn ask(urls: &[String], parallel: usize) -> Result<()> {
    let mut config = String::new();
    for url in urls {
        writeln!(config, "url = \"{url}\"\noutput = \"/dev/null\"").expect("strings grow");
    }
    let mut curl = Command::new("curl")
        .args([
            "--silent",
            "--no-progress-meter",
            "--show-error",
            "--fail",
            "--parallel",
            "--parallel-max",
        ])
        .args([&parallel.to_string(), "--config", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("starting curl: install it, it is the peer of the sweep")?;
    let mut stdin = curl.stdin.take().context("curl was given a pipe")?;
    stdin.write_all(config.as_bytes()).context("handing curl its URLs")?;
    drop(stdin);
    let status = curl.wait().context("waiting for curl")?;
    ensure!(status.success(), "curl did not get every URL: {status}");
    Ok(())
}
