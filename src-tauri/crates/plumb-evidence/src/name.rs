//! Names of entries: the same file on every system, inside the folder it is unpacked in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{DEPTH_MAX, NAME_BYTES_MAX};

/// A relative path of plain ASCII with `/` between folders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryName(String);

/// Why a name was refused; follows the name in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    #[error("has no name")]
    Empty,
    #[error("has a name longer than {NAME_BYTES_MAX} bytes")]
    Long,
    #[error("lies deeper than {DEPTH_MAX} folders")]
    Deep,
    #[error("would be unpacked outside of its folder")]
    Outside,
    #[error("has a name with {character:?}, which some systems read in another way")]
    Character { character: char },
    #[error("has a name that is not plain ASCII, which systems compare differently")]
    NotAscii,
    #[error("has a name that some systems keep for a device or shorten")]
    Reserved,
}

impl EntryName {
    pub fn new(name: impl Into<String>) -> Result<Self, NameProblem> {
        let name = name.into();
        check(&name)?;
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder at the top, or nothing for a file there.
    pub fn folder(&self) -> &str {
        self.0.split_once('/').map_or("", |(folder, _)| folder)
    }
}

/// A name out of words of others, for example a node's: what does not belong into one becomes `_`, and
/// what was changed gets a part of its digest, so that two words never share a name.
pub fn safe_part(word: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let made: String = word.chars().take(60).map(kept).collect();
    let same = made == word && !made.is_empty() && made == made.to_ascii_lowercase();
    if same && part(&made).is_ok() {
        return made;
    }
    let digest = plumb_fleet::Digest::of(word.as_bytes());
    format!("{}-{}", made.to_ascii_lowercase(), digest.short())
}

fn check(name: &str) -> Result<(), NameProblem> {
    if name.is_empty() {
        return Err(NameProblem::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameProblem::Long);
    }
    if !name.is_ascii() {
        return Err(NameProblem::NotAscii);
    }
    let drive = name.as_bytes().get(1) == Some(&b':');
    if name.starts_with(['/', '\\']) || drive {
        return Err(NameProblem::Outside);
    }
    if name.split('/').count() > DEPTH_MAX {
        return Err(NameProblem::Deep);
    }
    name.split('/').try_for_each(part)
}

fn part(part: &str) -> Result<(), NameProblem> {
    if part.split('\\').any(|part| part == "..") {
        return Err(NameProblem::Outside);
    }
    if part.is_empty() || part == "." {
        return Err(NameProblem::Empty);
    }
    let bad = |c: &char| c.is_ascii_control() || "\\:*?\"<>|".contains(*c);
    if let Some(character) = part.chars().find(bad) {
        return Err(NameProblem::Character { character });
    }
    if part.ends_with(['.', ' ']) || part.starts_with(' ') {
        return Err(NameProblem::Reserved);
    }
    let stem = part.split('.').next().unwrap_or(part).to_ascii_lowercase();
    let numbered = |word: &str| {
        stem.strip_prefix(word).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
    };
    if matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
    {
        return Err(NameProblem::Reserved);
    }
    Ok(())
}

impl TryFrom<String> for EntryName {
    type Error = NameProblem;
    fn try_from(name: String) -> Result<Self, NameProblem> {
        Self::new(name)
    }
}

impl From<EntryName> for String {
    fn from(name: EntryName) -> Self {
        name.0
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
