//! The console's files as a sweep of 10,000 nodes left them a moment ago.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use plumb_app::views::fleet::{FleetPage, FleetSort};
use plumb_fleet::{Fleet, NodeId, NodeObservation, assess};
use plumb_store::{Database, Kind, SweepMeta, catalogue, snapshots};
use plumb_testkit::builders::{World, failure};

use crate::{
    console,
    fleets::{NODES, drifted},
};

/// How long the sweep took that the files tell of.
const SWEEP: SignedDuration = SignedDuration::from_secs(3);
/// One node in so many did not answer; one in so many has a source that fell silent.
const SILENT_ONE_IN: usize = 40;
const STALE_ONE_IN: usize = 60;

/// The files, and what of the start needs no window.
#[derive(Debug)]
pub(crate) struct Cached {
    /// States the console shows, each with its nodes.
    pub(crate) states: BTreeMap<String, u32>,
    pub(crate) open_ms: f64,
    pub(crate) view_ms: f64,
}

/// Writes fleet file, catalogue and snapshot, and looks at them as the window will.
pub(crate) async fn prepare(folder: &Path, ready: &Path) -> Result<Cached> {
    let world = seen_now(drifted("window"), Timestamp::now());
    let file = folder.join("fleet.toml");
    fs::write(&file, fleet_file(&world)?).context("the fleet file")?;
    console::open_with(ready, &file).await?.close().await;
    store(&world, ready).await?;
    let began = Instant::now();
    let app = console::open(ready).await?;
    let open_ms = began.elapsed().as_secs_f64() * 1e3;
    let page = FleetPage {
        filter: String::new(),
        sort: FleetSort::State,
        descending: false,
        offset: 0,
        limit: 50,
    };
    let began = Instant::now();
    let view = app.fleet_overview(world.fleet.name.as_str(), &page).await.map_err(console::told)?;
    let view_ms = began.elapsed().as_secs_f64() * 1e3;
    app.close().await;
    ensure!(view.total as usize == NODES, "{} nodes are shown", view.total);
    let shown = view.counts.iter().filter(|count| count.count > 0);
    let states = shown.map(|count| (format!("{:?}", count.state), count.count)).collect();
    Ok(Cached { states, open_ms, view_ms })
}

/// The fleet as if it had been swept now, with some nodes that did not answer or were not confirmed.
pub(super) fn seen_now(world: World, now: Timestamp) -> World {
    world.with(|world| {
        world.now = now;
        world.snapshot.taken_at = now;
        for (index, seen) in world.snapshot.nodes.values_mut().enumerate() {
            moved(seen, index, now);
        }
    })
}

fn moved(seen: &mut NodeObservation, index: usize, now: Timestamp) {
    seen.attempted_at = Some(now);
    if index.is_multiple_of(SILENT_ONE_IN) {
        let kind = plumb_fleet::FailureKind::TimedOut;
        seen.failure = Some(failure(kind, "no answer within 5 s"));
    }
    let Some(report) = seen.report_mut() else { return };
    report.at = now;
    if let Some(confirmed) = &mut report.confirmed_at
        && !index.is_multiple_of(STALE_ONE_IN)
    {
        confirmed.value = now;
        confirmed.at = now;
    }
    for observed in report.version.iter_mut().map(|version| &mut version.at) {
        *observed = now;
    }
    if let Some(content) = &mut report.content {
        content.at = now;
    }
}

/// Every node at an address of its own, all of them on loopback, at a port where nothing listens.
pub(super) fn fleet_file(world: &World) -> Result<String> {
    let desired = world.desired.fleet.as_ref().context("the fleet has a desired version")?;
    let mut text = format!(
        "name = \"{}\"\nenvironment = \"{}\"\n\n[desired]\nversion = \"{}\"\n",
        world.fleet.name, world.fleet.environment, desired.version
    );
    for (index, node) in world.fleet.nodes.values().enumerate() {
        let (id, api) = (&node.id, node.api.name());
        let (high, low) = (index / 250 + 1, index % 250 + 1);
        let labels: Vec<String> =
            node.labels.iter().map(|(name, value)| format!("{name} = \"{value}\"")).collect();
        write!(
            text,
            "\n[[node]]\nid = \"{id}\"\napi = \"{api}\"\nurl = \"http://127.1.{high}.{low}:9\"\nlabels = {{ {} }}\n",
            labels.join(", ")
        )?;
    }
    let fleet = Fleet::parse(&text).context("the fleet file is valid")?;
    ensure!(fleet.nodes.keys().eq(world.snapshot.nodes.keys()), "the file has the nodes seen");
    Ok(text)
}

async fn store(world: &World, ready: &Path) -> Result<()> {
    let fleet = &world.fleet.name;
    let record = Database::open(&ready.join(Kind::Record.file_name()), Kind::Record).await?;
    let mut writing = record.database.write().await?;
    for entry in &world.desired.catalogue.entries {
        catalogue::upsert(&mut writing, fleet, entry).await?;
    }
    writing.commit().await?;
    record.database.close().await;
    seen(world, ready).await
}

/// Writes the snapshot of a sweep that ended when it was taken.
pub(super) async fn seen(world: &World, ready: &Path) -> Result<()> {
    let cache = Database::open(&ready.join(Kind::Cache.file_name()), Kind::Cache).await?;
    let mut writing = cache.database.write().await?;
    let finished_at = world.snapshot.taken_at;
    let sweep = SweepMeta { started_at: finished_at - SWEEP, finished_at };
    let assessment = assess(&world.snapshot, &world.desired, finished_at);
    let changed =
        snapshots::insert(&mut writing, &world.snapshot, &assessment, None, sweep).await?;
    let known = changed.iter().filter_map(|id: &NodeId| world.fleet.nodes.get(id));
    ensure!(known.count() == world.fleet.nodes.len(), "every node is written");
    writing.commit().await?;
    cache.database.close().await;
    Ok(())
}
