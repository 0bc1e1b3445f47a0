//! What a fleet refuses, as the hub keeps it: a list that somebody signed, held to what it says by itself.

use plumb_fleet::ContentDigest;
use plumb_trust::refused::RefusedList;
use serde::{Deserialize, Serialize};

use crate::{
    folder::chain,
    problem::Problem,
    state::{Document, State, collection::REFUSED},
};

/// A list that skips more versions than this is no next one; without this, one forged list would end all others.
const VERSIONS_SKIPPED_MAX: u32 = 1_000;

/// A signed document as it came.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) text: String,
    pub(crate) at: jiff::Timestamp,
    pub(crate) by: String,
}

/// The list of a fleet, where it has one.
pub(crate) async fn list(state: &State, fleet: &str) -> Result<Option<RefusedList>, Problem> {
    let kept: Option<Document<Letter>> = state.get(REFUSED, fleet).await?;
    kept.map(|kept| read_list(&kept.body)).transpose()
}

pub(crate) fn read_list(letter: &Letter) -> Result<RefusedList, Problem> {
    RefusedList::kept(letter.text.as_bytes()).map_err(|error| {
        let told = chain(&error);
        Problem::refused(format!("{told}: sign one with `plumb refused add`"))
    })
}

/// Whether the first list of a fleet is its own. Where a console calls the fleet otherwise than the hub does, it says so.
pub(crate) fn names_fleet(list: &RefusedList, expected: &str) -> Result<(), Problem> {
    let named = &list.document().fleet;
    if named.as_str() == expected {
        return Ok(());
    }
    Err(Problem::refused(format!(
        "it is for fleet {named}, not for {expected}: put it where that fleet is, or say list_of={named} where both are the same fleet"
    )))
}

/// Whether a list may take the place of another.
pub(crate) fn follows(former: &RefusedList, next: &RefusedList) -> Result<(), Problem> {
    let (was, is) = (former.document(), next.document());
    if was.fleet != is.fleet {
        let told = format!("it is for fleet {}, and the list here for {}", is.fleet, was.fleet);
        return Err(Problem::refused(told));
    }
    if is.version <= was.version {
        return Err(Problem::conflict(format!(
            "version {} is here already: take it with `plumb refused fetch`, and sign the next one",
            was.version
        )));
    }
    no_jump(was.version, is.version)?;
    let forgotten = was
        .refused
        .keys()
        .find(|content| !is.refused.contains_key(*content) && !is.cleared.contains_key(*content));
    match forgotten {
        Some(content) => Err(Problem::conflict(format!(
            "content {} is refused by version {}, and version {} says nothing of it: take that one first",
            content.short(),
            was.version,
            is.version
        ))),
        None => Ok(()),
    }
}

/// Whether a version is one of the next.
pub(crate) fn no_jump(was: u32, is: u32) -> Result<(), Problem> {
    if is <= was.saturating_add(VERSIONS_SKIPPED_MAX) {
        return Ok(());
    }
    Err(Problem::refused(format!(
        "version {is} is far beyond {was}: take what is here with `plumb refused fetch`, and sign the next one"
    )))
}

/// Why content is refused by a list; nothing where it is not.
pub(crate) fn why(list: &RefusedList, content: ContentDigest) -> Option<String> {
    let document = list.document();
    document.refused.get(&content).map(|entry| {
        format!(
            "{} refuses content {} since {} ({}), says version {} of its list: choose another version, or have it signed clean (`plumb refused clear`)",
            document.fleet,
            content.short(),
            entry.since,
            entry.reason,
            document.version
        )
    })
}
