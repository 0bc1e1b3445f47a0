//! `policy bundle status`: distribution of bundles (R019, R039).

use clap::Args;
use plumb_app::views::bundles::BundleStatusView;

use crate::{
    args::Nodes,
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::{
        age::age_or_dash,
        style::Style,
        table::{Cell, Table, or_dash, short},
    },
};

#[derive(Debug, Args)]
pub(crate) struct BundleStatus {
    #[command(flatten)]
    nodes: Nodes,
}

impl BundleStatus {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        show(session, &self.nodes, None).await
    }
}

/// Prints the bundles of nodes; `api` keeps those of one node API.
pub(crate) async fn show(session: Session<'_>, nodes: &Nodes, api: Option<&str>) -> Outcome {
    session
        .with_fleet(async |app, fleet| {
            let look = session.look(app, fleet, nodes.named()).await?;
            let view = app.bundle_status(fleet, nodes.named(), api).await?;
            session.out.show(&view, |out| {
                session.origin(&view.fleet, view.sweep.as_ref(), view.now_ms);
                match api {
                    Some(api) if view.nodes.is_empty() => {
                        out.say(format!("no {api} node is asked about"));
                    }
                    _ => table(out, &view),
                }
            });
            Ok(if view.nodes.is_empty() { Exit::Fine } else { look.exit(view.healthy) })
        })
        .await
}

fn table(out: &Output, view: &BundleStatusView) {
    let mut table = Table::new(&[
        "bundle",
        "node",
        "api",
        "id",
        "version",
        "content",
        "signature",
        "confirmed",
        "loaded",
        "problem",
    ]);
    let plain = Style { coloured: false };
    for node in &view.nodes {
        let signature = node.signature.as_ref().map(|signature| signature.verdict.as_str());
        table.row([
            Cell::painted(
                plain.verdict(node.healthy, "healthy", "unhealthy"),
                out.style.verdict(node.healthy, "healthy", "unhealthy"),
            ),
            Cell::from(&node.node),
            Cell::from(&node.api),
            Cell::from(or_dash(node.bundle_id.as_deref())),
            Cell::from(or_dash(node.version.as_deref())),
            Cell::from(short(node.content.as_deref())),
            Cell::from(or_dash(signature)),
            Cell::from(age_or_dash(view.now_ms, node.confirmed_at_ms)),
            Cell::from(age_or_dash(view.now_ms, node.loaded_at_ms)),
            Cell::from(node.problems.join("; ")),
        ]);
    }
    table.print(out);
}
