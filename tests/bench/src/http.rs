//! One kept connection that asks and waits, with nothing of a client library in the measured time.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("connecting to the server")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends one request and reads the whole answer.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> Result<Answer> {
        self.posted(path, "", body)
    }

    /// As [`Connection::post`], by somebody who is known.
    pub(crate) fn post_as(&mut self, token: &str, path: &str, body: &str) -> Result<Answer> {
        self.posted(path, &format!("authorization: Bearer {token}\r\n"), body)
    }

    fn posted(&mut self, path: &str, fields: &str, body: &str) -> Result<Answer> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: server\r\n{fields}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.answered(&request)
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        self.answered(&format!("GET {path} HTTP/1.1\r\nhost: server\r\n\r\n"))
    }

    fn answered(&mut self, request: &str) -> Result<Answer> {
        self.stream.get_mut().write_all(request.as_bytes()).context("sending a request")?;
        let first = self.line()?;
        let Some(status) = first.split(' ').nth(1).and_then(|status| status.parse().ok()) else {
            bail!("the answer begins with {first:?}");
        };
        let mut length = None;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
        let mut body = vec![0; length.context("the answer tells no length")?];
        self.stream.read_exact(&mut body).context("reading an answer")?;
        Ok(Answer { status, body })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).context("reading an answer")?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => bail!("the connection ended within an answer"),
        }
    }
}
