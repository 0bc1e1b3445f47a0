//! `package`: what people install, from the release build: `.deb` and `.rpm` with both programs, manual pages,
//! completion, the type of evidence files and bills of materials.

mod contents;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    apps,
    cmd::{Cmd, ROOT, TARGET, cargo, npm},
    setup::{self, Purpose},
};

/// As `tauri.conf.json` has it for the desktop entry, and the type's file below.
const EVIDENCE_TYPE: &str = "application/vnd.plumbline.evidence+zip";
const TYPES: &str = "packaging/linux/plumbline-evidence.xml";
const MANUAL: &str = "/usr/share/man/man1";
const DOCUMENTS: &str = "/usr/share/doc/plumbline";
/// Where shells look for the words of a command.
const COMPLETION: &[(&str, &str)] = &[
    ("bash", "/usr/share/bash-completion/completions/plumb"),
    ("zsh", "/usr/share/zsh/vendor-completions/_plumb"),
    ("fish", "/usr/share/fish/vendor_completions.d/plumb.fish"),
];
/// The packages of the workspace that are programs.
const PROGRAMS: &[&str] = &["plumb-cli", "plumb-desktop"];

pub(crate) fn run() -> Result<ExitCode> {
    setup::ensure(Purpose::Package)?;
    apps::build()?;
    for package in build()? {
        eprintln!("{}", package.display());
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) use contents::unpacked;

/// A file of a package, and where it comes from.
type File = (String, PathBuf);

/// Makes the packages of programs that are built.
pub(crate) fn build() -> Result<Vec<PathBuf>> {
    let made = TARGET.join("package");
    if made.exists() {
        fs::remove_dir_all(&made).context("the last package's folder cannot be removed")?;
    }
    let mut files = vec![
        ("/usr/bin/plumb".to_owned(), apps::plumb()),
        ("/usr/share/mime/packages/plumbline-evidence.xml".to_owned(), ROOT.join(TYPES)),
        (format!("{DOCUMENTS}/copyright"), ROOT.join("LICENSE")),
    ];
    files.extend(manual(&made.join("man"))?);
    files.extend(completion(&made.join("completion"))?);
    files.extend(materials(&made.join("sbom"))?);
    let config = made.join("tauri.json");
    fs::write(&config, configuration(&files).to_string()).context("what the bundler is told")?;
    let bundles = TARGET.join("release/bundle");
    if bundles.exists() {
        fs::remove_dir_all(&bundles).context("the last packages cannot be removed")?;
    }
    // Started from the root: from `ui` it would not find the program's folder.
    Cmd::new(ROOT.join("ui/node_modules/.bin/tauri"))
        .args(["bundle", "--bundles", "deb,rpm", "--config"])
        .args([&config])
        .env("CARGO_TARGET_DIR", &*TARGET)
        .stdout_to_stderr()
        .run()?;
    let packages = [only(&bundles.join("deb"), "deb")?, only(&bundles.join("rpm"), "rpm")?];
    for package in &packages {
        contents::check(package, &files)?;
    }
    Ok(packages.into())
}

/// Every manual page, compressed as `man` expects it of packages.
fn manual(folder: &Path) -> Result<Vec<File>> {
    fs::create_dir_all(folder)?;
    Cmd::new(apps::plumb()).args(["man"]).args([folder]).stdout_to_stderr().run()?;
    let mut files = Vec::new();
    for page in sorted(folder)? {
        Cmd::new("gzip").args(["-9", "-n"]).args([&page]).run()?;
        let name = format!("{}.gz", name(&page)?);
        files.push((format!("{MANUAL}/{name}"), folder.join(name)));
    }
    ensure!(!files.is_empty(), "`plumb man` wrote no page");
    Ok(files)
}

fn completion(folder: &Path) -> Result<Vec<File>> {
    fs::create_dir_all(folder)?;
    COMPLETION
        .iter()
        .map(|(shell, installed)| {
            let file = folder.join(shell);
            let script = Cmd::new(apps::plumb()).args(["completion", shell]).output()?;
            fs::write(&file, script)?;
            Ok(((*installed).to_owned(), file))
        })
        .collect()
}

/// Which packages of others went into the programs and the page, in CycloneDX.
fn materials(folder: &Path) -> Result<Vec<File>> {
    fs::create_dir_all(folder)?;
    let of_program = |program: &&'static str| {
        let format = ["--output-format", "cyclone_dx_json_1_6"];
        (*program, cargo().args(["sbom", "--cargo-package", program]).args(format))
    };
    let page = npm().args(["sbom", "--sbom-format", "cyclonedx", "--omit", "dev"]);
    let lists = PROGRAMS.iter().map(of_program).chain([("plumbline-ui", page)]);
    lists
        .map(|(of, list)| {
            let file = folder.join(format!("{of}.cdx.json"));
            fs::write(&file, list.output()?)?;
            Ok((format!("{DOCUMENTS}/sbom/{}", name(&file)?), file))
        })
        .collect()
}

/// Beside what `tauri.conf.json` says; the same files for both kinds of packages.
fn configuration(files: &[File]) -> Value {
    let files: BTreeMap<&str, &Path> =
        files.iter().map(|(installed, from)| (installed.as_str(), from.as_path())).collect();
    json!({ "bundle": { "linux": { "deb": { "files": files }, "rpm": { "files": files } } } })
}

fn only(folder: &Path, ending: &str) -> Result<PathBuf> {
    let mut found = sorted(folder)?;
    found.retain(|path| path.extension().is_some_and(|one| one == ending));
    match <[PathBuf; 1]>::try_from(found) {
        Ok([package]) => Ok(package),
        Err(found) => bail!("one .{ending} in {} and not {}", folder.display(), found.len()),
    }
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> Result<&str> {
    path.file_name().and_then(|name| name.to_str()).context("a file has a name")
}
