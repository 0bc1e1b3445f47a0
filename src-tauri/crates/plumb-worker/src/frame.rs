//! Frames on a pipe: four bytes of length, most significant first, then JSON.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::limits::{CALL_BYTES_MAX, REPLY_BYTES_MAX};

/// What stood where a frame should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the pipe is closed")]
    Closed,
    #[error("a frame of {bytes} bytes is announced; the limit is {bytes_max}")]
    TooLong { bytes: u64, bytes_max: u64 },
    #[error("a frame is no document")]
    NotJson(#[source] serde_json::Error),
    #[error("the pipe does not work")]
    Pipe(#[source] io::Error),
}

impl FrameError {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Pipe(error),
        }
    }
}

/// A document as one frame.
pub(crate) fn encode(document: &impl Serialize) -> Vec<u8> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, document).expect("calls and replies always serialise");
    let length =
        u32::try_from(frame.len() - 4).expect("every document is below 4 GB by its limits");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

/// The parent's next call. Bytes are taken as they come: an announced length reserves nothing.
pub(crate) fn read_call<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, FrameError> {
    let mut head = [0; 4];
    from.read_exact(&mut head).map_err(FrameError::of)?;
    let length = length(head, CALL_BYTES_MAX)?;
    let mut body = Vec::new();
    from.by_ref().take(length).read_to_end(&mut body).map_err(FrameError::of)?;
    decode(&body, length)
}

/// The child's reply, on its way.
pub(crate) fn write_reply(to: &mut impl Write, reply: &impl Serialize) -> Result<(), FrameError> {
    to.write_all(&encode(reply)).and_then(|()| to.flush()).map_err(FrameError::of)
}

/// The child's next reply.
pub(crate) async fn read_reply<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<T, FrameError> {
    let mut head = [0; 4];
    from.read_exact(&mut head).await.map_err(FrameError::of)?;
    let length = length(head, REPLY_BYTES_MAX)?;
    let mut body = Vec::new();
    from.take(length).read_to_end(&mut body).await.map_err(FrameError::of)?;
    decode(&body, length)
}

fn length(head: [u8; 4], bytes_max: usize) -> Result<u64, FrameError> {
    let bytes = u64::from(u32::from_be_bytes(head));
    let bytes_max = bytes_max as u64;
    if bytes > bytes_max { Err(FrameError::TooLong { bytes, bytes_max }) } else { Ok(bytes) }
}

fn decode<T: DeserializeOwned>(body: &[u8], length: u64) -> Result<T, FrameError> {
    if (body.len() as u64) < length {
        return Err(FrameError::Closed);
    }
    serde_json::from_slice(body).map_err(FrameError::NotJson)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(bytes: &[u8]) -> Result<Value, FrameError> {
        read_call(&mut &*bytes)
    }

    #[test]
    fn a_frame_comes_back_as_it_was() {
        let frame = encode(&json!({ "a": [1, "b"] }));
        assert_eq!(read(&frame).unwrap(), json!({ "a": [1, "b"] }));
    }

    #[test]
    fn each_break_is_told_apart() {
        assert!(matches!(read(b""), Err(FrameError::Closed)));
        assert!(matches!(read(b"\0\0"), Err(FrameError::Closed)));
        assert!(matches!(read(b"\0\0\0\x09{}"), Err(FrameError::Closed)));
        assert!(matches!(read(b"\0\0\0\x02{]"), Err(FrameError::NotJson(_))));
        assert!(matches!(read(b"\xff\xff\xff\xff{}"), Err(FrameError::TooLong { .. })));
    }
}
