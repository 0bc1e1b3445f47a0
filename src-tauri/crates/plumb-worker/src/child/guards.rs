//! What is taken away from the child before it reads a call. Each guard is tried out afterwards:
//! what the child reports to its parent is what it saw.

use std::io;

use crate::call::Guards;

/// A guard could not be put up, so the child does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum GuardError {
    #[cfg(unix)]
    #[error("the system refuses the limit of {what}: {error}")]
    Limit { what: &'static str, error: io::Error },
    #[error("the files it inherited cannot be listed: {error}")]
    Files { error: io::Error },
    #[cfg(target_os = "linux")]
    #[error("the list of system calls does not fit this machine: {error}")]
    SystemCalls { error: String },
}

/// The limits of this process.
#[derive(Debug)]
pub(super) struct Held {
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has a limit to move"))]
    processor_s: u64,
}

impl Held {
    /// Limits that hold for every thread, and the end of what was inherited.
    pub(super) fn before_threads(memory_mb: u64, processor_s: u64) -> Result<Self, GuardError> {
        let held = Self { processor_s };
        #[cfg(unix)]
        {
            unix::close_inherited().map_err(|error| GuardError::Files { error })?;
            unix::limit(memory_mb)?;
        }
        #[cfg(not(unix))]
        let _ = memory_mb;
        Ok(held)
    }

    /// Limits that would also stop the child's own threads from starting; then all are tried out.
    pub(super) fn after_threads(&self) -> Result<Guards, GuardError> {
        #[cfg(unix)]
        {
            unix::limit_files_and_processes()?;
            self.next_step();
        }
        #[cfg(target_os = "linux")]
        let system_calls = linux::allow_listed_calls()?;
        #[cfg(not(target_os = "linux"))]
        let system_calls = false;
        Ok(Guards {
            memory: cfg!(target_os = "linux"),
            processor_time: cfg!(unix),
            no_core_dump: cfg!(unix),
            no_files: std::fs::File::open(std::path::Path::new("/dev/null")).is_err() && cfg!(unix),
            no_network: std::net::UdpSocket::bind("127.0.0.1:0").is_err(),
            no_processes: std::process::Command::new("/bin/true").spawn().is_err() && cfg!(unix),
            system_calls,
        })
    }

    /// Gives the next step its own processor time, counted from here.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "only Unix has a limit to move"))]
    pub(super) fn next_step(&self) {
        #[cfg(unix)]
        unix::allow_processor_time(self.processor_s);
    }
}

#[cfg(unix)]
mod unix {
    use std::{fs, io};

    use nix::sys::{
        resource::{Resource, UsageWho, getrusage, setrlimit},
        time::TimeValLike as _,
    };

    use super::GuardError;
    use crate::limits::{FILES_MAX, LIFE_PROCESSOR_S};

    /// Closes everything but the three pipes. The parent opens nothing that is inherited, but its
    /// libraries may have.
    pub(super) fn close_inherited() -> io::Result<()> {
        let listed = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
        let open: Vec<i32> = fs::read_dir(listed)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|number| *number > 2)
            .collect();
        for number in open {
            // The listing's own is among them, and closed by now.
            let _ = nix::unistd::close(number);
        }
        Ok(())
    }

    pub(super) fn limit(memory_mb: u64) -> Result<(), GuardError> {
        let memory = memory_mb.saturating_mul(1 << 20);
        set("processor time", Resource::RLIMIT_CPU, LIFE_PROCESSOR_S, LIFE_PROCESSOR_S)?;
        set("core dumps", Resource::RLIMIT_CORE, 0, 0)?;
        set("file size", Resource::RLIMIT_FSIZE, 0, 0)?;
        // What can be written to, however it was asked for. The whole address space is no measure:
        // the libraries of a window alone take more of it.
        set("memory", Resource::RLIMIT_DATA, memory, memory)
    }

    pub(super) fn limit_files_and_processes() -> Result<(), GuardError> {
        set("open files", Resource::RLIMIT_NOFILE, FILES_MAX, FILES_MAX)?;
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        set("processes", Resource::RLIMIT_NPROC, 0, 0)?;
        #[cfg(target_os = "linux")]
        nix::sys::prctl::set_dumpable(false)
            .map_err(|error| GuardError::Limit { what: "core dumps", error: error.into() })?;
        Ok(())
    }

    pub(super) fn allow_processor_time(step_s: u64) {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return };
        let used_ms = usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds();
        // The limit counts whole seconds of the life of the process.
        let used_s = u64::try_from(used_ms).unwrap_or(0).div_ceil(1_000);
        let soft = used_s.saturating_add(step_s).min(LIFE_PROCESSOR_S);
        // Refused only past the hard limit, which then ends the process by itself.
        let _ = setrlimit(Resource::RLIMIT_CPU, soft, LIFE_PROCESSOR_S);
    }

    fn set(what: &'static str, of: Resource, soft: u64, hard: u64) -> Result<(), GuardError> {
        setrlimit(of, soft, hard).map_err(|error| GuardError::Limit { what, error: error.into() })
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use seccompiler::{TargetArch, apply_filter_all_threads, compile_from_json};
    use serde_json::{Value, json};

    use super::GuardError;

    /// What evaluating, allocating, waiting for the other thread, reading and writing pipes and
    /// ending need. Everything else answers "not permitted", which the engine never runs into.
    const ALLOWED: [&str; 26] = [
        "brk",
        "clock_gettime",
        "clock_nanosleep",
        "close",
        "exit",
        "exit_group",
        "futex",
        "getpid",
        "getrandom",
        "getrusage",
        "gettid",
        "madvise",
        "mmap",
        "mprotect",
        "mremap",
        "munmap",
        "nanosleep",
        "read",
        "restart_syscall",
        "rseq",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sched_yield",
        "sigaltstack",
        "write",
    ];

    /// `EPERM`, of every Linux.
    const NOT_PERMITTED: u32 = 1;

    /// Holds every thread to [`ALLOWED`]; false where the system knows no such filter.
    pub(super) fn allow_listed_calls() -> Result<bool, GuardError> {
        let wrong = |error: String| GuardError::SystemCalls { error };
        let arch =
            TargetArch::try_from(std::env::consts::ARCH).map_err(|e| wrong(e.to_string()))?;
        let text = filter(std::process::id()).to_string();
        let compiled =
            compile_from_json(text.as_bytes(), arch).map_err(|e| wrong(e.to_string()))?;
        let program = compiled.get("child").expect("the filter has this one name");
        Ok(apply_filter_all_threads(program).is_ok())
    }

    fn filter(own_id: u32) -> Value {
        let only = |index: u8, value: u32| json!([{ "index": index, "type": "dword", "op": "eq", "val": value }]);
        let mut rules: Vec<Value> = ALLOWED.iter().map(|name| json!({ "syscall": name })).collect();
        // Its own limits and its own end, nobody else's.
        rules.push(json!({ "syscall": "prlimit64", "args": only(0, 0) }));
        rules.push(json!({ "syscall": "tgkill", "args": only(0, own_id) }));
        json!({ "child": {
            "mismatch_action": { "errno": NOT_PERMITTED },
            "match_action": "allow",
            "filter": rules,
        }})
    }
}
