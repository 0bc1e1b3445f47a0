//! `setup`: looks for what a purpose needs and installs what is missing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::cmd::{Cmd, ROOT, cargo, npm, on_path};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the machine shall be able to do; `test` includes the others
    #[arg(long = "for", value_enum, default_value_t = Purpose::Test)]
    purpose: Purpose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Purpose {
    Build,
    Demo,
    Package,
    Test,
}

/// How to see that a package is there, whoever installed it.
enum Sign {
    Program(&'static str),
    Library(&'static str),
    File(&'static str),
    Postgres,
}

struct Package {
    name: &'static str,
    sign: Sign,
    purpose: Purpose,
}

const fn package(name: &'static str, sign: Sign, purpose: Purpose) -> Package {
    Package { name, sign, purpose }
}

/// Verifies our envelopes without code of ours.
const PYTHON_CRYPTOGRAPHY: &str = "/usr/lib/python3/dist-packages/cryptography/__init__.py";

const PACKAGES: &[Package] = &[
    package("build-essential", Sign::Program("g++"), Purpose::Build),
    package("pkg-config", Sign::Program("pkg-config"), Purpose::Build),
    package("libwebkit2gtk-4.1-dev", Sign::Library("webkit2gtk-4.1"), Purpose::Build),
    package("ca-certificates", Sign::File("/etc/ssl/certs/ca-certificates.crt"), Purpose::Build),
    package("rpm2cpio", Sign::Program("rpm2cpio"), Purpose::Package),
    package("cpio", Sign::Program("cpio"), Purpose::Package),
    package("shared-mime-info", Sign::Program("update-mime-database"), Purpose::Package),
    package("libglib2.0-bin", Sign::Program("gio"), Purpose::Package),
    package("webkit2gtk-driver", Sign::Program("WebKitWebDriver"), Purpose::Test),
    package("xvfb", Sign::Program("xvfb-run"), Purpose::Test),
    package("xauth", Sign::Program("xauth"), Purpose::Test),
    package("dbus-daemon", Sign::Program("dbus-run-session"), Purpose::Test),
    package("gnome-keyring", Sign::Program("gnome-keyring-daemon"), Purpose::Test),
    package("wrk", Sign::Program("wrk"), Purpose::Test),
    package("imagemagick", Sign::Program("import"), Purpose::Test),
    package("chromium", Sign::Program("chromium"), Purpose::Test),
    package("python3-cryptography", Sign::File(PYTHON_CRYPTOGRAPHY), Purpose::Test),
    package("curl", Sign::Program("curl"), Purpose::Test),
    // Tests start servers of their own; Debian starts the services of the first two where systemd runs.
    package("prometheus", Sign::Program("promtool"), Purpose::Test),
    package("prometheus-alertmanager", Sign::Program("amtool"), Purpose::Test),
    // Only its programs are used, by tests that start a server of their own; Debian starts one where systemd runs.
    package("postgresql", Sign::Postgres, Purpose::Test),
    package("systemd", Sign::Program("systemd-analyze"), Purpose::Test),
];

/// Both build with the Rust of the workspace: three and a half and one and a half minutes on two idle cores. Nextest
/// comes without the part that replaces itself, which brings an HTTP client.
const NEXTEST: &[&str] =
    &["cargo-nextest@0.9.151", "--no-default-features", "--features", "default-no-update"];
const DENY: &[&str] = &["cargo-deny@0.20.2"];
/// A few seconds.
const SBOM: &[&str] = &["cargo-sbom@0.10.0"];

/// A program of PyPI, in a folder of its own below `target/tools`. Tests pass without it, and say so.
#[derive(Debug)]
pub(crate) struct FromPypi {
    /// Its name there, and the folder's.
    pub(crate) name: &'static str,
    /// As pip takes it.
    wanted: &'static str,
    program: &'static str,
    /// What is not checked without it.
    pub(crate) unchecked: &'static str,
}

pub(crate) const FROM_PYPI: [FromPypi; 2] = [
    // Reads the OpenAPI document of a hub and asks everything that it allows, and what it does not.
    FromPypi {
        name: "schemathesis",
        wanted: "schemathesis==4.32.5",
        program: "schemathesis",
        unchecked: "the OpenAPI document of a hub was checked by our own generator only",
    },
    // Speaks S3, so that a hub can keep its packs there.
    FromPypi {
        name: "moto",
        wanted: "moto[s3,server]==5.0.28",
        program: "moto_server",
        unchecked: "packs in object storage were NOT checked",
    },
];

pub(crate) fn run(args: &Args) -> Result<()> {
    ensure(args.purpose)
}

/// Installs what is missing, with everything the installers say on standard error.
pub(crate) fn ensure(purpose: Purpose) -> Result<()> {
    system_packages(purpose)?;
    page_packages()?;
    if purpose >= Purpose::Package {
        tool("sbom", SBOM)?;
    }
    if purpose == Purpose::Test {
        tool("nextest", NEXTEST)?;
        tool("deny", DENY)?;
        FROM_PYPI.iter().for_each(FromPypi::ensure);
    }
    Ok(())
}

impl FromPypi {
    /// Whether it is here, whoever installed it.
    pub(crate) fn is_there(&self) -> bool {
        on_path(self.program) || self.folder().join("bin").join(self.program).is_file()
    }

    fn folder(&self) -> PathBuf {
        ROOT.join("target/tools").join(self.name)
    }

    fn ensure(&self) {
        if self.is_there() {
            return;
        }
        let folder = self.folder().to_string_lossy().into_owned();
        let made = Cmd::new("python3").args(["-m", "venv", &folder]).stdout_to_stderr().run();
        let installed = made.and_then(|()| {
            let pip = format!("{folder}/bin/pip");
            Cmd::new(&pip).args(["install", "-q", self.wanted]).stdout_to_stderr().run()
        });
        if let Err(error) = installed {
            eprintln!("!!!! {} is not there: {error:#}", self.name);
        }
    }
}

fn system_packages(purpose: Purpose) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let missing: Vec<&str> = missing(purpose);
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get install --no-install-recommends -y {}", missing.join(" "));
    if !on_path("apt-get") {
        bail!(
            "missing on this machine, by their Debian names: {}; install them with your package manager",
            missing.join(" ")
        );
    }
    if !is_root() {
        bail!("missing packages and no right to install them; run: sudo {install}");
    }
    eprintln!("installing {}", missing.join(" "));
    apt().args(["update", "-q"]).run()?;
    apt().args(["install", "--no-install-recommends", "-y", "-q"]).args(&missing).run()
}

fn missing(purpose: Purpose) -> Vec<&'static str> {
    let wanted = PACKAGES.iter().filter(|package| package.purpose <= purpose);
    wanted.filter(|package| !package.sign.is_there()).map(|package| package.name).collect()
}

impl Sign {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(program) => on_path(program),
            Self::Library(library) => Cmd::new("pkg-config").args(["--exists", library]).succeeds(),
            Self::File(path) => Path::new(path).exists(),
            Self::Postgres => has_postgres(),
        }
    }
}

/// Whether tests can start a PostgreSQL server: Debian keeps its programs in a folder of each version.
pub(crate) fn has_postgres() -> bool {
    let mut versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.any(|version| version.path().join("bin/initdb").is_file())
}

fn apt() -> Cmd {
    Cmd::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").stdout_to_stderr()
}

fn is_root() -> bool {
    Cmd::new("id").args(["-u"]).captured().is_ok_and(|(_, id)| id.trim() == "0")
}

/// `npm ci` when what is installed is older than the lock file.
pub(crate) fn page_packages() -> Result<()> {
    if !on_path("npm") {
        bail!("npm is not on PATH; install Node 20.19 or newer");
    }
    let lock = ROOT.join("ui/package-lock.json");
    let locked = fs::metadata(&lock)
        .and_then(|file| file.modified())
        .with_context(|| format!("{} is not readable", lock.display()))?;
    // npm writes this file last, so a broken installation counts as none.
    let installed = fs::metadata(ROOT.join("ui/node_modules/.package-lock.json"));
    if installed.and_then(|file| file.modified()).is_ok_and(|installed| installed >= locked) {
        return Ok(());
    }
    npm().args(["ci", "--no-audit", "--no-fund"]).stdout_to_stderr().run()
}

/// Installs a cargo subcommand unless cargo already finds one.
fn tool(subcommand: &str, package: &[&str]) -> Result<()> {
    if cargo().args([subcommand, "--version"]).succeeds() {
        return Ok(());
    }
    eprintln!("installing {}", package[0]);
    cargo().args(["install", "--locked"]).args(package).stdout_to_stderr().run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_needs_no_browser() {
        let demo = PACKAGES.iter().filter(|package| package.purpose <= Purpose::Demo);
        assert!(demo.map(|package| package.name).all(|name| name != "chromium"));
    }
}
