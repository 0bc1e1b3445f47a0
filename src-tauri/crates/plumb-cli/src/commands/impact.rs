//! `policy impact`: requests that two versions of a policy answer differently.

use std::path::Path;

use clap::{Args, ValueEnum};
use plumb_app::{
    App,
    impact::{
        self, Evaluators, ImpactRequest, NamedBundle, Reading, RecordedRequest, RequestSource, Side,
    },
    views::impact::{CoverageView, FlipView, ImpactSide, ImpactView, OutcomeView},
};

use crate::{
    commands::{
        bundle,
        fleet::read_text,
        requests::{SOURCES, source},
    },
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{escape::printable, style::Hue},
};

/// Names of rules that no request reached, before the rest is counted.
const NOT_REACHED_SHOWN: usize = 5;

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  plumb policy impact --from 1.4.0 --to 1.5.0
  plumb policy impact --from node:gw-1 --to 1.5.0 --requests-from node:gw-1
  plumb policy impact --from old.tar.gz --to new.tar.gz --entrypoint data.app.allow \\
      --requests decisions.jsonl")]
pub(crate) struct Impact {
    /// Version of the fleet, a bundle file, or a node that is asked itself
    #[arg(long, value_name = "VERSION|FILE|node:ID")]
    from: String,
    /// Version of the fleet, a bundle file, or a node that is asked itself
    #[arg(long, value_name = "VERSION|FILE|node:ID")]
    to: String,
    /// Requests to ask beside the generated ones: a JSON list, JSON lines, or a decision log of OPA;
    /// those that the fleet file names unless given
    #[arg(long, value_name = "FILE")]
    requests: Option<String>,
    /// Ask what was really asked: of every agent that records it, of one, or of the hub
    #[arg(long, value_name = SOURCES, value_parser = source, conflicts_with = "requests")]
    requests_from: Option<RequestSource>,
    /// Rule to ask of Rego; found by itself where only one is called allow
    #[arg(long, value_name = "data.PACKAGE.RULE")]
    entrypoint: Option<String>,
    /// How conditions of first-match rules are read; as the fleet's nodes do unless given
    #[arg(long, value_enum)]
    reading: Option<ReadingChoice>,
    /// Draws other combinations for the generated requests
    #[arg(long, default_value_t = impact::SEED)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReadingChoice {
    /// As the manual says
    Documented,
    /// As the program in the field does it
    Field,
}

impl Impact {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let mut requests = match &self.requests {
            Some(file) => {
                impact::requests::read(file, &read_text(file, impact::requests::BYTES_MAX as u64)?)?
            }
            None => Vec::new(),
        };
        let entrypoint = self.entrypoint.clone();
        if is_file(&self.from) && is_file(&self.to) && self.requests_from.is_none() {
            let (from, to) = (of_file(&self.from)?, of_file(&self.to)?);
            let reading = self.reading.unwrap_or(ReadingChoice::Documented);
            let sides = (Side::Bundle(from), Side::Bundle(to));
            return self.compare(session, sides, (requests, entrypoint), reading).await;
        }
        session
            .with_fleet(async |app, fleet| {
                let from = self.named(session, app, fleet, &self.from).await?;
                let to = self.named(session, app, fleet, &self.to).await?;
                let by_node = [&from, &to].into_iter().find_map(|side| match side {
                    Side::Node(asked) => Some(asked.reading()),
                    Side::Bundle(_) => None,
                });
                let reading = match (self.reading, by_node) {
                    (Some(reading), _) => reading,
                    (None, Some(reading)) => ReadingChoice::of(reading),
                    (None, None) => ReadingChoice::of(app.reading_of(fleet)?),
                };
                let (of_fleet, its_entrypoint) = app.asked_of_contents(fleet).await?;
                if let Some(source) = &self.requests_from {
                    requests = app.recorded(fleet, source).await?.0;
                } else if self.requests.is_none() {
                    requests = of_fleet;
                }
                let entrypoint = entrypoint.or(its_entrypoint);
                self.compare(session, (from, to), (requests, entrypoint), reading).await
            })
            .await
    }

    async fn named(
        &self,
        session: Session<'_>,
        app: &App,
        fleet: &str,
        name: &str,
    ) -> Result<Side, Failure> {
        if is_file(name) {
            return Ok(Side::Bundle(of_file(name)?));
        }
        let Some(node) = name.strip_prefix("node:") else {
            return Ok(Side::Bundle(app.bundle_of_version(fleet, name).await?));
        };
        // What it runs decides which requests are made.
        session.look(app, fleet, Some(&[node.to_owned()])).await?;
        Ok(Side::Node(app.asked_node(fleet, node).await?))
    }

    async fn compare(
        &self,
        session: Session<'_>,
        (from, to): (Side, Side),
        (requests, entrypoint): (Vec<RecordedRequest>, Option<String>),
        reading: ReadingChoice,
    ) -> Outcome {
        let reading = match reading {
            ReadingChoice::Documented => Reading::Documented,
            ReadingChoice::Field => Reading::Field,
        };
        let request = ImpactRequest { from, to, requests, entrypoint, reading, seed: self.seed };
        let evaluators = Evaluators::of_this_program()?;
        let view = impact::impact(&evaluators, &request, |_| {}).await;
        evaluators.close().await;
        let view = view?;
        session.out.show(&view, |out| show(out, &view));
        Ok(Exit::fine_if(view.flips.is_empty() && view.not_evaluated.is_empty()))
    }
}

impl ReadingChoice {
    const fn of(reading: Reading) -> Self {
        match reading {
            Reading::Documented => Self::Documented,
            Reading::Field => Self::Field,
        }
    }
}

fn is_file(name: &str) -> bool {
    Path::new(name).is_file()
}

fn of_file(path: &str) -> Result<NamedBundle, Failure> {
    Ok(NamedBundle { label: path.to_owned(), bytes: bundle::read(path)? })
}

fn show(out: &Output, view: &ImpactView) {
    let requests = view.requests;
    let flips: u32 = view.flips.iter().map(|flip| flip.requests).sum();
    let asked = requests.recorded + requests.given + requests.generated;
    out.say(format!(
        "{asked} requests asked of {} and {}: {} generated, {} recorded, {} given",
        printable(&view.from.label),
        printable(&view.to.label),
        requests.generated,
        requests.recorded,
        requests.given,
    ));
    if requests.masked > 0 {
        out.say(format!(
            "{} of them were masked when they were recorded, and may have been answered otherwise",
            requests.masked
        ));
    }
    if let Some(entrypoint) = &view.entrypoint {
        out.say(format!("rule {entrypoint}"));
    }
    for flip in &view.flips {
        show_flip(out, flip);
    }
    for group in &view.not_evaluated {
        let reason = |side: &str, why: &Option<String>| {
            why.as_ref().map(|why| format!("{side}: {}", printable(why)))
        };
        let reasons: Vec<String> = [reason("before", &group.before), reason("after", &group.after)]
            .into_iter()
            .flatten()
            .collect();
        out.say("");
        out.say(out.style.bad(&format!("? {} requests not evaluated here", group.requests)));
        for reason in reasons {
            out.say(format!("    {reason}"));
        }
        out.say(format!("    for example {}", printable(&group.example)));
    }
    out.say("");
    for side in [&view.from, &view.to] {
        show_coverage(out, side);
    }
    if let Some(digest) = &view.digest {
        out.say(format!("report {digest}"));
    }
    out.say(out.style.verdict(
        view.flips.is_empty() && view.not_evaluated.is_empty(),
        "every request is answered alike",
        &format!("{flips} of {asked} requests are answered differently"),
    ));
}

fn show_flip(out: &Output, flip: &FlipView) {
    let (mark, hue) = match flip.change.as_str() {
        "wider" => ("! lets more through", Hue::Vermilion),
        "stricter" => ("- lets less through", Hue::Orange),
        "error" => ("× fails", Hue::Vermilion),
        "reason_only" => ("~ says it otherwise", Hue::Grey),
        _ => ("~ answers otherwise", Hue::Orange),
    };
    let asked = if flip.weight > u64::from(flip.requests) {
        format!(", asked {} times", flip.weight)
    } else {
        String::new()
    };
    out.say("");
    out.say(format!(
        "{}: {} requests go from {} to {}{asked}",
        out.style.paint(hue, mark),
        flip.requests,
        flip.before.effect,
        flip.after.effect,
    ));
    out.say(format!("    for example {} at {}", printable(&flip.example), flip.example_at));
    out.say(format!("    before  {}", outcome(&flip.before)));
    out.say(format!("    after   {}", outcome(&flip.after)));
}

fn outcome(outcome: &OutcomeView) -> String {
    let rule = outcome.rule.as_ref().map(|rule| format!(" by {}", printable(rule)));
    let said = outcome.reason.as_ref().or(outcome.value.as_ref());
    let said = said.map(|said| format!(": {}", printable(said)));
    format!("{}{}{}", outcome.effect, rule.unwrap_or_default(), said.unwrap_or_default())
}

fn show_coverage(out: &Output, side: &ImpactSide) {
    let label = printable(&side.label);
    let Some(coverage) = &side.coverage else {
        out.say(format!("{label}: what the requests reached is not known"));
        return;
    };
    let CoverageView { rules, reached, conditions, both_ways, not_reached } = coverage;
    out.say(format!(
        "{label}: {reached} of {rules} rules reached, {both_ways} of {conditions} conditions tried both ways"
    ));
    if !not_reached.is_empty() {
        let shown: Vec<String> =
            not_reached.iter().take(NOT_REACHED_SHOWN).map(|rule| printable(rule)).collect();
        let more = not_reached.len() - shown.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        out.say(format!("    never reached: {}{more}", shown.join(", ")));
    }
}
