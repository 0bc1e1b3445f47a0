//! `evidence raw`: what nodes answered word for word.

use camino::Utf8Path;
use plumb_app::actions::capture::raw_answers;

use crate::{
    commands::passphrase,
    exit::{Exit, Failure, Outcome},
    output::Output,
};

/// Answers in the clear: only for whoever has the file and its passphrase.
pub(super) async fn told(
    out: &Output,
    raw: &Utf8Path,
    of: Option<&Utf8Path>,
    output: Option<&Utf8Path>,
) -> Outcome {
    let word = passphrase::existing(raw.as_str())?;
    let Some(path) = output else {
        raw_answers(raw, &word, of, std::io::stdout()).await?;
        return Ok(Exit::Fine);
    };
    raw_answers(raw, &word, of, private_file(path)?).await?;
    out.say(format!("{path} has every answer, a JSON document a line; secrets are in it"));
    Ok(Exit::Fine)
}

/// A new file that only its owner reads.
fn private_file(path: &Utf8Path) -> Result<std::io::BufWriter<std::fs::File>, Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = options.open(path).map_err(|error| {
        Failure::usage(
            format!("{path} could not be made: {error}"),
            "name a file that is not there yet",
        )
    })?;
    Ok(std::io::BufWriter::new(file))
}
