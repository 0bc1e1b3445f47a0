//! `--measure-start`: time from the start of the process to the painted fleet, and memory.

use std::{fs, sync::Once};

use serde::Serialize;
use tauri::AppHandle;

/// Kernel clock ticks a second as `/proc` counts them (always 100 for user space on Linux).
const TICKS_PER_S: f64 = 100.0;

/// Prints one JSON line at the first paint and ends the program, when asked to.
#[derive(Debug)]
pub(crate) struct Measurement {
    wanted: bool,
    once: Once,
}

/// The line that is printed. Memory is proportional set size in KiB.
#[derive(Debug, Serialize)]
struct Figures {
    /// Milliseconds from the start of the process to the painted fleet; 10 ms resolution.
    start_ms: f64,
    pss_total_kib: u64,
    pss_own_kib: u64,
    processes: usize,
}

impl Measurement {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, once: Once::new() }
    }

    pub(crate) fn painted(&self, handle: &AppHandle) {
        if self.wanted {
            self.once.call_once(|| {
                let line = match figures() {
                    Some(figures) => {
                        serde_json::to_string(&figures).expect("figures always serialise")
                    }
                    None => r#"{"error":"this system has no /proc to measure with"}"#.to_owned(),
                };
                #[expect(clippy::print_stdout, reason = "the measurement is the program's output")]
                {
                    println!("{line}");
                }
                handle.exit(0);
            });
        }
    }
}

fn figures() -> Option<Figures> {
    let uptime_s: f64 = fs::read_to_string("/proc/uptime").ok()?.split(' ').next()?.parse().ok()?;
    let started_s = stat_field("self", 19)? as f64 / TICKS_PER_S;
    let own = std::process::id();
    let family = descendants(own);
    Some(Figures {
        start_ms: (uptime_s - started_s) * 1_000.0,
        pss_total_kib: family.iter().filter_map(|pid| pss_kib(*pid)).sum(),
        pss_own_kib: pss_kib(own)?,
        processes: family.len(),
    })
}

/// A numeric field of `/proc/PID/stat`, counted from the one after the name (proc(5): field 3 is 0).
fn stat_field(pid: &str, index: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(index)?.parse().ok()
}

fn pss_kib(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A process and everything it started, by parent links.
fn descendants(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
            && let Some(parent) = stat_field(&pid.to_string(), 1)
        {
            parents.push((pid, parent));
        }
    }
    let mut family = vec![root];
    let mut next = 0;
    while next < family.len() {
        let parent = u64::from(family[next]);
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    family
}
