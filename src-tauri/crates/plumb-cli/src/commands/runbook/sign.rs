//! `runbook sign`: lets a runbook run where a roster names the key.

use camino::Utf8PathBuf;
use clap::Args;

use crate::{
    args::KeyArgs,
    exit::{Exit, Outcome},
    session::Session,
    text::escape::printable,
};

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The runbook
    #[arg(value_name = "FILE")]
    file: Utf8PathBuf,
    #[command(flatten)]
    key: KeyArgs,
}

impl Sign {
    pub(super) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_app(async |app| {
                let signed = app.sign_runbook(&self.file, &self.key.choice(app)?).await?;
                session.out.show(&signed, |out| {
                    out.say(printable(&format!("signed {} in {}", signed.file, signed.signature)));
                    out.say(out.style.faint(&format!("key {}", signed.key)));
                });
                Ok(Exit::Fine)
            })
            .await
    }
}
