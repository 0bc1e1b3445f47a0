//! One alert among many is claimed in the window, which times itself from the key to the painted row.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Launch, Window};
use plumb_alert::{Draft, RoutingPolicy};
use plumb_inbox::{Clock, Inbox};
use plumb_store::{Database, Kind};
use tokio::runtime::Runtime;

use super::copied;
use crate::report::slow_but_one_in_twenty;

/// Promised: a change of one alert among so many.
pub(super) const ALERTS: usize = 15_000;
/// Claims of which the slowest but one in twenty counts.
const TIMES: usize = 40;
/// Reports that are handed in together.
const BATCH: usize = 4_000;

/// The row under the cursor, whoever moves it.
const CURSOR: &str = "
    const table = document.querySelector('table[aria-label=\"Alerts\"]');
    const row = () => document.getElementById(table.getAttribute('aria-activedescendant') ?? '');
    const press = (key) => table.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
";

/// Presses the key that claims, waits for the frame with the changed row, and until it is painted.
const CLAIM: &str = "
    const done = arguments[arguments.length - 1];
    const id = row().id;
    const begun = performance.now();
    const look = () => {
        const now = document.getElementById(id);
        if (now?.textContent.includes('Processing')) {
            // After the frame that shows it, not before.
            requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
        } else requestAnimationFrame(look);
    };
    press('c');
    requestAnimationFrame(look);
";

/// Moves to the next alert, and waits until the row under the cursor is one that nobody holds.
const NEXT: &str = "
    const done = arguments[arguments.length - 1];
    const before = row()?.id;
    press('j');
    const look = () => (row() && row().id !== before && row().textContent.includes('nobody') ? done(true) : requestAnimationFrame(look));
    requestAnimationFrame(look);
";

/// From the key to the painted row, in milliseconds.
pub(super) fn measured(runtime: &Runtime, ready: &Path, used: &Path) -> Result<f64> {
    copied(ready, used)?;
    runtime.block_on(async {
        filled(used).await.context("an inbox of the console")?;
        let window = Window::open(Launch { data_dir: Some(used), ..Launch::default() }).await?;
        let took = claimed(&window).await;
        window.quit().await?;
        took
    })
}

async fn claimed(window: &Window) -> Result<f64> {
    // A key before the page listens goes nowhere.
    window.find("//*[@aria-label='Nodes']").await?;
    window.press_outside_fields('4').await?;
    window.find("//table[@aria-label='Alerts']/tbody/tr[contains(., 'nobody')]").await?;
    let mut took = Vec::new();
    for time in 0..=TIMES {
        let ms = window.measured(&format!("{CURSOR}{CLAIM}")).await?;
        let ms = ms.as_f64().with_context(|| format!("claim {time} answered {ms}"))?;
        // The first one warms what the others use.
        if time > 0 {
            took.push(ms);
        }
        window.measured(&format!("{CURSOR}{NEXT}")).await?;
    }
    ensure!(took.len() == TIMES, "{} claims were timed", took.len());
    Ok(slow_but_one_in_twenty(took))
}

/// Alerts that are no storm: each of its own signature.
async fn filled(folder: &Path) -> Result<()> {
    let record = Database::open(&folder.join(Kind::Record.file_name()), Kind::Record).await?;
    let inbox =
        Inbox::new(Arc::new(record.database.alerts(Clock::system())), RoutingPolicy::default());
    let numbers: Vec<usize> = (0..ALERTS).collect();
    for batch in numbers.chunks(BATCH) {
        for answer in inbox.ingest_all(batch.iter().map(|it| report_of(*it)).collect()).await {
            answer?;
        }
    }
    inbox.close().await?;
    record.database.close().await;
    Ok(())
}

fn report_of(number: usize) -> Draft {
    Draft {
        source: format!("monitor@node{}", number % 50),
        service: format!("service-{}", number % 200),
        env: "prod".to_owned(),
        kind: "slo_breach".to_owned(),
        title: "p95 above its objective".to_owned(),
        message: "p95 of the last five minutes is 812 ms, its objective is 300 ms".to_owned(),
        fingerprint: Some(format!("fp-{number}")),
        signature: Some(format!("sig-{number}")),
        labels: [("node".to_owned(), format!("gw-{number}"))].into(),
        ..Draft::default()
    }
}
