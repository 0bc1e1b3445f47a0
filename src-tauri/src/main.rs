//! The window's process.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> anyhow::Result<std::process::ExitCode> {
    plumb_desktop::run()
}
