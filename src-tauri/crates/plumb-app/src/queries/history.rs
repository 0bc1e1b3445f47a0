//! What nodes ran over time: the log of changes gathered to lanes, reloads to bars, sweeps to ages.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use plumb_charts::{
    AgePoint, Lane, LaneSpan, Lanes, Palette, Picture, ReloadBar, digest_age, letter, raster,
    reload_bars, timeline,
};
use plumb_fleet::{ContentDigest, DesiredVersion, NodeId, Version};
use plumb_store::{
    history::{FleetChange, FleetReload, changes, reloads},
    sweeps::Sweep,
};

use crate::{
    app::App,
    error::{AppError, Code},
    queries::evidence::blocking,
    views::{
        convert::ms,
        history::{
            HistoryAges, HistoryKind, HistoryLane, HistoryReloads, HistorySpan, HistoryView,
        },
    },
};

/// Longest time that is looked back, in hours: as long as the cache keeps it.
pub const HOURS_MAX: u32 = 30 * 24;
/// Changes and reloads that are read at once; 5,000 nodes that change content twice a day for 30 days have as many.
const ROWS_MAX: usize = 300_000;
/// Bars of reloads, and points of ages: more than a window has pixels for is thinned out.
const BARS: i64 = 120;
const AGES_MAX: usize = 2_000;

/// A version and a content together.
type Runs = (Option<Version>, Option<ContentDigest>);
/// What a node ran from a moment on, and whether it answered.
type Since = (Timestamp, Option<usize>, bool);

impl App {
    /// The history of a fleet, as many hours back as asked for.
    pub async fn history(&self, fleet: &str, hours: u32) -> Result<HistoryView, AppError> {
        if hours == 0 || hours > HOURS_MAX {
            let message = format!("{hours} hours are not between 1 and {HOURS_MAX}");
            return Err(AppError::new(Code::Invalid, message, "choose a time that is kept"));
        }
        let current = self.current(fleet).await?;
        let to = self.now();
        let from =
            to.checked_sub(SignedDuration::from_hours(i64::from(hours))).unwrap_or(Timestamp::MIN);
        let name = &current.fleet.name;
        let (log, loaded, sweeps) = {
            let mut conn = self.cache().read().await?;
            (
                changes(&mut conn, name, (from, to), ROWS_MAX).await?,
                reloads(&mut conn, name, (from, to), ROWS_MAX).await?,
                plumb_store::sweeps::list(&mut conn, name, ROWS_MAX).await?,
            )
        };
        let cut = log.len() == ROWS_MAX || loaded.len() == ROWS_MAX;
        let (kinds, lanes) = gathered(log, current.desired.fleet.as_ref(), (from, to));
        Ok(HistoryView {
            fleet: name.to_string(),
            from_ms: ms(from),
            to_ms: ms(to),
            kinds,
            lanes,
            reloads: bars(&loaded, (from, to)),
            ages: ages(&sweeps, (from, to)),
            age_limit_s: current.desired.thresholds.digest_age_s,
            cut,
        })
    }

    /// A picture of the history as SVG: `timeline`, `raster`, `reloads` or `age`.
    pub async fn history_svg(
        &self,
        fleet: &str,
        chart: &str,
        hours: u32,
        palette: &Palette,
    ) -> Result<String, AppError> {
        Ok(history_picture(&self.history(fleet, hours).await?, chart, palette)?.svg())
    }

    /// The same as PNG.
    pub async fn history_png(
        &self,
        fleet: &str,
        chart: &str,
        hours: u32,
        palette: &Palette,
    ) -> Result<Vec<u8>, AppError> {
        let picture = history_picture(&self.history(fleet, hours).await?, chart, palette)?;
        blocking(move || Ok(picture.png())).await
    }
}

/// A picture of a history.
pub(crate) fn history_picture(
    view: &HistoryView,
    chart: &str,
    palette: &Palette,
) -> Result<Picture, AppError> {
    match chart {
        "timeline" => Ok(timeline(&lanes_of(view), palette)),
        "raster" => Ok(raster(&lanes_of(view), palette)),
        "reloads" => {
            let (from, to) = (at(view.from_ms), at(view.to_ms));
            let bars = view.reloads.iter().map(bar_of).collect::<Vec<_>>();
            Ok(reload_bars(&bars, from, to, palette))
        }
        "age" => {
            let points: Vec<AgePoint> = view
                .ages
                .iter()
                .map(|age| AgePoint { at: at(age.at_ms), age_s: u64::try_from(age.highest_s).ok() })
                .collect();
            Ok(digest_age(&points, u64::from(view.age_limit_s), palette))
        }
        other => Err(AppError::new(
            Code::Invalid,
            format!("there is no chart {other:?}"),
            "ask for timeline, raster, reloads or age",
        )),
    }
}

/// Lanes of nodes that ran the same at the same time, and what they ran.
fn gathered(
    log: Vec<FleetChange>,
    wanted: Option<&DesiredVersion>,
    (from, to): (Timestamp, Timestamp),
) -> (Vec<HistoryKind>, Vec<HistoryLane>) {
    let mut numbers: HashMap<Runs, usize> = HashMap::new();
    let mut by_node: BTreeMap<NodeId, Vec<Since>> = BTreeMap::new();
    for FleetChange { node, change } in log {
        let runs: Runs = (change.version, change.content);
        let next = numbers.len();
        let known = runs.0.is_some() || runs.1.is_some();
        let kind = known.then(|| *numbers.entry(runs).or_insert(next));
        let since = (change.at.max(from), kind, change.failure.is_none());
        let spans = by_node.entry(node).or_default();
        match spans.last_mut() {
            // Only its state moved: it ran the same.
            Some(last) if (last.1, last.2) == (since.1, since.2) => {}
            // What held for no time at all was never seen.
            Some(last) if last.0 == since.0 => *last = since,
            _ => spans.push(since),
        }
    }
    let order = order(&numbers, &by_node, wanted, to);
    let mut lanes: HashMap<Vec<Since>, Vec<String>> = HashMap::new();
    for (node, spans) in by_node {
        lanes.entry(spans).or_default().push(node.to_string());
    }
    let mut lanes: Vec<HistoryLane> = lanes
        .into_iter()
        .map(|(spans, nodes)| {
            let span = |(at, kind, answers): Since| HistorySpan {
                at_ms: ms(at),
                kind: kind.and_then(|kind| u32::try_from(order[kind]).ok()),
                answers,
            };
            HistoryLane { nodes, spans: spans.into_iter().map(span).collect() }
        })
        .collect();
    lanes.sort_by(|a, b| b.nodes.len().cmp(&a.nodes.len()).then_with(|| a.nodes.cmp(&b.nodes)));
    let mut kinds: Vec<(usize, HistoryKind)> = numbers
        .into_iter()
        .map(|((version, content), number)| {
            let place = order[number];
            let kind = HistoryKind {
                letter: letter(place).to_string(),
                wanted: is_wanted(wanted, version.as_ref(), content),
                version: version.map(|version| version.to_string()),
                content: content.map(|content| content.to_string()),
            };
            (place, kind)
        })
        .collect();
    kinds.sort_by_key(|(place, _)| *place);
    (kinds.into_iter().map(|(_, kind)| kind).collect(), lanes)
}

fn is_wanted(
    wanted: Option<&DesiredVersion>,
    version: Option<&Version>,
    content: Option<ContentDigest>,
) -> bool {
    wanted.is_some_and(|wanted| match wanted.content {
        Some(wanted) => content == Some(wanted),
        None => version == Some(&wanted.version),
    })
}

/// The place of each kind: what is wanted first, then by how long nodes ran it.
fn order(
    numbers: &HashMap<Runs, usize>,
    by_node: &BTreeMap<NodeId, Vec<Since>>,
    wanted: Option<&DesiredVersion>,
    to: Timestamp,
) -> Vec<usize> {
    let mut ran_ms = vec![0_i128; numbers.len()];
    for spans in by_node.values() {
        for (at, (since, kind, _)) in spans.iter().enumerate() {
            let until = spans.get(at + 1).map_or(to, |next| next.0);
            if let Some(kind) = kind {
                ran_ms[*kind] += i128::from(ms(until) - ms(*since));
            }
        }
    }
    let mut all: Vec<(&Runs, usize)> =
        numbers.iter().map(|(runs, number)| (runs, *number)).collect();
    all.sort_by_key(|((version, content), number)| {
        let wanted = is_wanted(wanted, version.as_ref(), *content);
        (!wanted, -ran_ms[*number], version.clone(), *content)
    });
    let mut places = vec![0; numbers.len()];
    for (place, (_, number)) in all.into_iter().enumerate() {
        places[number] = place;
    }
    places
}

fn bars(all: &[FleetReload], (from, to): (Timestamp, Timestamp)) -> Vec<HistoryReloads> {
    let (from, to) = (ms(from), ms(to));
    let width = ((to - from) / BARS).max(1);
    let mut gathered: BTreeMap<i64, (u32, Vec<f64>)> = BTreeMap::new();
    for FleetReload { reload, .. } in all {
        let bar = gathered.entry((ms(reload.entry.at) - from) / width).or_default();
        if reload.entry.success {
            #[expect(clippy::cast_precision_loss, reason = "a duration of hours is exact")]
            bar.1.push(reload.entry.duration_us as f64 / 1_000.0);
        } else {
            bar.0 += 1;
        }
    }
    let bar = |(at, (failed, mut took)): (i64, (u32, Vec<f64>))| {
        took.sort_by(f64::total_cmp);
        let begin = from + at * width;
        HistoryReloads {
            at_ms: begin,
            to_ms: (begin + width).min(to),
            succeeded: u32::try_from(took.len()).unwrap_or(u32::MAX),
            failed,
            median_ms: took.get(took.len() / 2).copied(),
            slowest_ms: took.last().copied(),
        }
    };
    gathered.into_iter().map(bar).collect()
}

/// Oldest first. Where there are many, the highest of each stretch stands for it.
fn ages(sweeps: &[Sweep], (from, to): (Timestamp, Timestamp)) -> Vec<HistoryAges> {
    let mut all: Vec<HistoryAges> = sweeps
        .iter()
        .rev()
        .filter(|sweep| (from..=to).contains(&sweep.taken_at))
        .filter_map(|sweep| {
            let ages = sweep.ages?;
            let (median_s, highest_s) = (ages.median_s, ages.highest_s);
            Some(HistoryAges { at_ms: ms(sweep.taken_at), median_s, highest_s })
        })
        .collect();
    if all.len() > AGES_MAX {
        let stretch = all.len().div_ceil(AGES_MAX);
        all = all
            .chunks(stretch)
            .filter_map(|some| some.iter().max_by_key(|age| age.highest_s).copied())
            .collect();
    }
    all
}

fn at(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn bar_of(bar: &HistoryReloads) -> ReloadBar {
    ReloadBar {
        from: at(bar.at_ms),
        to: at(bar.to_ms),
        succeeded: bar.succeeded,
        failed: bar.failed,
        median_ms: bar.median_ms,
        slowest_ms: bar.slowest_ms,
    }
}

/// The same lanes as pictures take them.
fn lanes_of(view: &HistoryView) -> Lanes {
    let kinds = view.kinds.iter().map(|kind| {
        let content = kind.content.as_deref().map_or("", |content| content.get(..12).unwrap_or(""));
        let version = kind.version.as_deref().unwrap_or("no version");
        format!("{version} {content}{}", if kind.wanted { " (wanted)" } else { "" })
    });
    let lane = |lane: &HistoryLane| {
        let ends = lane.spans.iter().skip(1).map(|span| span.at_ms).chain([view.to_ms]);
        let spans = lane.spans.iter().zip(ends).map(|(span, end)| LaneSpan {
            from: at(span.at_ms),
            to: at(end),
            kind: span.kind.and_then(|kind| usize::try_from(kind).ok()),
            answers: span.answers,
        });
        let label = match lane.nodes.as_slice() {
            [one] => one.clone(),
            [first, ..] => format!("{first} +{}", lane.nodes.len() - 1),
            [] => String::new(),
        };
        Lane { label: shortened(&label), nodes: lane.nodes.len(), spans: spans.collect() }
    };
    Lanes {
        kinds: kinds.collect(),
        lanes: view.lanes.iter().map(lane).collect(),
        from: at(view.from_ms),
        to: at(view.to_ms),
    }
}

/// Names of nodes as wide as pictures have room for.
fn shortened(name: &str) -> String {
    const WIDE: usize = 23;
    if name.chars().count() <= WIDE {
        return name.to_owned();
    }
    // The end of a name tells nodes apart.
    let kept: String = name.chars().skip(name.chars().count() - (WIDE - 1)).collect();
    format!("…{kept}")
}

#[cfg(test)]
mod tests {
    use plumb_fleet::{Digest, FailureKind};
    use plumb_store::snapshots::NodeChange;

    use super::*;

    fn seconds(s: i64) -> Timestamp {
        Timestamp::from_second(1_772_323_200 + s).expect("a moment of this century")
    }

    fn change(node: &str, s: i64, version: &str, failure: Option<FailureKind>) -> FleetChange {
        let change = NodeChange {
            at: seconds(s),
            version: Some(Version::new(version).expect("a label")),
            content: Some(ContentDigest(Digest::of(version.as_bytes()))),
            state: None,
            failure,
        };
        FleetChange { node: NodeId::new(node).expect("a name"), change }
    }

    #[test]
    fn nodes_that_ran_the_same_share_a_lane_and_a_change_of_state_alone_is_none() {
        let gone = Some(FailureKind::Refused);
        let log = vec![
            change("gw-1", -50, "1.0.0", None),
            change("gw-1", 40, "2.0.0", None),
            change("gw-2", -20, "1.0.0", None),
            change("gw-2", 10, "1.0.0", None),
            change("gw-2", 40, "2.0.0", None),
            change("gw-3", 0, "1.0.0", None),
            change("gw-3", 60, "1.0.0", gone),
        ];
        let version = Version::new("2.0.0").expect("a label");
        let wanted = DesiredVersion { version, content: None, pinned_by: None, since: None };
        let (kinds, lanes) = gathered(log, Some(&wanted), (seconds(0), seconds(100)));
        let letters: Vec<_> =
            kinds.iter().map(|k| (k.letter.as_str(), k.version.as_deref(), k.wanted)).collect();
        assert_eq!(letters, [("A", Some("2.0.0"), true), ("B", Some("1.0.0"), false)]);
        let told: Vec<_> = lanes
            .iter()
            .map(|lane| {
                let spans = lane.spans.iter();
                let start = ms(seconds(0));
                let spans: Vec<_> =
                    spans.map(|s| ((s.at_ms - start) / 1_000, s.kind, s.answers)).collect();
                (lane.nodes.join(" "), spans)
            })
            .collect();
        let expected = [
            ("gw-1 gw-2".to_owned(), vec![(0, Some(1), true), (40, Some(0), true)]),
            ("gw-3".to_owned(), vec![(0, Some(1), true), (60, Some(1), false)]),
        ];
        assert_eq!(told, expected);
    }
}
