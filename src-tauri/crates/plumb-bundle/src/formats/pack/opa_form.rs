//! A pack as OPA loads it: modules with their packages, documents at their places below `data`, and
//! a bundle of both whose bytes depend on the pack alone.

use std::collections::{BTreeMap, BTreeSet};

use super::PolicyPack;
use crate::{
    canonical::canonical,
    formats::{
        archive::{ArchiveError, Members},
        opa_archive::{self, has_extension, is_data},
    },
    json::{Value, parse},
};

/// The media type by which OPA knows that a server holds requests back until there is news.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.openpolicyagent.bundles";

/// A pack, made ready for OPA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpaForm {
    /// Version and digest of the pack: two packs never have the same.
    pub revision: String,
    /// Places below `data` that modules and documents take, as OPA writes them: `cos/abac`.
    pub roots: Vec<String>,
    /// Every package, as a place below `data`.
    pub packages: Vec<String>,
    /// Modules by the id the field gives them: `cos.abac` for `opa/cos.abac.rego`.
    pub modules: BTreeMap<String, String>,
    /// Documents by their place below `data`.
    pub documents: BTreeMap<String, Document>,
    /// The gzip tar OPA downloads.
    pub archive: Vec<u8>,
}

/// One document of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The file it comes from.
    pub path: String,
    /// As it stands in the pack.
    pub text: Vec<u8>,
    /// It is YAML, which only a bundle can carry.
    pub yaml: bool,
}

impl PolicyPack {
    /// The pack as OPA loads it.
    ///
    /// A file right in `data/` belongs to the first part of the package name that all modules
    /// share: `data/purpose-tags.json` of a pack of `cos.abac` is `data.cos.purpose_tags`. A file in
    /// a folder stands where the folder says, and one called `data.json` is the folder's own.
    pub fn to_opa(&self) -> Result<OpaForm, ArchiveError> {
        let mut modules = BTreeMap::new();
        let mut files = Members::new();
        let mut packages = BTreeSet::new();
        for module in opa_archive::modules(self.files())? {
            let package = package_of(&module.text)
                .ok_or_else(|| refused(&module.id, "begins with no package that can be read"))?;
            packages.insert(package);
            files.insert(module.id.clone(), module.text.clone().into_bytes());
            let id = module.id.strip_prefix("opa/").unwrap_or(&module.id);
            let id = id.strip_suffix(".rego").unwrap_or(id).to_owned();
            if modules.insert(id, module.text).is_some() {
                return Err(refused(&module.id, "has the same name as a module of another folder"));
            }
        }
        if modules.is_empty() {
            return Err(ArchiveError::Empty);
        }
        let documents = documents(self.files(), shared_first(&packages))?;
        for (place, document) in &documents {
            let name = if document.yaml { "data.yaml" } else { "data.json" };
            files.insert(format!("{place}/{name}"), document.text.clone());
        }
        let packages: Vec<String> = packages.iter().map(|package| package.join("/")).collect();
        let roots = outermost(packages.iter().chain(documents.keys()));
        let version = self.to_bundle()?.version;
        let revision = format!("{version}@sha256:{}", self.digest());
        files.insert(opa_archive::MANIFEST.to_owned(), self.manifest_text(&revision, &roots));
        let archive = opa_archive::write(&files)?;
        Ok(OpaForm { revision, roots, packages, modules, documents, archive })
    }

    fn manifest_text(&self, revision: &str, roots: &[String]) -> Vec<u8> {
        let roots = roots.iter().map(|root| Value::from(root.as_str())).collect();
        let mut manifest =
            Value::object([("revision", Value::from(revision)), ("roots", Value::Array(roots))]);
        if let Some(version) = self.manifest().get("rego_version") {
            manifest.set("rego_version", version.clone());
        }
        canonical(&manifest).into_bytes()
    }
}

fn refused(path: &str, problem: &str) -> ArchiveError {
    ArchiveError::Content { path: path.to_owned(), problem: problem.to_owned() }
}

fn shared_first(packages: &BTreeSet<Vec<String>>) -> Option<&str> {
    let mut firsts = packages.iter().filter_map(|package| package.first());
    let first = firsts.next()?;
    firsts.all(|other| other == first).then_some(first)
}

fn documents(
    files: &Members,
    shared: Option<&str>,
) -> Result<BTreeMap<String, Document>, ArchiveError> {
    let mut found = BTreeMap::new();
    for (path, text) in files {
        let below = path.strip_prefix("data/");
        let yaml = has_extension(path, &["yaml", "yml"]);
        if !(is_data(path) || below.is_some() && (yaml || has_extension(path, &["json"]))) {
            continue;
        }
        let below = below.unwrap_or_else(|| path.strip_prefix("opa/").unwrap_or(path));
        let document = Document { path: path.clone(), text: text.clone(), yaml };
        for (place, document) in placed(below, document, shared)? {
            if let Some(other) = found.insert(place.clone(), document) {
                let problem =
                    format!("has the same place data.{} as {}", dotted(&place), other.path);
                return Err(refused(path, &problem));
            }
        }
    }
    let places: Vec<(&String, &Document)> = found.iter().collect();
    for (outer, _) in &places {
        if let Some((inner, document)) = places.iter().find(|(place, _)| {
            place.strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/'))
        }) {
            let problem =
                format!("its place data.{} is inside data.{}", dotted(inner), dotted(outer));
            return Err(refused(&document.path, &problem));
        }
    }
    Ok(found)
}

fn dotted(place: &str) -> String {
    place.replace('/', ".")
}

/// Where a file stands; one for the root of `data` stands at each of its keys.
fn placed(
    below: &str,
    document: Document,
    shared: Option<&str>,
) -> Result<Vec<(String, Document)>, ArchiveError> {
    let name = below.rsplit('/').next().unwrap_or(below);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let folders = below.strip_suffix(name).unwrap_or_default();
    let mut parts: Vec<String> =
        folders.split('/').filter(|part| !part.is_empty()).map(named).collect();
    if !is_data(name) {
        if parts.is_empty() {
            parts.extend(shared.map(str::to_owned));
        }
        parts.push(named(stem));
    }
    if !parts.is_empty() {
        if !document.yaml {
            parse(&document.text)
                .map_err(|error| ArchiveError::Json { path: document.path.clone(), error })?;
        }
        return Ok(vec![(parts.join("/"), document)]);
    }
    let path = document.path;
    if document.yaml {
        return Err(refused(&path, "is YAML for the whole of data: write it as JSON"));
    }
    let value =
        parse(&document.text).map_err(|error| ArchiveError::Json { path: path.clone(), error })?;
    let members = value.as_object().ok_or_else(|| refused(&path, "must be an object"))?;
    let each = members.iter().map(|(key, value)| {
        let key = key.as_str().filter(|key| !key.is_empty() && !key.contains('/'));
        let key = key.ok_or_else(|| refused(&path, "has a key that cannot be a place"))?;
        let text = canonical(value).into_bytes();
        Ok((key.to_owned(), Document { path: path.clone(), text, yaml: false }))
    });
    each.collect()
}

/// Rego reaches `purpose_tags` without quotes; the field names files with hyphens.
fn named(part: &str) -> String {
    part.replace('-', "_")
}

/// Places none of which is inside another.
fn outermost<'a>(places: impl Iterator<Item = &'a String>) -> Vec<String> {
    let sorted: BTreeSet<&String> = places.collect();
    let mut roots: Vec<String> = Vec::new();
    for place in &sorted {
        let inside = sorted.iter().any(|outer| {
            place.strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/'))
        });
        if !inside {
            roots.push((*place).clone());
        }
    }
    roots
}

/// The package a module declares in its first statement.
fn package_of(source: &str) -> Option<Vec<String>> {
    let rest = after_space(source).strip_prefix("package")?;
    if !rest.starts_with([' ', '\t', '\r', '\n', '#']) {
        return None;
    }
    let mut rest = after_space(rest);
    let mut parts = Vec::new();
    loop {
        let (part, after) = match rest.strip_prefix("[\"") {
            Some(quoted) if !parts.is_empty() => {
                let (part, after) = quoted.split_once("\"]")?;
                (part, after)
            }
            _ => {
                let rest = if parts.is_empty() { rest } else { rest.strip_prefix('.')? };
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                rest.split_at(end.unwrap_or(rest.len()))
            }
        };
        if part.is_empty() || part.contains(['/', '"', '\\', '\n']) {
            return None;
        }
        parts.push(part.to_owned());
        rest = after;
        if !rest.starts_with(['.', '[']) {
            let ends = rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n', '#', ';']);
            return ends.then_some(parts);
        }
    }
}

/// What follows white space and comments.
fn after_space(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let Some(comment) = text.strip_prefix('#') else { return text };
        text = comment.split_once('\n').map_or("", |(_, after)| after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::pack;

    fn form(files: &[(&str, &str)]) -> Result<OpaForm, String> {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        let manifest = parse(br#"{"id":"policy-pack-v0","version":"3"}"#).unwrap();
        let tar = pack::write(&manifest, &files.collect()).unwrap();
        PolicyPack::read(&tar).unwrap().to_opa().map_err(|error| error.to_string())
    }

    #[test]
    fn the_pack_of_the_field_stands_where_the_field_puts_it() {
        let files = [
            ("opa/cos.abac.rego", "# who may\npackage cos.abac\nallow := true\n"),
            ("data/retention.json", "{\"gold\":365}"),
            ("data/purpose-tags.json", "[]"),
            ("README.md", "read me"),
        ];
        let form = form(&files).unwrap();
        assert_eq!(form.modules.keys().collect::<Vec<_>>(), ["cos.abac"]);
        assert_eq!(
            form.documents.keys().collect::<Vec<_>>(),
            ["cos/purpose_tags", "cos/retention"]
        );
        assert_eq!(form.roots, ["cos/abac", "cos/purpose_tags", "cos/retention"]);
        assert!(form.revision.starts_with("3@sha256:"), "{}", form.revision);
        let archive = crate::OpaArchive::read(&form.archive).unwrap();
        assert_eq!(archive.manifest().revision.as_deref(), Some(form.revision.as_str()));
        assert_eq!(archive.manifest().roots, form.roots);
        assert_eq!(archive.files()["cos/retention/data.json"], b"{\"gold\":365}");
        assert_eq!(form, self::form(&files).unwrap(), "the same pack makes the same bytes");
    }

    #[test]
    fn folders_and_data_json_say_where_documents_stand() {
        let form = form(&[
            ("opa/a.rego", "package app.rbac\n"),
            ("opa/b.rego", "package other[\"x-y\"].z # why\n"),
            ("data/limits.json", "1"),
            ("data/app/roles/data.json", "{}"),
            ("data/data.json", "{\"top\":{\"b\":1},\"second\":2}"),
        ])
        .unwrap();
        let places: Vec<_> = form.documents.keys().map(String::as_str).collect();
        assert_eq!(places, ["app/roles", "limits", "second", "top"], "no package part is shared");
        assert_eq!(form.packages, ["app/rbac", "other/x-y/z"]);
        assert_eq!(form.documents["top"].text, b"{\"b\":1}".as_slice());
    }

    #[test]
    fn what_cannot_be_placed_is_refused_with_its_name() {
        let module = ("opa/a.rego", "package app\n");
        let check = |files: &[(&str, &str)], wanted: &str| {
            let error = form(files).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        };
        check(&[("opa/a.rego", "packages app")], "opa/a.rego");
        check(&[("opa/a.rego", "package app!")], "no package");
        check(&[module, ("a.rego", "package app\n")], "same name");
        check(&[module, ("data/x/y.json", "1"), ("data/x/data.json", "{}")], "is inside data.x");
        check(&[module, ("data/x.json", "1"), ("data/app/x.json", "1")], "same place data.app.x");
        check(&[module, ("data/data.json", "[]")], "must be an object");
        check(&[module, ("data/data.yaml", "a: 1")], "write it as JSON");
    }
}
