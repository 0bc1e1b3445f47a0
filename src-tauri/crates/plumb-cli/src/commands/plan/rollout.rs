//! How a plan goes over its nodes, as words of a command or as a file.

use clap::{ArgGroup, Args, ValueEnum};
use plumb_app::{
    actions::rollout::query_request,
    views::rollout::{GateRequest, QueryRequest, RolloutRequest, ShapeRequest},
};

use crate::{commands::fleet::read_text, exit::Failure, text::age::parse_seconds};

/// Longest file of a rollout.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Waves and gates; without any of it all nodes are changed together.
#[derive(Debug, Clone, Default, Args)]
#[command(
    group = ArgGroup::new("shape").multiple(true).args([
        "canary", "shares", "by_label", "blue_green", "one_by_one",
    ]),
    group = ArgGroup::new("gate").multiple(true).args([
        "gate_convergence", "gate_errors_ppm", "gate_p95_us", "gate_decisions", "gate_prometheus", "gate_attest",
        "soak",        "on_failure", "failures",
    ]),
)]
pub(crate) struct RolloutArgs {
    /// Waves, gates and what failure leads to, from a TOML file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["shape", "gate"])]
    rollout: Option<String>,
    /// Begin with one node: this one, or the one labelled canary=true, or the first
    #[arg(long, value_name = "NODE", num_args = 0..=1, default_missing_value = "")]
    canary: Option<String>,
    /// After a canary, growing shares in percent; the last wave takes the rest
    #[arg(long, value_name = "PERCENT", value_delimiter = ',',
        conflicts_with_all = ["by_label", "blue_green", "one_by_one"])]
    shares: Vec<u8>,
    /// After a canary, one wave for each value of a label
    #[arg(long, value_name = "LABEL", conflicts_with_all = ["blue_green", "one_by_one"])]
    by_label: Option<String>,
    /// A value of that label to begin with; may be repeated
    #[arg(long, value_name = "VALUE", requires = "by_label")]
    order: Vec<String>,
    /// Nodes with this value of a label, then the others
    #[arg(long, value_name = "LABEL=VALUE", conflicts_with_all = ["canary", "one_by_one"])]
    blue_green: Option<String>,
    /// One node after the other
    #[arg(long, conflicts_with = "canary")]
    one_by_one: bool,
    /// After a wave, this share of changed nodes runs the content wanted, in percent
    #[arg(long, value_name = "PERCENT", requires = "shape",
        value_parser = clap::value_parser!(u8).range(1..=100))]
    gate_convergence: Option<u8>,
    /// After a wave, at most so many errors in a million decisions
    #[arg(long, value_name = "NUMBER", requires = "shape")]
    gate_errors_ppm: Option<u32>,
    /// After a wave, 95 of 100 decisions took at most so long, in microseconds
    #[arg(long, value_name = "NUMBER", requires = "shape")]
    gate_p95_us: Option<u64>,
    /// After a wave, changed nodes answer as their new content does when it is evaluated here
    #[arg(long, requires = "shape")]
    gate_decisions: bool,
    /// After a wave, the one value of a Prometheus query is within a limit; may be repeated
    #[arg(long, value_name = "QUERY <= LIMIT", requires = "shape", value_parser = parse_query)]
    gate_prometheus: Vec<QueryRequest>,
    /// After a wave, somebody looks and attests this
    #[arg(long, value_name = "TEXT", requires = "shape")]
    gate_attest: Option<String>,
    /// Watch a wave at least so long, for example 30s or 10m
    #[arg(long, value_name = "TIME", requires = "shape",
        value_parser = parse_seconds)]
    soak: Option<u32>,
    /// What a gate that stays shut, or one failed node too many, leads to
    #[arg(long, value_name = "WHAT", requires = "shape")]
    on_failure: Option<OnFailure>,
    /// So many nodes may fail before the run stops itself
    #[arg(long, value_name = "NUMBER", requires = "shape")]
    failures: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnFailure {
    /// Nothing further is changed until somebody decides
    Halt,
    /// Every node that was touched is brought back
    RollBack,
}

fn parse_query(text: &str) -> Result<QueryRequest, String> {
    query_request(text).map_err(|error| format!("{}; {}", error.message, error.hint))
}

impl RolloutArgs {
    /// What was asked for; nothing where all nodes are changed together.
    pub(crate) fn request(&self) -> Result<Option<RolloutRequest>, Failure> {
        if let Some(file) = &self.rollout {
            let text = read_text(file, FILE_BYTES_MAX)?;
            let request = toml::from_str(&text).map_err(|error| {
                Failure::usage(
                    format!("{file}: {error}"),
                    "mend the file; its schema is assets/schemas/rollout.json",
                )
            })?;
            return Ok(Some(request));
        }
        let Some(shape) = self.shape()? else { return Ok(None) };
        Ok(Some(RolloutRequest {
            shape,
            gate: self.gate(),
            roll_back_on_failure: self.on_failure == Some(OnFailure::RollBack),
            failures_tolerated: self.failures.unwrap_or(0),
        }))
    }

    fn shape(&self) -> Result<Option<ShapeRequest>, Failure> {
        let canary = || self.canary.clone().filter(|node| !node.is_empty());
        if let Some(label) = &self.by_label {
            let (label, order) = (label.clone(), self.order.clone());
            return Ok(Some(ShapeRequest::ByLabel { label, order, canary: canary() }));
        }
        if let Some(half) = &self.blue_green {
            let (label, first) = half.split_once('=').ok_or_else(|| {
                Failure::usage(
                    format!("{half:?} names no half"),
                    "give a label and a value: --blue-green half=blue",
                )
            })?;
            let (label, first) = (label.to_owned(), first.to_owned());
            return Ok(Some(ShapeRequest::BlueGreen { label, first }));
        }
        if self.one_by_one {
            return Ok(Some(ShapeRequest::OneByOne));
        }
        let shares = self.canary.is_some() || !self.shares.is_empty();
        Ok(shares.then(|| ShapeRequest::Shares { canary: canary(), percent: self.shares.clone() }))
    }

    fn gate(&self) -> Option<GateRequest> {
        let gate = GateRequest {
            convergence_percent: self.gate_convergence,
            errors_ppm: self.gate_errors_ppm,
            p95_us: self.gate_p95_us,
            decisions: self.gate_decisions,
            prometheus: self.gate_prometheus.clone(),
            attest: self.gate_attest.clone(),
            soak_s: self.soak.unwrap_or(0),
        };
        (gate != GateRequest::default()).then_some(gate)
    }
}
