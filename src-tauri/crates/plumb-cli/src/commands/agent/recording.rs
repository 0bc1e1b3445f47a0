//! Flags for requests that an agent samples as they are asked.

use clap::Args;
use plumb_agent::Recording;

use crate::exit::Failure;

#[derive(Debug, Args)]
pub(super) struct RecordingFlags {
    /// Keep this share of requests in memory, each once with its count, for what another version would
    /// answer them; above 0 and at most 1. Secrets, addresses and long texts are taken out first. Off
    /// unless given
    #[arg(long, value_name = "SHARE", env = "PLUMB_AGENT_RECORD_SHARE")]
    record_share: Option<f64>,
    /// A member of requests that is taken out before they are kept, as a JSON pointer into the input such
    /// as /context/user, `*` for any step; may be repeated
    #[arg(
        long = "record-mask",
        value_name = "POINTER",
        env = "PLUMB_AGENT_RECORD_MASK",
        value_delimiter = ',',
        requires = "record_share"
    )]
    record_mask: Vec<String>,
}

impl RecordingFlags {
    pub(super) fn recording(&self) -> Result<Option<Recording>, Failure> {
        let recording = self.record_share.map(|share| Recording::new(share, &self.record_mask));
        recording.transpose().map_err(|message| {
            Failure::usage(message, "for example --record-share 0.05 --record-mask /context/user")
        })
    }
}
