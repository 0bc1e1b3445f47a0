//! `bundle inspect`: what a bundle holds, and advice on it (R271).

use clap::Args;
use plumb_bundle::lint::lint;
use schemars::JsonSchema;
use serde::Serialize;

use super::bundle;
use crate::{
    exit::{Exit, Outcome},
    session::Session,
    text::{
        escape::printable,
        style::Hue,
        table::{Cell, Table},
    },
};

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[arg(value_name = "FILE")]
    file: String,
}

/// What a bundle says of itself; whether it may be trusted is another matter.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InspectDocument {
    pub(crate) file: String,
    /// `signed_json`, `opa_archive` or `policy_pack`.
    pub(crate) format: String,
    pub(crate) bundle_id: String,
    pub(crate) version: String,
    pub(crate) issued_at: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) digest: String,
    pub(crate) content: String,
    pub(crate) bytes: usize,
    pub(crate) policies: Vec<PolicyOfBundle>,
    /// Digest over the data files, where there are any.
    pub(crate) data_digest: Option<String>,
    pub(crate) data: Vec<DocumentsOfBundle>,
    pub(crate) advice: Vec<Advice>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PolicyOfBundle {
    pub(crate) id: String,
    pub(crate) digest: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DocumentsOfBundle {
    pub(crate) path: String,
    pub(crate) digest: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Advice {
    pub(crate) policy: Option<String>,
    pub(crate) detail: String,
}

impl Inspect {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        let (_, bundle) = bundle(&self.file)?;
        let advice = lint(&bundle)
            .into_iter()
            .map(|found| Advice { policy: found.policy, detail: found.detail })
            .collect();
        let data_digest = bundle.data_digest().map(|digest| digest.to_string());
        let document = InspectDocument {
            data_digest,
            data: bundle
                .data
                .iter()
                .map(|file| DocumentsOfBundle {
                    path: file.path.clone(),
                    digest: file.digest.to_string(),
                })
                .collect(),
            file: self.file.clone(),
            format: serde_json::to_value(bundle.format)
                .ok()
                .and_then(|format| format.as_str().map(str::to_owned))
                .unwrap_or_default(),
            bundle_id: bundle.id,
            version: bundle.version.to_string(),
            issued_at: bundle.issued_at.map(|at| at.to_string()),
            issuer: bundle.issuer,
            digest: bundle.digest.to_string(),
            content: bundle.content.to_string(),
            bytes: bundle.bytes,
            policies: bundle
                .policies
                .iter()
                .map(|policy| PolicyOfBundle {
                    id: policy.id.clone(),
                    digest: policy.digest.to_string(),
                })
                .collect(),
            advice,
        };
        session.out.show(&document, |out| {
            let (id, version) = (printable(&document.bundle_id), printable(&document.version));
            out.say(format!("{} {version} ({})", out.style.bold(&id), document.format));
            out.say(format!("  digest   {}", document.digest));
            out.say(format!("  content  {}", document.content));
            if let Some(digest) = &document.data_digest {
                out.say(format!("  data     {digest}"));
            }
            out.say(format!("  {} bytes, {} policies", document.bytes, document.policies.len()));
            let mut table = Table::new(&["place", "policy", "digest"]);
            for (place, policy) in (1..).zip(&document.policies) {
                table.row([
                    Cell::from(u32::to_string(&place)),
                    Cell::from(&policy.id),
                    Cell::from(&policy.digest[..12]),
                ]);
            }
            for file in &document.data {
                table.row([
                    Cell::from("data"),
                    Cell::from(&file.path),
                    Cell::from(&file.digest[..12]),
                ]);
            }
            table.print(out);
            for advice in &document.advice {
                let policy = advice.policy.as_ref().map(|id| format!("{id}: ")).unwrap_or_default();
                let text = printable(&format!("{policy}{}", advice.detail));
                out.say(format!("{}  {text}", out.style.paint(Hue::Orange, "◷ advice")));
            }
        });
        Ok(Exit::Fine)
    }
}
