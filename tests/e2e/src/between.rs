//! Something between the console and one node, so that a story decides what becomes of changes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// As long as the head of a request may be.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What becomes of requests that change the node; those that only read are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    Pass,
    /// Answered as a node does that cannot do it.
    Refuse,
    /// Passed on, and the answer is kept back for good.
    Swallow,
}

/// Between the console and a node until it is dropped.
#[derive(Debug)]
pub struct Between {
    changes: watch::Sender<Changes>,
    /// How many answers were kept back.
    swallowed: watch::Receiver<u32>,
    serving: JoinHandle<()>,
}

impl Drop for Between {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Between {
    /// Steps between the console and a node of a fleet file: answers the fleet file to use instead.
    pub async fn step_in(fleet_file: &Path, node: &str) -> Result<(Self, PathBuf)> {
        let text = fs::read_to_string(fleet_file)?;
        let entry = text.find(&format!("id = \"{node}\"")).context("the node is in the file")?;
        let at = entry + text[entry..].find("url = \"http://").context("it has an address")? + 14;
        let end = at + text[at..].find(['"', '/']).context("the address ends")?;
        let target = text[at..end].to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let text = format!("{}{}{}", &text[..at], listener.local_addr()?, &text[end..]);
        let file = fleet_file.with_file_name("between.toml");
        fs::write(&file, text)?;

        let (changes, mode) = watch::channel(Changes::Pass);
        let (tell, swallowed) = watch::channel(0);
        let tell = Arc::new(tell);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, mode, tell) = (target.clone(), mode.clone(), Arc::clone(&tell));
                tokio::spawn(async move {
                    // A connection that breaks is the console's to notice.
                    let _ = serve(client, &target, mode, &tell).await;
                });
            }
        });
        Ok((Self { changes, swallowed, serving }, file))
    }

    pub fn let_changes(&self, changes: Changes) {
        self.changes.send_replace(changes);
    }

    /// Waits until the answer to a change was kept back.
    pub async fn has_swallowed(&mut self) -> Result<()> {
        self.swallowed.wait_for(|count| *count > 0).await.context("it ended").map(drop)
    }
}

/// One request and its answer; the connection ends with it.
async fn serve(
    mut client: TcpStream,
    target: &str,
    mode: watch::Receiver<Changes>,
    tell: &watch::Sender<u32>,
) -> Result<()> {
    let mut head = Vec::new();
    let end = loop {
        let mut bytes = [0; 4096];
        let read = client.read(&mut bytes).await?;
        head.extend_from_slice(&bytes[..read]);
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if read == 0 || head.len() > HEAD_BYTES_MAX {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&head[..end]).into_owned();
    let changing = !text.starts_with("GET ");
    let mode = *mode.borrow();
    if changing && mode == Changes::Refuse {
        let body = r#"{"type":"about:blank","title":"no space is left on the disk","status":507}"#;
        let answer = format!(
            "HTTP/1.1 507 Insufficient Storage\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        return Ok(client.write_all(answer.as_bytes()).await?);
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    while head.len() < end + length.unwrap_or(0) {
        let mut bytes = [0; 4096];
        let read = client.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&bytes[..read]);
    }
    let kept = |line: &&str| !line.to_ascii_lowercase().starts_with("connection:");
    let lines: Vec<&str> = text.trim_end().lines().filter(kept).collect();
    let mut upstream = TcpStream::connect(target).await?;
    upstream
        .write_all(format!("{}\r\nconnection: close\r\n\r\n", lines.join("\r\n")).as_bytes())
        .await?;
    upstream.write_all(&head[end..]).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    if changing && mode == Changes::Swallow {
        tell.send_modify(|count| *count += 1);
        // The connection stays open and silent until the console is gone.
        let mut nothing = [0; 1];
        let _ = client.read(&mut nothing).await;
        return Ok(());
    }
    Ok(client.write_all(&answer).await?)
}
