//! Requests to `/evaluate` while something else happens: by `wrk`, or where it is missing by threads of ours.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::tempdir;

use super::http::Connection;

const CONNECTIONS: usize = 16;
/// Longer than a hundred reloads take on a busy machine.
const WRK_TIME: Duration = Duration::from_secs(12);
/// Until connections are open and requests flow.
const RUN_UP: Duration = Duration::from_millis(500);
const PATH: &str = "/evaluate";
const BODY: &str = r#"{"capability_id":"payments.transfer.rule-00003","context":{}}"#;

/// What the load came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) by: &'static str,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) seconds: f64,
}

/// Does something while requests flow, from before it begins until after it ended.
pub(crate) fn under_load(address: SocketAddr, work: impl FnOnce() -> Result<()>) -> Result<Load> {
    match Command::new("wrk").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status()
    {
        Ok(_) => by_wrk(address, work),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!(
                "WRK IS NOT INSTALLED: {CONNECTIONS} threads of this process ask instead; install wrk for the promised figure"
            );
            by_threads(address, work)
        }
        Err(error) => Err(error).context("starting wrk"),
    }
}

fn by_wrk(address: SocketAddr, work: impl FnOnce() -> Result<()>) -> Result<Load> {
    let folder = tempdir().context("a folder for wrk's script")?;
    let script = folder.path().join("evaluate.lua");
    let text = format!(
        "wrk.method = \"POST\"\nwrk.headers[\"content-type\"] = \"application/json\"\nwrk.body = [[{BODY}]]\n"
    );
    std::fs::write(&script, text)?;
    let mut wrk = Command::new("wrk")
        .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", WRK_TIME.as_secs()), "-s"])
        .arg(&script)
        .arg(format!("http://{address}{PATH}"))
        .stdout(Stdio::piped())
        .spawn()
        .context("starting wrk")?;
    thread::sleep(RUN_UP);
    let done = work();
    let still_asking = wrk.try_wait()?.is_none();
    let output = wrk.wait_with_output().context("waiting for wrk")?;
    done?;
    ensure!(output.status.success(), "wrk ended with {}", output.status);
    ensure!(still_asking, "the reloads took longer than the {} s of wrk", WRK_TIME.as_secs());
    summed(&String::from_utf8_lossy(&output.stdout))
}

/// Reads wrk's summary. It tells failures only where there were some.
fn summed(summary: &str) -> Result<Load> {
    let mut load = Load { by: "wrk -t1 -c16", requests: 0, failed: 0, seconds: 0.0 };
    for line in summary.lines().map(str::trim) {
        if let Some((requests, rest)) = line.split_once(" requests in ") {
            load.requests = requests.parse().context("wrk's count of requests")?;
            let time = rest.split(',').next().unwrap_or_default();
            load.seconds = seconds(time).with_context(|| format!("wrk's time {time:?}"))?;
        } else if let Some(count) = line.strip_prefix("Non-2xx or 3xx responses:") {
            load.failed += count.trim().parse::<u64>().context("wrk's count of responses")?;
        } else if let Some(counts) = line.strip_prefix("Socket errors:") {
            for count in counts.split(',').filter_map(|one| one.split_whitespace().nth(1)) {
                load.failed += count.parse::<u64>().context("wrk's count of errors")?;
            }
        }
    }
    if load.requests == 0 {
        bail!("wrk tells of no requests:\n{summary}");
    }
    Ok(load)
}

/// `12.01s` or `1.00m`, as wrk writes times.
fn seconds(text: &str) -> Option<f64> {
    match text.strip_suffix('s') {
        Some(seconds) => seconds.parse().ok(),
        None => Some(text.strip_suffix('m')?.parse::<f64>().ok()? * 60.0),
    }
}

fn by_threads(address: SocketAddr, work: impl FnOnce() -> Result<()>) -> Result<Load> {
    let (ended, requests, failed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let ask = || {
        while !ended.load(Ordering::Relaxed) {
            // A connection that failed is counted and opened anew, as wrk does it.
            let asked = Connection::open(address).and_then(|mut connection| {
                while !ended.load(Ordering::Relaxed) {
                    let status = connection.post(PATH, BODY)?.status;
                    requests.fetch_add(1, Ordering::Relaxed);
                    ensure!(status == 200, "answered with {status}");
                }
                Ok(())
            });
            if asked.is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let began = Instant::now();
    let done = thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(ask);
        }
        thread::sleep(RUN_UP);
        let done = work();
        ended.store(true, Ordering::Relaxed);
        done
    });
    done?;
    let load = Load {
        by: "16 threads (wrk is missing)",
        requests: requests.into_inner(),
        failed: failed.into_inner(),
        seconds: began.elapsed().as_secs_f64(),
    };
    ensure!(load.requests > 0, "the threads were answered");
    Ok(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = "\
Running 12s test @ http://127.0.0.1:8083/evaluate
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   442.10us  301.77us   9.60ms   93.75%
    Req/Sec    36.10k     2.43k   40.02k    71.67%
  431053 requests in 12.01s, 131.55MB read
";

    #[test]
    fn a_summary_without_failures_has_none() {
        let load = summed(SUMMARY).expect("a summary");
        assert_eq!((load.requests, load.failed), (431_053, 0));
        assert!((load.seconds - 12.01).abs() < 1e-9);
    }

    #[test]
    fn refused_answers_and_broken_connections_are_failures() {
        let summary = format!(
            "{SUMMARY}  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 30\n"
        );
        assert_eq!(summed(&summary).expect("a summary").failed, 37);
    }

    #[test]
    fn a_summary_without_requests_is_an_error() {
        assert!(summed("unable to connect to 127.0.0.1:8083 Connection refused").is_err());
    }
}
