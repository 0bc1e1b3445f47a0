//! Requests while something else happens: by `wrk`, or where it is missing by threads of ours.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::tempdir;

use crate::http::Connection;

/// Until connections are open and requests flow.
const RUN_UP: Duration = Duration::from_millis(500);

/// One request, sent again and again: with a body it is a `POST` of JSON.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) path: &'static str,
    pub(crate) body: Option<&'static str>,
}

/// A decision of a signed bundle.
pub(crate) const EVALUATE: Ask = Ask {
    path: "/evaluate",
    body: Some(r#"{"capability_id":"payments.transfer.rule-00003","context":{}}"#),
};

/// What the load came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) by: String,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) seconds: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Does something while requests flow on so many connections, from before it begins until after it ended, which is
/// within `time`.
pub(crate) fn under_load(
    address: SocketAddr,
    ask: &Ask,
    connections: usize,
    time: Duration,
    work: impl FnOnce() -> Result<()>,
) -> Result<Load> {
    match Command::new("wrk").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status()
    {
        Ok(_) => by_wrk(address, ask, connections, time, work),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!(
                "WRK IS NOT INSTALLED: {connections} threads of this process ask instead; install wrk for the promised figure"
            );
            by_threads(address, ask, connections, time, work)
        }
        Err(error) => Err(error).context("starting wrk"),
    }
}

fn by_wrk(
    address: SocketAddr,
    ask: &Ask,
    connections: usize,
    time: Duration,
    work: impl FnOnce() -> Result<()>,
) -> Result<Load> {
    let folder = tempdir().context("a folder for wrk's script")?;
    let script = folder.path().join("ask.lua");
    let text = ask.body.map_or_else(String::new, |body| {
        format!(
            "wrk.method = \"POST\"\nwrk.headers[\"content-type\"] = \"application/json\"\nwrk.body = [[{body}]]\n"
        )
    });
    std::fs::write(&script, text)?;
    let mut wrk = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{}s", time.as_secs())])
        .args(["--latency", "-s"])
        .arg(&script)
        .arg(format!("http://{address}{}", ask.path))
        .stdout(Stdio::piped())
        .spawn()
        .context("starting wrk")?;
    thread::sleep(RUN_UP);
    let done = work();
    let still_asking = wrk.try_wait()?.is_none();
    let output = wrk.wait_with_output().context("waiting for wrk")?;
    done?;
    ensure!(output.status.success(), "wrk ended with {}", output.status);
    ensure!(
        still_asking,
        "what was to be measured took longer than the {} s of wrk",
        time.as_secs()
    );
    let by = format!("wrk -t1 -c{connections}");
    summed(by, &String::from_utf8_lossy(&output.stdout))
}

/// Reads wrk's summary. It tells failures only where there were some.
fn summed(by: String, summary: &str) -> Result<Load> {
    let mut load =
        Load { by, requests: 0, failed: 0, seconds: 0.0, p50_ms: f64::NAN, p99_ms: f64::NAN };
    for line in summary.lines().map(str::trim) {
        if let Some((requests, rest)) = line.split_once(" requests in ") {
            load.requests = requests.parse().context("wrk's count of requests")?;
            let time = rest.split(',').next().unwrap_or_default();
            load.seconds = seconds(time).with_context(|| format!("wrk's time {time:?}"))?;
        } else if let Some(time) = line.strip_prefix("50%") {
            load.p50_ms = seconds(time.trim()).context("wrk's median")? * 1e3;
        } else if let Some(time) = line.strip_prefix("99%") {
            load.p99_ms = seconds(time.trim()).context("wrk's 99th percentile")? * 1e3;
        } else if let Some(count) = line.strip_prefix("Non-2xx or 3xx responses:") {
            load.failed += count.trim().parse::<u64>().context("wrk's count of responses")?;
        } else if let Some(counts) = line.strip_prefix("Socket errors:") {
            for count in counts.split(',').filter_map(|one| one.split_whitespace().nth(1)) {
                load.failed += count.parse::<u64>().context("wrk's count of errors")?;
            }
        }
    }
    if load.requests == 0 || load.p50_ms.is_nan() || load.p99_ms.is_nan() {
        bail!("wrk tells of no requests:\n{summary}");
    }
    Ok(load)
}

/// `442.10us`, `1.20ms`, `12.01s` or `1.00m`, as wrk writes times.
fn seconds(text: &str) -> Option<f64> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0)];
    let (number, unit) =
        units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    Some(number.parse::<f64>().ok()? * unit)
}

fn by_threads(
    address: SocketAddr,
    ask: &Ask,
    connections: usize,
    time: Duration,
    work: impl FnOnce() -> Result<()>,
) -> Result<Load> {
    let (ended, failed) = (AtomicBool::new(false), AtomicU64::new(0));
    let all = Mutex::new(Vec::new());
    let ask = || {
        let mut took = Vec::new();
        while !ended.load(Ordering::Relaxed) {
            // A connection that failed is counted and opened anew, as wrk does it.
            let asked = Connection::open(address).and_then(|mut connection| {
                while !ended.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let answer = match ask.body {
                        Some(body) => connection.post(ask.path, body),
                        None => connection.get(ask.path),
                    };
                    let status = answer?.status;
                    took.push(began.elapsed());
                    ensure!(status == 200, "answered with {status}");
                }
                Ok(())
            });
            if asked.is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        all.lock().expect("no thread panics with it").extend(took);
    };
    let began = Instant::now();
    let done = thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(ask);
        }
        thread::sleep(RUN_UP);
        let done = work();
        thread::sleep(time.saturating_sub(began.elapsed()));
        ended.store(true, Ordering::Relaxed);
        done
    });
    done?;
    let mut took = all.into_inner().expect("no thread panics with it");
    ensure!(!took.is_empty(), "the threads were answered");
    took.sort();
    let ms = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    Ok(Load {
        by: format!("{connections} threads (wrk is missing)"),
        requests: took.len() as u64,
        failed: failed.into_inner(),
        seconds: began.elapsed().as_secs_f64(),
        p50_ms: ms(50),
        p99_ms: ms(99),
    })
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
  Latency Distribution
     50%  342.00us
     99%    1.20ms
  431053 requests in 12.01s, 131.55MB read
";

    #[test]
    fn a_summary_without_failures_has_none() {
        let load = summed("wrk".to_owned(), SUMMARY).expect("a summary");
        assert_eq!((load.requests, load.failed), (431_053, 0));
        assert!((load.seconds - 12.01).abs() < 1e-9);
        assert!((load.p50_ms - 0.342).abs() < 1e-9 && (load.p99_ms - 1.2).abs() < 1e-9);
    }

    #[test]
    fn refused_answers_and_broken_connections_are_failures() {
        let summary = format!(
            "{SUMMARY}  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 30\n"
        );
        assert_eq!(summed("wrk".to_owned(), &summary).expect("a summary").failed, 37);
    }

    #[test]
    fn a_summary_without_requests_is_an_error() {
        assert!(
            summed("wrk".to_owned(), "unable to connect to 127.0.0.1:8083 Connection refused")
                .is_err()
        );
    }
}
