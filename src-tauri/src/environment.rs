//! What has to stand in the environment before the libraries that read it are loaded.

use std::io;

/// Name, value and reason of each. A person's own choice stays.
#[cfg(target_os = "linux")]
const SETTINGS: [(&str, &str); 3] = [
    // Buffers of the graphics driver: 70 MB with a software driver, an empty window with some others.
    ("WEBKIT_DISABLE_DMABUF_RENDERER", "1"),
    // What reading 10,000 nodes frees goes back to the system; the C library keeps it by default, an arena a thread.
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// Starts this program again in its own place where a setting is missing: the C library reads them before `main`, and
/// changing the environment of a running process is not safe.
#[cfg(target_os = "linux")]
pub(crate) fn settle() -> io::Result<()> {
    use std::{env, os::unix::process::CommandExt as _, process::Command};
    let missing: Vec<_> = SETTINGS.iter().filter(|(name, _)| env::var_os(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut command = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // Returns only when it could not.
    Err(command.args(arguments).envs(missing.into_iter().copied()).exec())
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "one signature on every system")]
pub(crate) fn settle() -> io::Result<()> {
    Ok(())
}
