//! Scripts, and the transcripts that playing them has to give.

use std::{collections::BTreeMap, fs, path::Path};

/// The scripts of a folder by name, in order.
pub fn scripts(input: &Path) -> Vec<(String, String)> {
    let mut scripts: Vec<_> = fs::read_dir(input)
        .expect("scripts stand in input/")
        .map(|entry| entry.expect("a script").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a readable script"))
        })
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "there are scripts");
    scripts
}

/// Compares what was shown with what is kept. `PLUMBLINE_WRITE_TRANSCRIPTS=1` keeps it instead.
///
/// # Panics
///
/// When a transcript is not as it was.
pub fn assert_as_kept(output: &Path, shown: BTreeMap<String, String>) {
    let mut different = Vec::new();
    for (name, shown) in shown {
        let kept = output.join(&name);
        if std::env::var_os("PLUMBLINE_WRITE_TRANSCRIPTS").is_some() {
            fs::write(&kept, &shown).expect("a writable transcript");
        }
        if fs::read_to_string(&kept).unwrap_or_default() != shown {
            eprintln!("--- {name} now shows\n{shown}");
            different.push(name);
        }
    }
    assert!(different.is_empty(), "transcripts differ: {}", different.join(", "));
}
