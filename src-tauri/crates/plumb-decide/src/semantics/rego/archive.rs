//! What of an OPA bundle decides: its modules, its data and the language they are in.

use plumb_bundle::{
    OpaArchive, PolicyPack,
    formats::opa_archive::{MANIFEST, SIGNATURES},
};
use serde_json::{Map, Value};

use super::{Module, RegoSource, RegoVersion};
use crate::answer::Reason;

impl RegoSource {
    /// The source of a policy pack: what OPA would decide by, were the pack given to it.
    pub fn of_pack(pack: &PolicyPack) -> Result<Self, Reason> {
        let form = pack.to_opa().map_err(|error| wrong("the pack", &error.to_string()))?;
        let archive = OpaArchive::read(&form.archive)
            .map_err(|error| wrong("the pack", &error.to_string()))?;
        Self::of_archive(&archive)
    }

    /// The source of a bundle, as OPA would load it. What OPA reads and this program does not, such
    /// as data in YAML, is refused: leaving it out would answer something else.
    pub fn of_archive(archive: &OpaArchive) -> Result<Self, Reason> {
        let mut source =
            Self { modules: Vec::new(), data: Value::Object(Map::new()), version: RegoVersion::V1 };
        for (path, bytes) in archive.files() {
            let name = path.rsplit('/').next().unwrap_or(path);
            match name {
                MANIFEST => source.version = version(bytes)?,
                SIGNATURES => {}
                "data.json" => add(&mut source.data, path, document(path, bytes)?)?,
                name if is_module(name) => source.modules.push(module(path, bytes)?),
                _ => return Err(unsupported(path, &format!("a file {name}"))),
            }
        }
        source.check()?;
        Ok(source)
    }
}

/// As the reader of archives tells them, which lets nothing else through.
fn is_module(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "rego")
}

fn unsupported(path: &str, feature: &str) -> Reason {
    Reason::Unsupported { module: path.to_owned(), line: 1, feature: feature.to_owned() }
}

fn wrong(path: &str, problem: &str) -> Reason {
    Reason::NotUnderstood { message: format!("{path}: {problem}") }
}

fn document(path: &str, bytes: &[u8]) -> Result<Value, Reason> {
    serde_json::from_slice(bytes).map_err(|error| wrong(path, &error.to_string()))
}

fn module(path: &str, bytes: &[u8]) -> Result<Module, Reason> {
    let text = std::str::from_utf8(bytes).map_err(|_| wrong(path, "it is no UTF-8 text"))?;
    Ok(Module { name: path.to_owned(), text: text.to_owned() })
}

fn version(manifest: &[u8]) -> Result<RegoVersion, Reason> {
    let manifest = document(MANIFEST, manifest)?;
    if manifest.get("file_rego_versions").is_some_and(|versions| !versions.is_null()) {
        return Err(unsupported(MANIFEST, "a language version for single files"));
    }
    match manifest.get("rego_version").unwrap_or(&Value::Null) {
        Value::Null => Ok(RegoVersion::V1),
        version if version == 0 => Ok(RegoVersion::V0),
        version if version == 1 => Ok(RegoVersion::V1),
        other => Err(wrong(MANIFEST, &format!("rego_version is {other}, neither 0 nor 1"))),
    }
}

/// Puts a document where its folder says: `app/users/data.json` is `data.app.users`.
fn add(data: &mut Value, path: &str, document: Value) -> Result<(), Reason> {
    let folders: Vec<&str> = path.split('/').filter(|folder| !folder.is_empty()).collect();
    let folders = folders.split_last().map_or(&[][..], |(_, folders)| folders);
    let placed = folders.iter().rev().fold(document, |inner, folder| {
        Value::Object(Map::from_iter([((*folder).to_owned(), inner)]))
    });
    merge(data, placed).map_err(|at| wrong(path, &format!("{at:?} is there twice")))
}

/// The key both sides have a value for, when they do not fit into one another. As deep as folders
/// and documents go, which is bounded for both.
fn merge(into: &mut Value, from: Value) -> Result<(), String> {
    let (Value::Object(into), Value::Object(from)) = (into, from) else {
        return Err("data".to_owned());
    };
    for (key, value) in from {
        match into.get_mut(&key) {
            None => {
                into.insert(key, value);
            }
            Some(there) => {
                if !there.is_object() || !value.is_object() {
                    return Err(key);
                }
                merge(there, value)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use plumb_bundle::formats::opa_archive::write;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn read(files: &[(&str, &str)]) -> Result<RegoSource, String> {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        let archive = OpaArchive::read(&write(&files.collect()).unwrap()).unwrap();
        RegoSource::of_archive(&archive).map_err(|reason| reason.to_string())
    }

    #[test]
    fn data_stands_where_its_folder_says() {
        let source = read(&[
            ("app/rbac.rego", "package app.rbac"),
            ("data.json", "{\"app\": {\"limit\": 3}}"),
            ("app/users/data.json", "[\"ada\"]"),
        ])
        .unwrap();
        assert_eq!(source.data, json!({ "app": { "limit": 3, "users": ["ada"] } }));
        assert_eq!(source.modules[0].name, "app/rbac.rego");
        assert_eq!(source.version, RegoVersion::V1);
    }

    #[test]
    fn a_pack_is_asked_as_opa_would_be() {
        let files = [
            ("opa/cos.abac.rego", "package cos.abac\nallow := true"),
            ("data/purpose-tags.json", "[\"fraud\"]"),
            ("README.md", "read me"),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let manifest = plumb_bundle::json::parse(b"{\"id\":\"p\"}").unwrap();
        let tar = plumb_bundle::formats::pack::write(&manifest, &files.into()).unwrap();
        let source = RegoSource::of_pack(&PolicyPack::read(&tar).unwrap()).unwrap();
        assert_eq!(source.data, json!({ "cos": { "purpose_tags": ["fraud"] } }));
        assert_eq!(source.modules[0].name, "opa/cos.abac.rego");
    }

    #[test]
    fn the_manifest_names_the_language() {
        let version = |manifest| read(&[(".manifest", manifest), ("a.rego", "package a")]);
        assert_eq!(version("{\"rego_version\": 0}").unwrap().version, RegoVersion::V0);
        assert_eq!(version("{\"rego_version\": 1}").unwrap().version, RegoVersion::V1);
        assert!(version("{\"rego_version\": 2}").is_err());
        assert!(version("{\"file_rego_versions\": {\"a.rego\": 0}}").is_err());
    }

    #[test]
    fn what_is_not_read_here_is_refused_by_name() {
        let told = |path| read(&[("a.rego", "package a"), (path, "{}")]).unwrap_err();
        for path in ["data.yaml", "x/data.yml", "policy.wasm", "patch.json"] {
            assert!(told(path).contains(path), "{}", told(path));
        }
    }

    #[test]
    fn two_values_in_one_place_are_an_error() {
        let twice = read(&[("data.json", "{\"a\": {\"b\": 1}}"), ("a/data.json", "{\"b\": 2}")]);
        assert!(twice.unwrap_err().contains("\"b\" is there twice"));
        assert!(read(&[("data.json", "[1]")]).is_err());
    }
}
