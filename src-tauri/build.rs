//! Checks configuration and capabilities, and embeds them.

fn main() {
    tauri_build::build();
}
