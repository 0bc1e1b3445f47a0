//! Decisions of a group of nodes are looked at in the window, which times itself from the key to the first flips.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Launch, Window};
use jiff::Timestamp;
use plumb_bundle::{Bundle, formats::opa_archive};
use plumb_fleet::{Fleet, NodeApi};
use plumb_testkit::builders::{World, report};
use plumb_trust::{JwtAlgorithm, SigningKey, sign_opa_files};
use tokio::runtime::Runtime;

use super::cached;
use crate::{
    console,
    decisions::impact::{ENTRYPOINT, members, requests},
    report::{RUNS, best},
};

const KEY_ID: &str = "signer-2026a";
/// The node whose content all others are compared with.
const BASELINE: &str = "gw-0";

/// Shows another node beside the baseline, and waits until its policies are listed.
const GROUP: &str = "
    const done = arguments[arguments.length - 1];
    location.hash = `drift?baseline=${encodeURIComponent('node BASELINE')}&node=NODE`;
    const look = () => {
        const panel = document.getElementById('drift-panel');
        const listed = document.querySelector('.tree [role=option]') !== null;
        if (listed && panel !== null && !panel.textContent.includes('Loading')) done(true);
        else requestAnimationFrame(look);
    };
    // The frame after the one that leaves the last group.
    requestAnimationFrame(() => requestAnimationFrame(look));
";

/// Presses the key that asks for decisions, waits for the frame with the first flips, and until it is painted.
const FIRST: &str = "
    const done = arguments[arguments.length - 1];
    const begun = performance.now();
    const look = () => {
        if (document.querySelector('#drift-panel .impact section li') !== null) {
            // After the frame that shows it, not before.
            requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
        } else requestAnimationFrame(look);
    };
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 't', bubbles: true, cancelable: true }));
    requestAnimationFrame(look);
";

/// Waits until everything was asked, so that the next look has the machine for itself, and shows the text again.
const WHOLE: &str = "
    const done = arguments[arguments.length - 1];
    const look = () => {
        const impact = document.querySelector('#drift-panel .impact');
        if (impact === null || impact.getAttribute('aria-busy') === 'true') return requestAnimationFrame(look);
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 't', bubbles: true, cancelable: true }));
        done(impact.textContent);
    };
    requestAnimationFrame(look);
";

/// From the key to the painted first flips in milliseconds, the best of as many looks as are judged.
pub(super) fn measured(runtime: &Runtime, folder: &Path) -> Result<f64> {
    runtime.block_on(async {
        let data = folder.join("data");
        fs::create_dir_all(&data).context("a folder for the console")?;
        prepare(folder, &data).await.context("nodes that answer otherwise")?;
        let window = Window::open(Launch { data_dir: Some(&data), ..Launch::default() }).await?;
        let took = looked(&window).await;
        window.quit().await?;
        Ok(best(&took?))
    })
}

async fn looked(window: &Window) -> Result<Vec<f64>> {
    window.find("//*[@aria-label='Nodes']").await?;
    window.press_outside_fields('2').await?;
    window.find("//section[@aria-label='Drift']").await?;
    let mut took = Vec::new();
    for run in 0..=RUNS {
        let node = format!("gw-{}", run + 1);
        window.measured(&GROUP.replace("BASELINE", BASELINE).replace("NODE", &node)).await?;
        let ms = window.measured(FIRST).await?;
        let ms = ms.as_f64().with_context(|| format!("{node} answered {ms}"))?;
        // The first look reads what the others find read.
        if run > 0 {
            took.push(ms);
        }
        let whole = window.measured(WHOLE).await?;
        let whole = whole.as_str().unwrap_or_default();
        ensure!(whole.contains("are answered differently"), "{node}: {whole}");
    }
    Ok(took)
}

/// One node for each version, all of them closed ports; a look at another node compares other contents.
async fn prepare(folder: &Path, data: &Path) -> Result<()> {
    let mut fill = |bytes: &mut [u8]| rand::fill(bytes);
    let key = SigningKey::generate_rsa(2_048, &mut fill)?;
    fs::write(folder.join("signer.pem"), key.public_pem()?)?;
    fs::write(folder.join("requests.jsonl"), requests())?;
    let bundles = folder.join("bundles");
    fs::create_dir(&bundles)?;
    let mut text = format!(
        "name = \"payments-eu\"\nenvironment = \"staging\"\nbundles = [\"bundles\"]\n\n[desired]\nversion = \"0\"\n\n\
         [decisions]\nrequests = \"requests.jsonl\"\nentrypoint = \"{ENTRYPOINT}\"\n\n\
         [[trust.keys]]\nid = \"{KEY_ID}\"\npem = \"signer.pem\"\n"
    );
    let mut world = World::new("flips");
    for number in 0..=RUNS + 1 {
        let (name, version) = (format!("gw-{number}"), number.to_string());
        // Each draws the limits of most rules otherwise than the first.
        let files = members(&version, if number == 0 { 0 } else { 6 + number });
        let files = sign_opa_files(&files, &key, JwtAlgorithm::Rs256, KEY_ID, None, &mut fill)?;
        let bytes = opa_archive::write(&files)?;
        let content = Bundle::read(&bytes)?.content;
        fs::write(bundles.join(format!("{version}.tar.gz")), bytes)?;
        let mut seen = report(&name, NodeApi::Opa, &version, "flips");
        if let Some(observed) = &mut seen.content {
            observed.value = content;
        }
        world = world.reporting(seen);
        write!(
            text,
            "\n[[node]]\nid = \"{name}\"\napi = \"opa\"\nurl = \"http://127.1.1.{}:9\"\n",
            number + 1
        )?;
    }
    ensure!(world.fleet.nodes.contains_key(&BASELINE.parse()?), "{BASELINE} is the baseline");
    Fleet::parse(&text).context("the fleet file is valid")?;
    let file = folder.join("fleet.toml");
    fs::write(&file, text)?;
    console::open_with(data, &file).await?.close().await;
    let now = Timestamp::now();
    let world = world.with(|world| {
        world.now = now;
        world.snapshot.taken_at = now;
    });
    cached::seen(&world, data).await
}
