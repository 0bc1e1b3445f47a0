//! Pure crates name nothing that reaches outside; clippy sees calls, this sees the rest.

use tidy_tests::{PURE, files, folder, none, root, shown, source, text, workspace};

const OUTSIDE: &[(&str, &str)] = &[
    ("std::fs", "files are the caller's"),
    ("std::net", "sockets are the caller's"),
    ("std::env", "settings are arguments"),
    ("std::process", "pure crates start nothing"),
    ("std::thread", "pure crates run on the caller's thread"),
    ("SystemTime::now", "time is an argument"),
    ("Instant::now", "time is an argument"),
    ("Timestamp::now", "time is an argument"),
    ("Zoned::now", "time is an argument"),
    ("TimeZone::system", "the answer differs between machines"),
    ("async fn", "only I/O waits"),
    (".await", "only I/O waits"),
    ("tokio", "only I/O waits"),
    ("reqwest", "only plumb-clients speaks HTTP"),
    ("HashMap", "its order differs between runs"),
    ("HashSet", "its order differs between runs"),
    ("rand::rng", "randomness is an argument"),
    ("thread_rng", "randomness is an argument"),
    ("OsRng", "randomness is an argument"),
    ("println!", "output is the caller's"),
    ("eprintln!", "output is the caller's"),
];

#[test]
fn pure_crates_name_nothing_outside() {
    let mut offences = Vec::new();
    for package in workspace().packages.iter().filter(|p| PURE.contains(&p.name.as_str())) {
        for path in files(&folder(package).join("src"), &[".rs"]) {
            if path.ends_with("tests.rs") {
                continue;
            }
            let code = source::flat(&source::without_tests(&source::code(&text(&path))));
            for (name, reason) in OUTSIDE.iter().filter(|(name, _)| source::names(&code, name)) {
                offences.push(format!("{}: {name}: {reason}", shown(&path)));
            }
        }
    }
    none("pure crates reach outside", &offences);
}

#[test]
fn pure_crates_share_one_clippy_file_with_reasons() {
    let of = |name: &str| text(&root().join("src-tauri/crates").join(name).join("clippy.toml"));
    let first = of(PURE[0]);
    for name in PURE {
        assert_eq!(of(name), first, "{name} has another clippy.toml than {}", PURE[0]);
    }
    let banned = first.lines().filter(|line| line.contains("path = "));
    let unexplained: Vec<String> =
        banned.filter(|line| !line.contains("reason = ")).map(str::to_owned).collect();
    none("a ban without a reason", &unexplained);
}
