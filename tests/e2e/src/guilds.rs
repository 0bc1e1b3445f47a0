//! What the backfill of the supersedes edges needs around it: a fleet whose changes two guilds approve, keys of
//! their people, a Prometheus, and the job in a folder of its own.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::program::program;

/// Of every key file.
pub const PASSPHRASE: &str = "a passphrase of stories";
/// People with their groups.
const PEOPLE: [(&str, &str); 3] =
    [("dana", "devops-guild"), ("sam", "concelier-storage-guild"), ("kim", "platform-security")];

/// The profile of whoever runs the backfill, and everything around it.
#[derive(Debug)]
pub struct Guilds {
    folder: PathBuf,
}

impl Guilds {
    /// Rules the fleet of a file by a roster of the two guilds, on a profile below a folder.
    pub fn found(folder: &Path, fleet_file: &Path) -> Result<Self> {
        let guilds = Self { folder: folder.to_owned() };
        fs::create_dir_all(guilds.profile())?;
        let text = fs::read_to_string(fleet_file).context("reading the fleet file")?;
        let file = fleet_file.with_file_name("guilds.toml");
        fs::write(&file, format!("{text}\n[prometheus]\nurl = \"{}\"\n", prometheus()?))?;
        guilds.plumb(&["fleet", "add", &file.display().to_string()])?;
        guilds.enrol()?;
        job_in(&guilds.job())?;
        Ok(guilds)
    }

    /// Where whoever runs it has their console.
    pub fn profile(&self) -> PathBuf {
        self.folder.join("profile")
    }

    /// Where the job and its database are.
    pub fn job(&self) -> PathBuf {
        self.folder.join("job")
    }

    /// The key file that somebody carries.
    pub fn key(&self, person: &str) -> PathBuf {
        self.folder.join(format!("{person}.key"))
    }

    /// What a query of the job's database answers.
    pub fn database(&self, query: &str) -> Result<String> {
        let said = Command::new("sqlite3")
            .arg(self.job().join("advisories.sqlite"))
            .arg(query)
            .output()
            .context("is sqlite3 installed?")?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    fn enrol(&self) -> Result<()> {
        let root = self.made("vault")?;
        let pem = self.folder.join("vault.pem");
        fs::write(&pem, root["pem"].as_str().context("a key has a PEM")?)?;
        let (pem, draft) = (pem.display().to_string(), self.folder.join("draft.json"));
        let file = draft.display().to_string();
        self.plumb(&["roster", "new", "--root", &format!("vault={pem}"), "-o", &file])?;
        let mut roster: Value = serde_json::from_slice(&fs::read(&draft)?)?;
        for (name, group) in PEOPLE {
            let key = self.made(name)?["public_key"].clone();
            roster["people"][name] =
                json!({ "name": name, "groups": [group], "keys": [{ "key": key }] });
        }
        roster["environments"]["guarded"] = json!({ "rule": {
            "quorums": [{ "count": 1, "of": ["platform-security"] }],
            "valid_h_max": 8,
            "dry_run": false,
        } });
        roster["fleets"]["demo"] = json!("guarded");
        fs::write(&draft, roster.to_string())?;
        let (signed, vault) = (self.folder.join("roster.json"), self.key("vault"));
        let (signed, vault) = (signed.display().to_string(), vault.display().to_string());
        self.plumb(&["roster", "sign", &file, "--key", &vault, "-o", &signed])?;
        self.plumb(&["roster", "enrol", &signed, "--root", &pem, "--fleet", "demo"])?;
        Ok(())
    }

    /// Makes the key of somebody in a profile of their own: the console knows none of them.
    fn made(&self, name: &str) -> Result<Value> {
        let file = self.key(name).display().to_string();
        let own = self.folder.join(format!("profile-of-{name}"));
        let said = plumb(&own, &["key", "new", name, "--file", &file, "--json"])?;
        let said: Value = serde_json::from_str(&said)?;
        Ok(said.get("keys").map_or_else(|| said.clone(), |keys| keys[0].clone()))
    }

    fn plumb(&self, words: &[&str]) -> Result<String> {
        plumb(&self.profile(), words)
    }
}

fn plumb(profile: &Path, words: &[&str]) -> Result<String> {
    let said = Command::new(program("PLUMB_BIN", "plumb")?)
        .arg("--data-dir")
        .arg(profile)
        .args(words)
        .env("PLUMBLINE_KEY_PASSPHRASE", PASSPHRASE)
        .output()?;
    let told = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(said.status.success(), "plumb {}: {told}", words.join(" "));
    Ok(String::from_utf8(said.stdout)?)
}

/// Puts the job, its scripts and its bundle into a folder.
fn job_in(folder: &Path) -> Result<()> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/backfill");
    let scripts = "ops/devops/scripts";
    fs::create_dir_all(folder.join(scripts))?;
    fs::copy(from.join("backfill-job"), folder.join("backfill-job"))?;
    for entry in fs::read_dir(from.join(scripts))? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(scripts).join(entry.file_name()))?;
    }
    fs::write(folder.join("backfill-bundle.tgz"), "the bundle")?;
    Ok(())
}

/// A Prometheus as far as the runbook asks it: every figure is 0.
fn prometheus() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 8_192]);
            let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0"]}]}}"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            // Whoever asked may be gone.
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    Ok(format!("http://{address}"))
}
