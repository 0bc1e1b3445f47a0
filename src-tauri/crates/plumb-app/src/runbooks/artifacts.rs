//! The folder of a run's evidence: whole files, each with its SHA-256, and nothing outside of it.

use std::{
    fs,
    io::{self, Read, Write},
};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use plumb_fleet::Digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::{actions::files::written_durably, views::runbook::EvidenceFileView};

/// The list of digests, as `sha256sum -c` reads it.
const SUMS: &str = "SHA256SUMS";
/// Largest file that is kept or digested.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// A new folder below a root, named by the moment; another run of the same second gets a number.
pub(super) fn new_folder(root: &Utf8Path, at: Timestamp) -> io::Result<Utf8PathBuf> {
    let stamp = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    fs::create_dir_all(root)?;
    for number in 1..1_000 {
        let name = if number == 1 { stamp.clone() } else { format!("{stamp}-{number}") };
        let folder = root.join(name);
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("a thousand runs began in this second"))
}

/// A file below a folder, followed to where it really stands; an error where that is outside.
pub(super) fn below(folder: &Utf8Path, path: &str) -> io::Result<Utf8PathBuf> {
    let root = folder.canonicalize_utf8()?;
    let file = root.join(path).canonicalize_utf8()?;
    if file.starts_with(&root) && file.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other(format!("{path} is no file below {folder}")))
    }
}

/// Keeps bytes under a name, durably, with a line in the list of digests.
pub(super) fn keep(folder: &Utf8Path, name: &str, from: impl Read) -> io::Result<Value> {
    let path = folder.join(name);
    make_folders(folder, name)?;
    let mut file = written_durably(&path)?;
    let (sha256, bytes) = copied(from, &mut file)?;
    file.finish()?;
    listed(folder, name, sha256)?;
    Ok(json!({ "file": name, "sha256": sha256.to_string(), "bytes": bytes }))
}

/// Makes the folders of a name one by one: a link on the way would lead whatever comes after it elsewhere.
fn make_folders(folder: &Utf8Path, name: &str) -> io::Result<()> {
    let outside = || io::Error::other(format!("{name} is not below {folder}"));
    let mut at = folder.to_owned();
    let (parts, last) = name.rsplit_once('/').unwrap_or(("", name));
    if name.starts_with('/') || matches!(last, "" | "." | "..") {
        return Err(outside());
    }
    for part in Utf8Path::new(parts).components() {
        let Utf8Component::Normal(part) = part else { return Err(outside()) };
        at.push(part);
        match fs::symlink_metadata(&at) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(outside()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&at)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes what a program that was killed while it wrote left behind. For whoever owns the run: nobody else writes there.
pub(super) fn swept(folder: &Utf8Path) {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    for left in entries.filter(|entry| entry.file_name().starts_with(".tmp")) {
        if let Err(error) = fs::remove_file(left.path()) {
            warn!(path = %left.path(), %error, "a file that was not finished is left behind");
        }
    }
}

/// Lists the digest of a file that is not kept itself.
pub(super) fn note(folder: &Utf8Path, name: &str, from: impl Read) -> io::Result<Value> {
    let (sha256, bytes) = copied(from, &mut io::sink())?;
    listed(folder, name, sha256)?;
    Ok(json!({ "sha256": sha256.to_string(), "bytes": bytes }))
}

/// What is in the list of digests; an empty one where there is none yet.
pub(super) fn kept(folder: &Utf8Path) -> Vec<EvidenceFileView> {
    let text = fs::read_to_string(folder.join(SUMS)).unwrap_or_default();
    let line = |line: &str| {
        let (sha256, name) = line.split_once("  ")?;
        let bytes = fs::metadata(folder.join(name)).ok().map(|file| file.len());
        Some(EvidenceFileView { name: name.to_owned(), sha256: sha256.to_owned(), bytes })
    };
    text.lines().filter_map(line).collect()
}

/// A file that a step kept.
#[derive(Debug)]
pub(crate) struct KeptFile {
    pub(crate) name: String,
    /// Where it really is, or why it is not at hand.
    pub(crate) path: Result<Utf8PathBuf, String>,
}

/// Every file that is listed, one after the other, and the list itself.
pub(crate) fn kept_files(folder: &Utf8Path) -> impl Iterator<Item = KeptFile> + use<> {
    let listed = kept(folder).into_iter().filter(|file| file.bytes.is_some());
    let sums = folder.join(SUMS).is_file().then(|| SUMS.to_owned());
    let folder = folder.to_owned();
    listed.map(|file| file.name).chain(sums).map(move |name| {
        let path = below(&folder, &name).map_err(|error| error.to_string());
        KeptFile { name, path }
    })
}

fn copied(from: impl Read, to: &mut impl Write) -> io::Result<(Digest, u64)> {
    let mut from = from.take(FILE_BYTES_MAX + 1);
    let (mut hasher, mut bytes) = (Sha256::new(), 0_u64);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
        if bytes > FILE_BYTES_MAX {
            return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        hasher.update(&piece[..count]);
        to.write_all(&piece[..count])?;
    }
    Ok((Digest::from_bytes(hasher.finalize().into()), bytes))
}

fn listed(folder: &Utf8Path, name: &str, sha256: Digest) -> io::Result<()> {
    let path = folder.join(SUMS);
    let former = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let others =
        former.lines().filter(|line| line.split_once("  ").is_none_or(|(_, of)| of != name));
    let mut lines: Vec<String> = others.map(str::to_owned).collect();
    lines.push(format!("{sha256}  {name}"));
    let mut file = written_durably(&path)?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_or_read_outside_of_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Utf8Path::from_path(folder.path()).expect("UTF-8").join("in");
        fs::create_dir(&root).expect("a folder");
        fs::write(root.join("../secret"), "x").expect("a file");
        std::os::unix::fs::symlink("../secret", root.join("link")).expect("a link");
        std::os::unix::fs::symlink("..", root.join("out")).expect("a link");
        for path in ["../secret", "link", "out/secret"] {
            assert!(below(&root, path).is_err(), "{path}");
        }
        for name in ["out/new", "out/made/new", "../new", "a/../../new", "/new", "..", "a/", ""] {
            assert!(keep(&root, name, &b"x"[..]).is_err(), "{name}");
        }
        let outside = |name: &str| root.join("..").join(name).exists();
        assert!(!outside("new") && !outside("made"), "not even a folder is made elsewhere");
        // A link in the place of a file is replaced, and what it led to stays as it was.
        std::os::unix::fs::symlink("../secret", root.join("linked.json")).expect("a link");
        keep(&root, "linked.json", &b"{}"[..]).expect("it is kept");
        assert_eq!(fs::read_to_string(root.join("../secret")).expect("it is there"), "x");
        assert!(root.join("linked.json").symlink_metadata().is_ok_and(|file| file.is_file()));
        let kept = keep(&root, "a/report.json", &b"{}"[..]).expect("it is kept");
        assert_eq!(kept["bytes"], 2);
        note(&root, "bundle", &b"abc"[..]).expect("it is listed");
        let listed = super::kept(&root);
        let names: Vec<_> = listed.iter().map(|file| (file.name.as_str(), file.bytes)).collect();
        assert_eq!(names, [("linked.json", Some(2)), ("a/report.json", Some(2)), ("bundle", None)]);
        let sums = fs::read_to_string(root.join(SUMS)).expect("the list");
        assert_eq!(sums.lines().count(), 3, "{sums}");
        assert!(
            sums.contains(
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  bundle"
            )
        );
    }

    #[test]
    fn two_runs_of_one_second_have_two_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Utf8Path::from_path(folder.path()).expect("UTF-8");
        let at: Timestamp = "2026-03-14T02:00:00Z".parse().expect("a moment");
        let first = new_folder(root, at).expect("a folder");
        let second = new_folder(root, at).expect("a folder");
        assert_eq!(first.file_name(), Some("20260314T020000Z"));
        assert_eq!(second.file_name(), Some("20260314T020000Z-2"));
    }
}
