//! Times and sizes of the store: `cargo run --release -p plumb-store --example speed [-- month]`.
//!
//! Without an argument: 1,000 and 10,000 nodes written, swept again and read. With `month`: the 30 days of 1,000 nodes
//! swept every 30 s with 10 changes a node a day, in full, which takes some minutes.

use std::{error::Error, path::Path, time::Instant};

use jiff::Timestamp;
use plumb_store::{
    Database, Kind, SweepMeta,
    snapshots::{self, Policies},
};

#[path = "../tests/it/support.rs"]
#[expect(dead_code, reason = "shared with the tests, which use all of it")]
mod support;

use support::{Files, assessed, at, fleet, node, reload, report, snapshot};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    if std::env::args().nth(1).is_some_and(|word| word == "month") {
        return month().await;
    }
    for nodes in [1_000, 10_000] {
        sizes(nodes).await?;
    }
    Ok(())
}

fn say(line: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stdout(), "{line}"));
}

async fn sizes(nodes: usize) -> Outcome<()> {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let taken = |id: u64, ms: i64| {
        let rings = |n: usize| {
            let n = i64::try_from(n).expect("few");
            (0..10).rev().map(move |k| reload(k * 1_000 + n, "v2"))
        };
        snapshot(id, ms, (0..nodes).map(|n| report(&node(n), "v2", ms, rings(n).collect())))
    };
    let first = taken(1, 20_000);
    timed(&format!("{nodes} nodes, never seen before"), insert(&cache, &first, None)).await?;
    let mut previous = first;
    for round in 2..6 {
        let next = taken(round, 20_000 + i64::try_from(round)? * 30_000);
        let what = format!("{nodes} nodes, nothing changed");
        timed(&what, insert(&cache, &next, Some(&previous))).await?;
        previous = next;
    }
    let next = taken(7, 300_000);
    timed(
        &format!("{nodes} nodes, nothing changed, previous unknown"),
        insert(&cache, &next, None),
    )
    .await?;
    for policies in [Policies::With, Policies::Without] {
        for _ in 0..3 {
            let mut tx = cache.read().await?;
            let fleet = fleet();
            let what = format!("{nodes} nodes read, {policies:?} policies");
            let read = timed(&what, async {
                Ok(snapshots::latest_with(&mut tx, &fleet, policies).await?)
            });
            read.await?.ok_or("nothing was read")?;
        }
    }
    cache.close().await;
    say(&format!("{nodes} nodes: {} bytes on disk", bytes(&files.path(Kind::Cache))?));
    Ok(())
}

async fn month() -> Outcome<()> {
    const NODES: usize = 1_000;
    const SWEEPS: u64 = 30 * 24 * 120;
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let mut rings = vec![Vec::new(); NODES];
    let mut versions = vec![0_usize; NODES];
    let mut previous = None;
    let began = Instant::now();
    for sweep in 0..SWEEPS {
        let ms = i64::try_from(sweep)? * 30_000;
        for n in (0..NODES).filter(|n| (*n as u64 + sweep).is_multiple_of(288)) {
            versions[n] += 1;
            rings[n].insert(0, reload(ms - 2_000, &format!("v{}", versions[n] % 40)));
            rings[n].truncate(10);
        }
        let reports = (0..NODES)
            .map(|n| report(&node(n), &format!("v{}", versions[n] % 40), ms, rings[n].clone()));
        let next = snapshot(sweep, ms, reports);
        insert(&cache, &next, previous.as_ref()).await?;
        previous = Some(next);
        if sweep % 8_640 == 8_639 {
            let size = bytes(&files.path(Kind::Cache))?;
            let day = (sweep + 1) / 2_880;
            say(&format!("day {day}: {size} bytes, {} s", began.elapsed().as_secs()));
        }
    }
    cache.close().await;
    say(&format!("a month: {} bytes", bytes(&files.path(Kind::Cache))?));
    Ok(())
}

async fn insert(
    cache: &Database,
    snapshot: &plumb_fleet::Snapshot,
    previous: Option<&plumb_fleet::Snapshot>,
) -> Outcome<usize> {
    let assessment = assessed(snapshot);
    let meta = SweepMeta { started_at: at(0), finished_at: Timestamp::now() };
    let mut tx = cache.write().await?;
    let changed = snapshots::insert(&mut tx, snapshot, &assessment, previous, meta).await?;
    tx.commit().await?;
    Ok(changed.len())
}

async fn timed<T>(what: &str, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let began = Instant::now();
    let done = work.await?;
    say(&format!("{what}: {:.1} ms", began.elapsed().as_secs_f64() * 1_000.0));
    Ok(done)
}

fn bytes(path: &Path) -> Outcome<u64> {
    Ok(std::fs::metadata(path)?.len())
}
