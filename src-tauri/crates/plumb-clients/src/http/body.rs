//! Bodies under byte limits: counted while they stream, and again while they unpack.

use std::{
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use plumb_fleet::{FailureKind, NodeFailure};
use reqwest::{Response, header::CONTENT_ENCODING};

use crate::{
    error::{bytes, failure, from_transport, malformed, too_large},
    escape::escape_bytes,
    limits::{NODE_BYTES_MAX, READING_BYTES_MAX},
};

/// Bytes taken from the shared allowance, given back when dropped.
#[derive(Debug)]
pub(crate) struct Reading {
    shared: Arc<AtomicUsize>,
    taken: usize,
}

impl Reading {
    pub(crate) fn new(shared: Arc<AtomicUsize>) -> Self {
        Self { shared, taken: 0 }
    }

    fn take(&mut self, count: usize, path: &str) -> Result<(), NodeFailure> {
        self.taken += count;
        let all = self.shared.fetch_add(count, Ordering::Relaxed) + count;
        if all > READING_BYTES_MAX {
            return Err(failure(
                FailureKind::TooLarge,
                format!(
                    "{path}: the answers being read at once exceed {}",
                    bytes(READING_BYTES_MAX)
                ),
            ));
        }
        Ok(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.shared.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

/// Reads a body of at most `bytes_max`, of which `spent` counts all bodies of this node.
pub(crate) async fn read(
    mut response: Response,
    path: &str,
    bytes_max: usize,
    spent: &AtomicUsize,
    reading: &mut Reading,
) -> Result<Vec<u8>, NodeFailure> {
    let encoding = Encoding::of(&response, path)?;
    let announced = response.content_length().unwrap_or(0);
    if announced > bytes_max as u64 {
        return Err(too_large(path, bytes_max));
    }
    let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0).min(64 << 10));
    while let Some(chunk) = response.chunk().await.map_err(|error| from_transport(path, &error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(too_large(path, bytes_max));
        }
        if spent.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len() > NODE_BYTES_MAX {
            return Err(failure(
                FailureKind::TooLarge,
                format!("{path}: the node's answers together exceed {}", bytes(NODE_BYTES_MAX)),
            ));
        }
        reading.take(chunk.len(), path)?;
        body.extend_from_slice(&chunk);
    }
    match encoding {
        Encoding::Plain => Ok(body),
        packed => unpack(&body, packed, path, bytes_max),
    }
}

/// How a body travels. We ask for none, but a proxy may add one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
    Deflate,
}

impl Encoding {
    fn of(response: &Response, path: &str) -> Result<Self, NodeFailure> {
        let Some(header) = response.headers().get(CONTENT_ENCODING) else {
            return Ok(Self::Plain);
        };
        match header.as_bytes().trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Ok(Self::Plain),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip),
            b"deflate" => Ok(Self::Deflate),
            other => Err(malformed(
                path,
                format_args!("the encoding {} was not asked for", escape_bytes(other, 40)),
            )),
        }
    }
}

/// Unpacks a body; stops at the limit, so a bomb costs no more than an honest body of that size.
fn unpack(
    packed: &[u8],
    encoding: Encoding,
    path: &str,
    bytes_max: usize,
) -> Result<Vec<u8>, NodeFailure> {
    let limit = bytes_max as u64 + 1;
    let mut body = Vec::new();
    let read = match encoding {
        Encoding::Deflate => ZlibDecoder::new(packed).take(limit).read_to_end(&mut body),
        Encoding::Gzip | Encoding::Plain => {
            MultiGzDecoder::new(packed).take(limit).read_to_end(&mut body)
        }
    };
    read.map_err(|error| malformed(path, format_args!("the compressed body is broken ({error})")))?;
    if body.len() > bytes_max {
        return Err(failure(
            FailureKind::TooLarge,
            format!("{path}: the answer unpacks to more than {}", bytes(bytes_max)),
        ));
    }
    Ok(body)
}
