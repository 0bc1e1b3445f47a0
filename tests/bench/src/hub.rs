//! A hub on which five hundred agents wait: how long until the last of them has a new pack, and what the hub weighs.

use std::{
    env,
    fmt::Debug,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use plumb_hub::{TeamOptions, build, digest, serve_team};
use tempfile::tempdir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader as AsyncReader},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
};

use crate::{
    report::{RUNS, Report},
    runtime,
};

/// Promised: from the beginning of a publication until the last of so many has the pack, and the hub's memory meanwhile.
const WAITING: usize = 500;
const LAST_MS: f64 = 1_000.0;
const MEMORY_MB: f64 = 150.0;
/// Modules of the pack, each with some rules: a pack of a few hundred kilobytes.
const MODULES: usize = 200;

/// Says that this process is the hub that is measured, and which folder is its own.
const ASKED: &str = "PLUMB_BENCH_HUB";
const TOKEN: &str = "only-for-the-benchmark-0123456789";
const PACK: &str = "policy-pack-v0";

/// This program is the hub as well, in a process of its own, so that nothing but the hub is weighed.
pub fn serve_if_asked() -> Option<ExitCode> {
    let folder = PathBuf::from(env::var_os(ASKED)?);
    Some(match serve(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the hub: {error:#}");
            ExitCode::FAILURE
        }
    })
}

fn serve(folder: &Path) -> Result<()> {
    runtime()?.block_on(async {
        let bootstrap = Some(TOKEN.to_owned().into());
        let hub = serve_team(TeamOptions { bootstrap, ..TeamOptions::new(folder) }).await?;
        let mut told = tokio::io::stdout();
        told.write_all(format!("{}\n", hub.address()).as_bytes()).await?;
        told.flush().await?;
        // Whoever started it holds the other end.
        let mut end = tokio::io::stdin();
        end.read_to_end(&mut Vec::new()).await?;
        hub.shutdown().await;
        Ok(())
    })
}

struct Hub {
    process: Child,
    input: Option<ChildStdin>,
    address: String,
}

impl Hub {
    fn start(folder: &Path) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.env(ASKED, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("starting the hub")?;
        let input = process.stdin.take();
        let mut address = String::new();
        let output = process.stdout.take().context("the hub's output")?;
        BufReader::new(output).read_line(&mut address).context("the hub's address")?;
        ensure!(!address.trim().is_empty(), "the hub did not start");
        Ok(Self { process, input, address: address.trim().to_owned() })
    }

    /// The most memory it ever had, in megabytes.
    fn memory_mb(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kb.context("the kernel tells the memory of a process")? / 1_024.0)
    }

    fn stop(mut self) -> Result<()> {
        drop(self.input.take());
        ensure!(self.process.wait()?.success(), "the hub ended badly");
        Ok(())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Ended already where all went well.
        let _ = self.process.kill();
    }
}

/// Publishes new versions while everybody waits for one.
pub fn run(report: &mut Report) -> Result<()> {
    let folder = tempdir().context("a folder on the disk")?;
    let hub = Hub::start(&folder.path().join("hub"))?;
    let first = pack(folder.path(), 0)?;
    publish(&hub.address, 0, &first)?;
    let runtime = runtime()?;
    // Who has a new pack asks again at once, while others still get theirs.
    let (waits, mut waiters) = mpsc::channel(WAITING);
    let (packs, mut received) = mpsc::channel(WAITING);
    let waiting: Vec<JoinHandle<Result<()>>> = runtime.block_on(async {
        let etag = etag(&first);
        (0..WAITING)
            .map(|_| {
                let told = (waits.clone(), packs.clone());
                tokio::spawn(wait(hub.address.clone(), etag.clone(), told))
            })
            .collect()
    });
    let mut last_ms = Vec::new();
    for run in 1..=RUNS {
        // Each has sent its next request once it told of the last answer; the hub holds them all a moment later.
        runtime.block_on(all(&mut waiters, ()))?;
        let next = pack(folder.path(), run)?;
        let began = Instant::now();
        publish(&hub.address, run, &next)?;
        runtime.block_on(all(&mut received, digest(&next)))?;
        last_ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let memory = hub.memory_mb()?;
    for one in waiting {
        one.abort();
    }
    hub.stop()?;
    let worst = last_ms.iter().copied().fold(0.0, f64::max);
    let size = first.len() as f64 / 1_024.0;
    report.shown("hub: pack that is published", size, "KB");
    let name = format!("hub: publication to the last of {WAITING} that wait, the worst of {RUNS}");
    report.timed(&name, worst, "ms", LAST_MS);
    report.counted(&format!("hub: memory with {WAITING} that wait"), memory, "MB", MEMORY_MB);
    Ok(())
}

/// Hears the same from everybody.
async fn all<T: PartialEq + Debug>(news: &mut mpsc::Receiver<T>, expected: T) -> Result<()> {
    for _ in 0..WAITING {
        let heard = news.recv().await.context("somebody waits")?;
        ensure!(heard == expected, "{heard:?} instead of {expected:?}");
    }
    Ok(())
}

/// One agent: asks with what it has, waits, and asks again with what came. Tells when it asked, and the digest of each
/// pack that came whole.
async fn wait(
    address: String,
    mut etag: String,
    (waits, packs): (mpsc::Sender<()>, mpsc::Sender<String>),
) -> Result<()> {
    let mut stream = AsyncReader::new(TcpStream::connect(&address).await?);
    loop {
        let request = format!(
            "GET /v1/policy/packs/{PACK} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {TOKEN}\r\n\
             prefer: wait=50\r\nif-none-match: {etag}\r\n\r\n"
        );
        stream.get_mut().write_all(request.as_bytes()).await?;
        waits.send(()).await?;
        let bytes = loop {
            match answer(&mut stream).await? {
                (200, tag, bytes) => {
                    etag = tag;
                    break bytes;
                }
                // It waited in vain, and asks once more.
                (304, ..) => stream.get_mut().write_all(request.as_bytes()).await?,
                (status, ..) => bail!("the hub answers {status}"),
            }
        };
        packs.send(digest(&bytes)).await?;
    }
}

/// Status, ETag and body.
async fn answer(stream: &mut AsyncReader<TcpStream>) -> Result<(u16, String, Vec<u8>)> {
    let (mut status, mut etag, mut length) = (0, String::new(), 0);
    let mut line = String::new();
    loop {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "the hub hung up");
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        match text.split_once(": ") {
            None => status = text.split(' ').nth(1).unwrap_or_default().parse().unwrap_or(0),
            Some((name, value)) if name.eq_ignore_ascii_case("etag") => etag = value.to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") && status != 304 => {
                length = value.parse()?;
            }
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((status, etag, body))
}

fn etag(pack: &[u8]) -> String {
    format!("W/\"sha-256:{}\"", digest(pack))
}

fn pack(folder: &Path, version: usize) -> Result<Vec<u8>> {
    let source = folder.join("source");
    fs::create_dir_all(source.join("opa"))?;
    for module in 0..MODULES {
        let rule = |rule| format!("allow if input.action == \"a-{module}-{rule}-{version}\"");
        let rules = (0..20).map(rule).collect::<Vec<_>>().join("\n");
        let text =
            format!("package m{module}\n\nimport rego.v1\n\ndefault allow := false\n\n{rules}\n");
        fs::write(source.join(format!("opa/m{module}.rego")), text)?;
    }
    build(&source, PACK, Some(&format!("1.0.{version}"))).context("a pack")
}

/// As `plumb hub packs publish` does it.
fn publish(address: &str, version: usize, pack: &[u8]) -> Result<()> {
    let mut stream = std::net::TcpStream::connect(address)?;
    write!(
        stream,
        "POST /v1/hub/packs/{PACK}?version=1.0.{version} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\
         authorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
        pack.len()
    )?;
    stream.write_all(pack)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "not published: {answer}");
    Ok(())
}
