//! The raster of a large fleet over a month is scrubbed in the window, which times its own frames.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Launch, Window};
use jiff::{SignedDuration, Timestamp};
use plumb_fleet::{DriftState, NodeApi, assess};
use plumb_store::{
    Database, Kind, SweepMeta,
    history::{self, FleetChange},
    snapshots::{self, NodeChange},
};
use plumb_testkit::builders::{World, content, report, version};
use tokio::runtime::Runtime;

use super::cached::{fleet_file, seen_now};
use crate::{console, report::slow_but_one_in_twenty};

/// Promised: so many nodes over so many days.
pub(super) const NODES: usize = 5_000;
pub(super) const DAYS: i64 = 30;
/// Each node changes so often, twice a day, at moments of its own: no two nodes share a lane, which is the worst case.
const CHANGES: i64 = 2 * DAYS - 1;
/// Versions that they go round.
const VERSIONS: i64 = 12;
/// Positions of the pointer that are painted, one a frame.
pub(super) const MOVES: usize = 300;

/// The raster, once it is drawn for the first time: that is done once, and not while somebody scrubs.
const DRAWN: &str = "//canvas[@role='slider' and @data-newest-ms and starts-with(@aria-label, 'Moment in what 5,000 nodes')]";

/// Moves the pointer from left to right, one position a frame. Tells for each frame how long the page worked on it, from
/// its begin to behind its layout and painting: the message comes after both. That covers the picture, the facts beside it,
/// and the words for people who do not see it. Tells also what of that the picture took, and the time to the next frame.
const SCRUB: &str = "
    const done = arguments[arguments.length - 1];
    const canvas = document.querySelector('canvas[role=slider]');
    const box = canvas.getBoundingClientRect();
    const [worked, drawn, between] = [[], [], []];
    const behind = new MessageChannel();
    let [at, begun] = [0, 0];
    let before = null;
    behind.port1.onmessage = () => worked.push(performance.now() - begun);
    const frame = (now) => {
        begun = performance.now();
        if (before !== null) between.push(now - before);
        before = now;
        // What the move before made the page draw stands here: the page times its drawing itself.
        if (at > 1) drawn.push(Number(canvas.dataset.newestMs));
        if (at === MOVES) return done({ worked, drawn, between });
        const clientX = box.left + (box.width * at) / MOVES;
        canvas.dispatchEvent(new PointerEvent('pointermove', { clientX, clientY: box.top + 20, bubbles: true }));
        at += 1;
        requestAnimationFrame(frame);
        behind.port2.postMessage(null);
    };
    requestAnimationFrame(frame);
";

/// What the page measured, in milliseconds: the slowest but one in twenty.
pub(super) struct Scrubbed {
    /// Work of the page on one frame.
    pub(super) work: f64,
    /// The same of the very slowest frame.
    pub(super) slowest: f64,
    /// What the picture took of that.
    pub(super) drawing: f64,
    /// From frame to frame, as the display of this machine allows.
    pub(super) between: f64,
}

pub(super) fn measured(runtime: &Runtime, folder: &Path) -> Result<Scrubbed> {
    runtime.block_on(async {
        let data = folder.join("raster");
        filled(folder, &data).await.context("a month of changes")?;
        let window = Window::open(Launch { data_dir: Some(&data), ..Launch::default() }).await?;
        let scrubbed = scrub(&window).await;
        window.quit().await?;
        scrubbed
    })
}

async fn scrub(window: &Window) -> Result<Scrubbed> {
    // A key before the page listens goes nowhere.
    window.find("//*[@aria-label='Nodes']").await?;
    window.press_outside_fields('6').await?;
    for choice in ["30 d", "Raster"] {
        window.click(&format!("//label[normalize-space()='{choice}']")).await?;
    }
    window.find(DRAWN).await?;
    let told = window.measured(&SCRUB.replace("MOVES", &MOVES.to_string())).await?;
    let row = |name: &str| -> Result<Vec<f64>> {
        let row = told[name].as_array().with_context(|| format!("the page told {told}"))?;
        let row: Vec<f64> = row.iter().filter_map(serde_json::Value::as_f64).collect();
        ensure!(row.len() + 2 >= MOVES, "{} frames of {MOVES} were timed", row.len());
        Ok(row)
    };
    let worked = row("worked")?;
    Ok(Scrubbed {
        slowest: worked.iter().copied().fold(0.0, f64::max),
        work: slow_but_one_in_twenty(worked),
        drawing: slow_but_one_in_twenty(row("drawn")?),
        between: slow_but_one_in_twenty(row("between")?),
    })
}

/// A console that looked at such a fleet for a month.
async fn filled(folder: &Path, data: &Path) -> Result<()> {
    let world = fleet();
    let file = folder.join("raster.toml");
    std::fs::write(&file, fleet_file(&world)?).context("the fleet file")?;
    console::open_with(data, &file).await?.close().await;
    let cache = Database::open(&data.join(Kind::Cache.file_name()), Kind::Cache).await?.database;
    let mut conn = cache.write().await?;
    let (now, fleet) = (world.now, &world.fleet.name);
    let assessment = assess(&world.snapshot, &world.desired, now);
    let sweep = SweepMeta { started_at: now - SignedDuration::from_secs(3), finished_at: now };
    snapshots::insert(&mut conn, &world.snapshot, &assessment, None, sweep).await?;
    history::replace_changes(&mut conn, fleet, &month(&world)).await?;
    conn.commit().await?;
    cache.close().await;
    Ok(())
}

/// Nodes that all run the newest version now.
fn fleet() -> World {
    let world = World::new("raster").desired("12.0.0").with(|world| {
        for number in 0..NODES {
            let name = format!("{}-gw-{number:05}", ["eu", "us", "ap"][number % 3]);
            let one =
                World::new("one").reporting(report(&name, NodeApi::Reload, "12.0.0", "12.0.0"));
            world.fleet.nodes.extend(one.fleet.nodes);
            world.snapshot.nodes.extend(one.snapshot.nodes);
        }
    });
    seen_now(world, Timestamp::now())
}

/// What they ran over the month, the oldest change first.
fn month(world: &World) -> Vec<FleetChange> {
    let span = SignedDuration::from_hours(24 * DAYS) / i32::try_from(CHANGES).expect("few");
    let from = world.now - SignedDuration::from_hours(24 * DAYS);
    let mut all = Vec::new();
    for (number, node) in world.fleet.nodes.keys().enumerate() {
        let number = i64::try_from(number).expect("few");
        for change in 0..CHANGES {
            // Another prime for each node and turn, so that moments spread over the span.
            let within = (number * 7_919 + change * 104_729)
                % i64::try_from(span.as_millis()).expect("a day");
            let at = from
                + span * i32::try_from(change).expect("few")
                + SignedDuration::from_millis(within);
            let label = format!("{}.0.0", 1 + (number + change) % VERSIONS);
            all.push(FleetChange {
                node: node.clone(),
                change: NodeChange {
                    at,
                    version: Some(version(&label)),
                    content: Some(content(&label)),
                    state: Some(DriftState::Behind),
                    failure: None,
                },
            });
        }
    }
    all.sort_by_key(|one| one.change.at);
    all
}
