//! The hidden subcommand by which this program evaluates policies of others.

use std::{
    io::Read as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

fn plumb(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
    command.args(words).env_clear().stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn it_is_ready_and_ends_with_its_parent() {
    let mut child = plumb(&["eval-worker", "256", "5"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut head = [0; 4];
    out.read_exact(&mut head).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(head) as usize];
    out.read_exact(&mut frame).unwrap();
    let said: Value = serde_json::from_slice(&frame).unwrap();
    assert_eq!(said["reply"], "ready");
    if cfg!(target_os = "linux") {
        let guards = said["guards"].as_object().unwrap();
        assert!(guards.values().all(|guard| *guard == json!(true)), "{said}");
    }
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn it_does_not_run_without_limits() {
    for words in [&["eval-worker"][..], &["eval-worker", "256"], &["eval-worker", "256", "many"]] {
        let Output { status, stderr, .. } = plumb(words).output().unwrap();
        assert_eq!(status.code(), Some(1));
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(said, "eval-worker: it is started by this program only, with its limits\n");
    }
}

#[test]
fn nobody_is_told_of_it() {
    let help = plumb(&["--help"]).output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains("eval-worker"));
}
