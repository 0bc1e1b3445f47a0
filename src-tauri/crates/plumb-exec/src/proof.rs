//! What of a later observation shows that a node did what it was asked.

use jiff::Timestamp;
use plumb_fleet::NamedContent;
use plumb_runbook::{Effect, NodePlan, Running, Undo};

use crate::ports::Observation;

/// What shows that everything asked of a node came to be, or else what is missing.
pub(crate) fn proof(
    target: &NodePlan,
    seen: &Observation,
    sent_at: Timestamp,
    loaded_before: Option<Timestamp>,
) -> Result<String, String> {
    let shown = standing(target, seen)?;
    if !only_told(target) && !loaded_again(target, seen, sent_at, loaded_before) {
        let what = if restarts(target) { "restart" } else { "load it anew" };
        return Err(format!("{shown}, but did not {what}"));
    }
    Ok(shown)
}

/// Whether a node stands as its part of a plan wants it, with what shows it; whatever brought it
/// there.
pub fn standing(target: &NodePlan, seen: &Observation) -> Result<String, String> {
    let runs = Running { version: seen.version.clone(), content: seen.content };
    // What runs does not change by a pin or a setting, so it shows nothing.
    let content_counts = !only_told(target);
    if content_counts && !arrived(&target.after, &runs) {
        return Err(format!("still runs {runs}"));
    }
    let told = told(target, seen);
    match (content_counts, told) {
        (true, Ok(_)) => Ok(format!("runs {runs}")),
        (true, Err(missing)) => Err(format!("runs {runs}, but {missing}")),
        (false, told) => told,
    }
}

/// Whether the effects are about what a node is told and keeps, not about what it runs.
pub(crate) fn only_told(target: &NodePlan) -> bool {
    let told = |effect: &Effect| {
        matches!(effect, Effect::Pin { .. } | Effect::Unpin { .. } | Effect::SetConfig { .. })
    };
    // A part without effects is about what runs.
    !target.effects.is_empty() && target.effects.iter().all(told)
}

/// Whether the node keeps the last pin and the settings it was told.
fn told(target: &NodePlan, seen: &Observation) -> Result<String, String> {
    let mut shown = Vec::new();
    for effect in &target.effects {
        if let Effect::SetConfig { key, value, .. } = effect {
            let line = setting(key, seen);
            if seen.settings.get(key) != Some(value) {
                return Err(line);
            }
            shown.push(line);
        }
    }
    let pin = target.effects.iter().rev().find_map(|effect| match effect {
        Effect::Pin { version, content } => {
            let named = NamedContent { version: version.clone(), content: *content };
            Some(seen.pinned.as_ref() == Some(&named))
        }
        Effect::Unpin { .. } => Some(seen.unpinned),
        _ => None,
    });
    match pin {
        Some(false) => return Err(pinned(seen)),
        Some(true) => shown.push(pinned(seen)),
        None => {}
    }
    Ok(shown.join(", "))
}

/// Why a node is not as it was when its part was planned; nothing where it is, or where it stands as
/// wanted already.
pub fn otherwise(target: &NodePlan, seen: &Observation) -> Option<String> {
    if let Some(changed) = told_otherwise(target, seen) {
        return Some(changed);
    }
    runs_otherwise(target, seen)
}

/// The same for what it runs.
fn runs_otherwise(target: &NodePlan, seen: &Observation) -> Option<String> {
    if only_told(target) {
        return None;
    }
    let (before, after) = (target.before.content, target.after.content);
    match (before, seen.content) {
        (Some(before), Some(now)) if now != before && Some(now) != after => {
            let now = Running { version: seen.version.clone(), content: seen.content };
            Some(format!("runs {now}, no longer {} as planned", target.before))
        }
        (Some(_), None) => Some(format!("tells no content, planned was {}", target.before)),
        _ => None,
    }
}

/// The same for what a node was told and keeps.
fn told_otherwise(target: &NodePlan, seen: &Observation) -> Option<String> {
    let planned = target.effects.first().and_then(|effect| match effect {
        Effect::SetConfig { key, before: Some(before), .. } => {
            let now = seen.settings.get(key)?;
            (now != before).then(|| format!("{key} is {now}, no longer {before} as planned"))
        }
        Effect::Unpin { from: Some(from) } if only_told(target) => (seen.pinned.as_ref()
            != Some(from))
        .then(|| format!("{}, no longer to {} as planned", pinned(seen), from.version)),
        _ => None,
    });
    planned.or_else(|| {
        let former = match &target.undo {
            Undo::Restore { pinned, .. } | Undo::Pin { pinned } => pinned.as_ref(),
            _ => return None,
        };
        // Its own last pin is what the plan leads to, and no change behind its back.
        let same = seen.pinned.as_ref() == former || told(target, seen).is_ok();
        let tells = seen.pinned.is_some() || seen.unpinned;
        (tells && !same).then(|| format!("{}, no longer as planned", pinned(seen)))
    })
}

/// Why a node in the middle of its part is not as the effects so far left it; nothing where it is, or
/// where it does not tell.
pub(crate) fn otherwise_midway(
    target: &NodePlan,
    accepted: usize,
    seen: &Observation,
) -> Option<String> {
    let done = target.effects.get(..accepted).unwrap_or(&target.effects);
    let pin = done.iter().rev().find_map(|effect| match effect {
        Effect::Pin { version, content } => {
            let named = NamedContent { version: version.clone(), content: *content };
            let tells = seen.pinned.is_some() || seen.unpinned;
            Some(tells && seen.pinned.as_ref() != Some(&named))
        }
        Effect::Unpin { .. } => Some(seen.pinned.is_some()),
        _ => None,
    });
    if pin == Some(true) {
        return Some(format!("{}, no longer as it was told", pinned(seen)));
    }
    let set = done.iter().find_map(|effect| match effect {
        Effect::SetConfig { key, value, .. } => {
            let now = seen.settings.get(key)?;
            (now != value).then(|| format!("{key} is {now}, no longer {value} as it was told"))
        }
        _ => None,
    });
    let told = |effect: &Effect| {
        matches!(effect, Effect::Pin { .. } | Effect::Unpin { .. } | Effect::SetConfig { .. })
    };
    let before = || if done.iter().any(told) { None } else { told_otherwise(target, seen) };
    set.or_else(before).or_else(|| runs_otherwise(target, seen))
}

/// Whether what a node shows says that an effect took place; nothing where it does not show it.
pub(crate) fn happened(effect: &Effect, target: &NodePlan, seen: &Observation) -> bool {
    match effect {
        Effect::Pin { version, content } => {
            let named = NamedContent { version: version.clone(), content: *content };
            seen.pinned.as_ref() == Some(&named)
        }
        Effect::Unpin { .. } => seen.unpinned,
        Effect::SetConfig { key, value, .. } => seen.settings.get(key) == Some(value),
        Effect::Serve { .. }
        | Effect::Sync { .. }
        | Effect::Reload { .. }
        | Effect::Rollback { .. } => {
            target.after.content.is_some() && target.after.content == seen.content
        }
        Effect::Verify { .. } | Effect::Restart => false,
    }
}

fn setting(key: &str, seen: &Observation) -> String {
    match seen.settings.get(key) {
        Some(value) => format!("{key} is {value}"),
        None => format!("tells no {key}"),
    }
}

fn pinned(seen: &Observation) -> String {
    match &seen.pinned {
        Some(pin) => format!("is pinned to {} {}", pin.version, pin.content.short()),
        None if seen.unpinned => "has no pin".to_owned(),
        None => "tells no pin".to_owned(),
    }
}

fn arrived(wanted: &Running, runs: &Running) -> bool {
    (wanted.version.is_none() || wanted.version == runs.version)
        && (wanted.content.is_none() || wanted.content == runs.content)
}

fn restarts(target: &NodePlan) -> bool {
    target.effects.contains(&Effect::Restart)
}

/// Whether only another load shows arrival, since the content is the one that ran before. An
/// unforced sync is not among them: a node that runs the content already confirms without loading.
pub(crate) fn must_load_again(target: &NodePlan) -> bool {
    let same = target.before.content == target.after.content;
    let loads = |effect: &Effect| {
        matches!(effect, Effect::Sync { force: true } | Effect::Reload { .. }) && same
    };
    restarts(target) || target.effects.iter().any(loads)
}

/// Another load than the one before, by the node's own clock. Where that is not known it is a load
/// after the request (1 s resolution). Of a node that never tells, a restart is not proven, and a
/// forced load is proven by the content alone.
fn loaded_again(
    target: &NodePlan,
    seen: &Observation,
    sent_at: Timestamp,
    loaded_before: Option<Timestamp>,
) -> bool {
    if !must_load_again(target) {
        return true;
    }
    match (seen.loaded_at, loaded_before) {
        (None, None) => !restarts(target),
        (None, Some(_)) => false,
        (Some(loaded), Some(before)) => loaded != before,
        (Some(loaded), None) => loaded.as_second() >= sent_at.as_second(),
    }
}
