//! A change that two others must approve: a roster, keys and a profile for each, all of them throw-away.

use std::{fs, io};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_app::{
    App, AppOptions, Passphrase,
    actions::files::write_chosen,
    personal_keys::{Algorithm, KeyChoice, PublicKey},
    views::approvals::PersonalKeyView,
};
use plumb_demo::{APPROVED, RunningDemo};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{exit::Failure, text::escape::shell_word};

/// Protects nothing: it is printed, and its keys go with the demo.
const PASSPHRASE: &str = "throw-away-demo";
/// Whoever asks, then those who approve, each with a group.
const PEOPLE: [(&str, &str); 3] =
    [("avery", "operations"), ("robin", "storage"), ("sam", "platform-security")];
/// Long enough for a demo that is left running.
const ROSTER_DAYS: u32 = 30;
/// Enough for waves, few enough for a line; what is reversible asks for no phrase.
const NODES_MAX: usize = 3;

/// What the demo offers to try approvals with.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ApprovalsOffer {
    /// Name of the fleet whose changes the roster rules.
    pub(crate) fleet: String,
    pub(crate) fleet_file: String,
    /// Whoever asks, then those who approve.
    pub(crate) people: Vec<Person>,
    /// Passphrase of every key file.
    pub(crate) passphrase: String,
    /// Folder of the profiles, the roster and the keys.
    pub(crate) folder: String,
    /// Nodes that drifted and have a way back; every drifted node where there are none.
    pub(crate) nodes: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) group: String,
    /// Data folder of a profile that knows the fleet and its roster.
    pub(crate) data_dir: String,
    pub(crate) key: String,
}

/// Makes keys, a roster and the profiles beside the fleet file of a demo, all anew.
pub(crate) async fn prepare(demo: &RunningDemo) -> Result<ApprovalsOffer, Failure> {
    let fleet_file = Utf8PathBuf::from_path_buf(demo.approved_file.clone()).map_err(|path| {
        let message = format!("{} is not UTF-8", path.display());
        Failure::usage(message, "give another --state-dir")
    })?;
    let folder = fleet_file.parent().map(|state| state.join("approvals")).unwrap_or_default();
    fresh(&folder).map_err(|error| {
        Failure::internal(format!("{folder} cannot be made anew: {error}"), "look at its rights")
    })?;
    let mut keys = Vec::new();
    for (name, _) in PEOPLE.iter().chain([&("root", "")]) {
        let app = App::open(AppOptions::command(folder.join(name))).await?;
        let file = Some((key_file(&folder, name), SecretString::from(PASSPHRASE)));
        let key = app.make_personal_key(name, Algorithm::Ed25519, file).await;
        app.close().await;
        keys.push(key?);
    }
    let roster = roster(&folder, &keys).await?;
    let root = PublicKey::try_from(keys[PEOPLE.len()].public_key.clone())
        .map_err(|error| Failure::internal(error.to_string(), "try again"))?;
    for (name, _) in PEOPLE {
        let app = App::open(AppOptions::command(folder.join(name))).await?;
        let enrolled = async {
            app.add_fleet(fleet_file.as_str()).await?;
            app.enrol_roster(APPROVED, &roster, std::slice::from_ref(&root)).await
        };
        let enrolled = enrolled.await;
        app.close().await;
        enrolled?;
    }
    let people = PEOPLE.map(|(id, group)| Person {
        id: id.to_owned(),
        group: group.to_owned(),
        data_dir: folder.join(id).into_string(),
        key: key_file(&folder, id).into_string(),
    });
    let offer = ApprovalsOffer {
        fleet: APPROVED.to_owned(),
        fleet_file: fleet_file.into_string(),
        people: people.into(),
        passphrase: PASSPHRASE.to_owned(),
        folder: folder.to_string(),
        nodes: demo.reversible(NODES_MAX),
    };
    // Last: whoever waits for it finds everything there.
    write_chosen(folder.join("TRY.txt"), offer.lines().join("\n") + "\n").await?;
    Ok(offer)
}

fn key_file(folder: &Utf8Path, name: &str) -> Utf8PathBuf {
    folder.join(format!("{name}.pem"))
}

fn fresh(folder: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(folder),
    }
}

/// A roster of these people, signed by the root key, and kept as a file too.
async fn roster(folder: &Utf8Path, keys: &[PersonalKeyView]) -> Result<Vec<u8>, Failure> {
    let app = App::open(AppOptions::command(folder.join("root"))).await?;
    let signed = async {
        let root = PublicKey::try_from(keys[PEOPLE.len()].public_key.clone())
            .map_err(|error| Failure::internal(error.to_string(), "try again"))?;
        let draft = app.draft_roster(vec![("root".to_owned(), root)], 1, ROSTER_DAYS)?;
        let mut draft: Value = serde_json::from_str(&draft).expect("a draft is JSON");
        for ((name, group), key) in PEOPLE.iter().zip(keys) {
            draft["people"][name] =
                json!({ "name": name, "groups": [group], "keys": [{ "key": key.public_key }] });
        }
        draft["environments"]["demo"] = json!({ "rule": {
            "quorums": [{ "count": 1, "of": ["storage"] }, { "count": 1, "of": ["platform-security"] }],
            "valid_h_max": 8,
            "dry_run": false,
            // All day long, so that a demo can show it at any hour.
            "night_rollback": { "from_utc": "00:00:00", "until_utc": "23:59:59.999999999" },
        } });
        draft["fleets"][APPROVED] = json!("demo");
        let path = key_file(folder, "root");
        let passphrase = Passphrase::new(|| Ok(SecretString::from(PASSPHRASE)));
        let draft = draft.to_string();
        let signed =
            app.sign_roster(draft.as_bytes(), &KeyChoice::File { path, passphrase }).await?;
        let text = String::from_utf8_lossy(&signed.0).into_owned();
        write_chosen(folder.join("roster.json"), text).await?;
        Ok(signed.0)
    };
    let signed = signed.await;
    app.close().await;
    signed
}

impl ApprovalsOffer {
    /// How to try it: commands that work as they stand.
    pub(crate) fn lines(&self) -> Vec<String> {
        let [asks, approve @ ..] = self.people.as_slice() else { return Vec::new() };
        let word = |text: &str| shell_word(text);
        let file = |name: &str| word(&format!("{}/{name}", self.folder));
        let fleet = &self.fleet;
        let console = format!("plumb --data-dir {} --fleet {fleet}", word(&asks.data_dir));
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("--node {node}")).collect();
        let nodes = if nodes.is_empty() { "--drifted".to_owned() } else { nodes.join(" ") };
        let mut lines = vec![
            format!(
                "A change of {fleet}, the same nodes, that others must approve: {} asks, {} approve.",
                asks.id,
                approve.iter().map(|one| one.id.as_str()).collect::<Vec<_>>().join(" and ")
            ),
            format!("  export PLUMBLINE_KEY_PASSPHRASE={}", word(&self.passphrase)),
            format!(
                "  {console} policy sync {nodes} --request {} --key {}",
                file("request.json"),
                word(&asks.key)
            ),
        ];
        let answers = approve.iter().map(|one| file(&format!("answer-{}.json", one.id)));
        let answers: Vec<String> = answers.collect();
        for (one, answer) in approve.iter().zip(&answers) {
            lines.push(format!(
                "  plumb --data-dir {} approve --request {} --key {} --yes -o {answer}",
                word(&one.data_dir),
                file("request.json"),
                word(&one.key)
            ));
        }
        lines.push(format!("  {console} approvals add {}", answers.join(" ")));
        lines.push(format!("  {console} policy sync {nodes} --yes"));
        lines.push(format!(
            "In the window it is the fleet {fleet} of: plumbline --data-dir {}",
            word(&asks.data_dir)
        ));
        lines.push(format!(
            "Its key and those of the others are the .pem files in {}.",
            word(&self.folder)
        ));
        lines
    }
}
