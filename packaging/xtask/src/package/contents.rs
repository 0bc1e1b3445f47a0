//! What must be in a package, looked for where it would be installed: each kind of package, the same way.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::{DOCUMENTS, EVIDENCE_TYPE, File, PROGRAMS, TYPES};
use crate::cmd::{Cmd, ROOT, cargo};

const ENTRY: &str = "usr/share/applications/Plumbline.desktop";
const ICONS: &str = "usr/share/icons/hicolor";
/// Sizes that menus and file managers ask for.
const ICON_SIZES: &[u32] = &[32, 128, 256];
/// Names of files that are evidence, and of those that are not.
const NAMES: &[(&str, &str)] =
    &[("rollout.evidence.zip", EVIDENCE_TYPE), ("holiday.zip", "application/zip")];

/// The files of a package as they would be installed, below a fresh folder.
pub(crate) fn unpacked(package: &Path) -> Result<TempDir> {
    let folder = TempDir::new().context("a folder to install into")?;
    if package.extension().is_some_and(|ending| ending == "rpm") {
        // The names are arguments, so that no shell reads them. Debian's rpm2cpio tells of a failure behind a whole
        // archive, so what came out is judged by cpio, and file by file afterwards.
        let script = "{ rpm2cpio \"$0\" || true; } | cpio --extract --make-directories --quiet --directory=\"$1\"";
        Cmd::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .args([package, folder.path()])
            .run()?;
    } else {
        Cmd::new("dpkg-deb").args(["-x"]).args([package, folder.path()]).run()?;
    }
    Ok(folder)
}

/// Looks that a package holds what it is made of, whole, and that a desktop can do something with it.
pub(crate) fn check(package: &Path, files: &[File]) -> Result<()> {
    let folder = unpacked(package)?;
    let of = || format!("{} as it would be installed", package.display());
    whole(folder.path(), files).with_context(of)?;
    programs(folder.path()).with_context(of)?;
    entry(folder.path()).with_context(of)?;
    icons(folder.path()).with_context(of)?;
    types(folder.path()).with_context(of)?;
    for program in PROGRAMS {
        let list = list(folder.path(), program).with_context(of)?;
        materials(&list, &resolved(program)?).with_context(of)?;
    }
    let page = list(folder.path(), "plumbline-ui").with_context(of)?;
    materials(&page, &of_the_page()?).with_context(of)
}

/// Every file byte for byte.
fn whole(folder: &Path, files: &[File]) -> Result<()> {
    for (path, from) in files {
        let there =
            fs::read(installed(folder, path)).with_context(|| format!("{path} is missing"))?;
        ensure!(there == fs::read(from)?, "{path} is not what it was made of");
    }
    Ok(())
}

/// Both programs can be started.
fn programs(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for name in ["usr/bin/plumb", "usr/bin/plumbline"] {
        let program = folder.join(name);
        let kept = fs::metadata(&program).with_context(|| format!("{name} is missing"))?;
        ensure!(
            kept.permissions().mode() & 0o111 == 0o111,
            "{name} may not be started by everybody"
        );
        let mut first = [0; 4];
        std::io::Read::read_exact(&mut fs::File::open(&program)?, &mut first)?;
        ensure!(&first == b"\x7fELF", "{name} is no program");
    }
    Ok(())
}

/// The desktop entry starts the window, with a file, and has an icon that is there.
fn entry(folder: &Path) -> Result<()> {
    let entry = fs::read_to_string(folder.join(ENTRY)).context("the desktop entry is missing")?;
    let value = |key: &str| {
        let line = entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.with_context(|| format!("the desktop entry lacks {key}:\n{entry}"))
    };
    ensure!(value("Exec")? == "plumbline %f", "the entry starts {:?}", value("Exec")?);
    let types: Vec<&str> = value("MimeType")?.split(';').filter(|one| !one.is_empty()).collect();
    ensure!(types == [EVIDENCE_TYPE], "the entry opens {types:?}");
    let icon = value("Icon")?;
    let file = folder.join(ICONS).join("128x128/apps").join(format!("{icon}.png"));
    ensure!(file.is_file(), "the entry's icon {icon:?} is not among the icons");
    Ok(())
}

/// Icons have the sizes that their folders say.
fn icons(folder: &Path) -> Result<()> {
    let mut sizes = BTreeSet::new();
    for size in super::sorted(&folder.join(ICONS))? {
        for icon in super::sorted(&size.join("apps"))? {
            let bytes = fs::read(&icon)?;
            let (width, height) = dimensions(&bytes)
                .with_context(|| format!("{} is no picture in PNG", icon.display()))?;
            let named = super::name(&size)?;
            // `256x256@2` is an icon of 256 pixels for a screen of twice the pixels.
            let told = named.split('@').next().unwrap_or(named);
            ensure!(told == format!("{width}x{height}"), "{named} has an icon of {width}x{height}");
            sizes.insert(width);
        }
    }
    for wanted in ICON_SIZES {
        ensure!(sizes.contains(wanted), "there is no icon of {wanted} pixels, only {sizes:?}");
    }
    Ok(())
}

/// Width and height of a PNG (its header is the first chunk, section 11.2.2 of the specification).
fn dimensions(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..16)?.strip_prefix(b"IHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    Some((number(0)?, number(4)?))
}

/// The database that desktops read knows files of evidence by their name, and leaves other archives alone.
fn types(folder: &Path) -> Result<()> {
    let share = folder.join("usr/share");
    let told =
        fs::read_to_string(installed(folder, "/usr/share/mime/packages/plumbline-evidence.xml"))
            .context("the type of evidence is missing")?;
    ensure!(told == fs::read_to_string(ROOT.join(TYPES))?, "the type of evidence is another");
    Cmd::new("update-mime-database").args([share.join("mime")]).stdout_to_stderr().run()?;
    for (file, wanted) in NAMES {
        let probe = folder.join(file);
        // The content of an empty archive, as any program writes it.
        fs::write(&probe, b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")?;
        let found = Cmd::new("gio")
            .args(["info", "--attributes=standard::content-type"])
            .args([&probe])
            .env("XDG_DATA_DIRS", format!("{}:/usr/share", share.display()))
            .env("XDG_DATA_HOME", folder.join("home"))
            .output()?;
        let found = String::from_utf8_lossy(&found).into_owned();
        let told =
            found.lines().find_map(|line| line.trim().strip_prefix("standard::content-type: "));
        ensure!(told == Some(*wanted), "a desktop takes {file} for {told:?}, not for {wanted}");
    }
    Ok(())
}

fn list(folder: &Path, of: &str) -> Result<Value> {
    let path = format!("{DOCUMENTS}/sbom/{of}.cdx.json");
    let text = fs::read(installed(folder, &path)).with_context(|| format!("{path} is missing"))?;
    serde_json::from_slice(&text).with_context(|| format!("{path} is no JSON"))
}

/// A bill of materials is CycloneDX, names what went in with version and licence, and leaves nothing out.
fn materials(list: &Value, wanted: &BTreeSet<(String, String)>) -> Result<()> {
    ensure!(list["bomFormat"] == "CycloneDX", "its format is {}", list["bomFormat"]);
    let of = list["metadata"]["component"]["name"].as_str().context("it does not say of what")?;
    let components = list["components"].as_array().context("it lists no components")?;
    let mut listed = BTreeSet::new();
    for one in components {
        let word = |key: &str| one[key].as_str().filter(|word| !word.is_empty());
        let (name, version) =
            word("name").zip(word("version")).context("a component has no name")?;
        let licensed = one["licenses"].as_array().is_some_and(|all| !all.is_empty());
        ensure!(licensed, "{of}: {name} {version} has no licence");
        listed.insert((name.to_owned(), version.to_owned()));
    }
    let missing: Vec<String> =
        wanted.difference(&listed).map(|(name, version)| format!("{name} {version}")).collect();
    ensure!(missing.is_empty(), "{of}: it leaves out {}", missing.join(", "));
    Ok(())
}

/// What cargo resolves for a program, beside the program itself.
fn resolved(program: &str) -> Result<BTreeSet<(String, String)>> {
    let tree = cargo()
        .args(["tree", "--locked", "--package", program, "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .output()?;
    let tree = String::from_utf8(tree).context("cargo speaks UTF-8")?;
    let all: BTreeSet<(String, String)> =
        tree.lines().filter_map(named).filter(|(name, _)| name != program).collect();
    ensure!(all.len() > 100, "cargo resolves only {} packages for {program}", all.len());
    Ok(all)
}

/// A line of `cargo tree`: a name, a version behind a `v`, and what does not matter here.
fn named(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some((name.to_owned(), version.to_owned()))
}

/// What the page is made of, as its lock file has it.
fn of_the_page() -> Result<BTreeSet<(String, String)>> {
    let read = |name: &str| -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(ROOT.join("ui").join(name))?)?)
    };
    let (wanted, locked) = (read("package.json")?, read("package-lock.json")?);
    let wanted = wanted["dependencies"].as_object().context("the page has dependencies")?;
    wanted
        .keys()
        .map(|name| {
            let version = locked["packages"][format!("node_modules/{name}")]["version"].as_str();
            let version = version.with_context(|| format!("{name} is not locked"))?;
            Ok((name.clone(), version.to_owned()))
        })
        .collect()
}

fn installed(folder: &Path, path: &str) -> PathBuf {
    folder.join(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A folder in which everything that a desktop looks for is installed.
    fn good() -> TempDir {
        let folder = TempDir::new().expect("a folder");
        let at = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            path
        };
        let text = "[Desktop Entry]\nExec=plumbline %f\nIcon=plumbline\n\
                    MimeType=application/vnd.plumbline.evidence+zip;\n";
        fs::write(at(ENTRY), text).expect("written");
        for size in ICON_SIZES {
            let path = format!("{ICONS}/{size}x{size}/apps/plumbline.png");
            fs::write(at(&path), png(*size)).expect("written");
        }
        fs::copy(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(TYPES),
            at("usr/share/mime/packages/plumbline-evidence.xml"),
        )
        .expect("copied");
        for program in ["usr/bin/plumb", "usr/bin/plumbline"] {
            fs::copy(std::env::current_exe().expect("this program"), at(program)).expect("copied");
        }
        folder
    }

    fn png(size: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(size.to_be_bytes());
        bytes.extend(size.to_be_bytes());
        bytes
    }

    #[track_caller]
    fn refused(check: impl Fn(&Path) -> Result<()>, spoil: impl Fn(&Path), said: &str) {
        let folder = good();
        check(folder.path()).expect("good");
        spoil(folder.path());
        let error = format!("{:#}", check(folder.path()).expect_err("it is spoiled"));
        assert!(error.contains(said), "{error}");
    }

    fn rewritten(folder: &Path, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(folder.join(path)).expect("text");
        assert!(text.contains(from), "{text}");
        fs::write(folder.join(path), text.replace(from, to)).expect("written");
    }

    #[test]
    fn an_entry_that_does_not_open_evidence_is_refused() {
        let spoiled = |from: &'static str, to: &'static str, said: &str| {
            refused(entry, |folder| rewritten(folder, ENTRY, from, to), said);
        };
        spoiled("plumbline %f", "plumbline", "starts \"plumbline\"");
        spoiled("MimeType=", "Types=", "lacks MimeType");
        spoiled(EVIDENCE_TYPE, "application/zip", "opens [\"application/zip\"]");
        spoiled("Icon=plumbline", "Icon=other", "\"other\" is not among the icons");
        refused(entry, |at| fs::remove_file(at.join(ENTRY)).expect("removed"), "is missing");
    }

    #[test]
    fn icons_of_another_size_and_missing_ones_are_refused() {
        let of = |size: u32| format!("{ICONS}/{size}x{size}/apps/plumbline.png");
        let put = |at: &Path, bytes: &[u8]| fs::write(at.join(of(128)), bytes).expect("written");
        refused(icons, |at| put(at, &png(64)), "128x128 has an icon of 64x64");
        refused(icons, |at| put(at, b"GIF89a"), "no picture in PNG");
        let gone = |at: &Path| fs::remove_file(at.join(of(256))).expect("removed");
        refused(icons, gone, "there is no icon of 256 pixels");
    }

    #[test]
    fn programs_that_are_not_there_or_cannot_be_started_are_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let plumb = |at: &Path| at.join("usr/bin/plumb");
        refused(programs, |at| fs::remove_file(plumb(at)).expect("removed"), "plumb is missing");
        let locked = |at: &Path| {
            fs::set_permissions(plumb(at), fs::Permissions::from_mode(0o644)).expect("changed");
        };
        refused(programs, locked, "may not be started by everybody");
        refused(
            programs,
            |at| fs::write(plumb(at), "#!/bin/sh").expect("written"),
            "is no program",
        );
    }

    #[test]
    fn files_that_are_not_whole_are_refused() {
        let folder = good();
        let from = folder.path().join("source");
        fs::write(&from, "words").expect("written");
        let files = [("/usr/share/doc/plumbline/copyright".to_owned(), from)];
        let installed = installed(folder.path(), &files[0].0);
        let missing = whole(folder.path(), &files).expect_err("it is missing");
        assert!(format!("{missing:#}").contains("copyright is missing"));
        fs::create_dir_all(installed.parent().expect("a folder")).expect("made");
        fs::write(&installed, "sword").expect("written");
        whole(folder.path(), &files).expect_err("as long, and another");
        fs::write(&installed, "words").expect("written");
        whole(folder.path(), &files).expect("whole");
    }

    #[test]
    fn a_bill_that_leaves_something_out_or_names_no_licence_is_refused() {
        let wanted = BTreeSet::from([("serde".to_owned(), "1.0.1".to_owned())]);
        let component =
            json!({ "name": "serde", "version": "1.0.1", "licenses": [{ "expression": "MIT" }] });
        let bill = json!({
            "bomFormat": "CycloneDX",
            "metadata": { "component": { "name": "plumb-cli" } },
            "components": [component],
        });
        materials(&bill, &wanted).expect("good");
        let refused = |change: fn(&mut Value), said: &str| {
            let mut bill = bill.clone();
            change(&mut bill);
            let error = materials(&bill, &wanted).expect_err("it is spoiled").to_string();
            assert!(error.contains(said), "{error}");
        };
        refused(|bill| bill["components"] = json!([]), "leaves out serde 1.0.1");
        refused(|bill| bill["components"][0]["version"] = json!("1.0.0"), "leaves out serde 1.0.1");
        refused(|bill| bill["components"][0]["licenses"] = json!([]), "serde 1.0.1 has no licence");
        refused(|bill| bill["bomFormat"] = json!("SPDX"), "its format is \"SPDX\"");
        let line = "plumb-app v0.1.0 (/somewhere/plumb-app) (*)";
        assert_eq!(named(line), Some(("plumb-app".to_owned(), "0.1.0".to_owned())));
    }
}
