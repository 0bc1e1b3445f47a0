//! What can be typed after `plumb`.

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use plumb_app::views::plan::NodeSelection;

use crate::{
    commands::{
        agent, alerts, approvals, approve, bundle, bundle_status, certificate, chart,
        check_subscription, completion, config, credential, demo, deployments, distribute, doctor,
        drift, evaluate, evidence, fleet, help, hub, impact, incidents, journal, key, logs, man,
        opa, packs, pin, plan, readiness, refused, release, requests, resolve_conflict, restart,
        rollback, roster, run, runbook, runs, status, sync, trust, unpin, verify_bundle, version,
    },
    exit::Failure,
};

/// Plumbline on a terminal: see the drift of a policy fleet and bring it back.
#[derive(Debug, Parser)]
#[command(
    name = "plumb",
    version,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 fine, 1 drift or a failed check, 2 wrong use or bad input, \
                  3 could not reach, 4 not confirmed, 5 an error inside, 6 a journal that does not \
                  reach its end.\n\
                  `plumb help topics` lists what can be read here."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Words every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Fleet to work on; not needed where only one is known
    #[arg(long, global = true, value_name = "NAME", env = "PLUMBLINE_FLEET")]
    pub(crate) fleet: Option<String>,
    /// Add this fleet file and work on its fleet
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) fleet_file: Option<String>,
    /// Folder of cache.sqlite and record.sqlite
    #[arg(long, global = true, value_name = "DIR", env = "PLUMBLINE_DATA_DIR")]
    pub(crate) data_dir: Option<Utf8PathBuf>,
    /// Sign journals and certificates with the key in this file, not with the one in the keyring
    #[arg(long, global = true, value_name = "FILE", env = "PLUMBLINE_CONSOLE_KEY")]
    pub(crate) console_key: Option<Utf8PathBuf>,
    /// Who you are in the signed roster, where one rules the fleet
    #[arg(long, global = true, value_name = "ID", env = "PLUMBLINE_PERSON")]
    pub(crate) person: Option<String>,
    /// Print exactly one JSON document on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Answer from what is stored, without asking any node, and say how old it is
    #[arg(long, global = true)]
    pub(crate) no_sweep: bool,
    /// When to use colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: ColorChoice,
    /// Say more on standard error; twice for every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Versions, bundles, settings and actions on policies
    #[command(subcommand)]
    Policy(Policy),
    /// Signed bundles offline: the same as `policy bundle`
    #[command(subcommand)]
    Bundle(Bundle),
    /// Verify an artifact by its Sigstore bundle, offline
    VerifyBundle(verify_bundle::VerifyBundle),
    /// Trusted roots and keys
    #[command(subcommand)]
    Trust(trust::Trust),
    /// Policy processes
    #[command(subcommand)]
    Service(Service),
    /// Check a fleet, with evidence and what to do
    Doctor(doctor::Doctor),
    /// Groups of nodes against a baseline, policy by policy
    Drift(drift::Drift),
    /// Fleets this machine knows
    #[command(subcommand)]
    Fleet(fleet::Fleet),
    /// Tokens in the system's keyring
    #[command(subcommand)]
    Credential(credential::Credential),
    /// Waves, gates and findings of a change, kept under a hash to be run
    Plan(plan::Plan),
    /// Start a plan by its hash, follow it, and pick up what was left open
    Run(run::Run),
    /// What was done to a fleet, and how it ended
    Runs(runs::Runs),
    /// Documents that run: from a symptom, step by step, to a verified end
    #[command(subcommand)]
    Runbook(runbook::Runbook),
    /// The hash-chained record of a run
    #[command(subcommand)]
    Journal(journal::Journal),
    /// What every target of a run was seen to run after it, signed
    Certificate(certificate::Certificate),
    /// What is ready before a change of a fleet, and what shows it
    #[command(subcommand)]
    Readiness(readiness::Readiness),
    /// Pictures of what a fleet ran over time
    Chart(chart::Chart),
    /// Archives that prove what was done: captured, sealed, verified, compared
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    /// Sign consent to a plan, or refuse it
    Approve(approve::Approve),
    /// Signed approvals of plans: add them, see what is missing
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// Content that no node may take until a quorum signed it clean
    #[command(subcommand)]
    Refused(refused::Refused),
    /// The signed roster: people, groups, keys and rules
    #[command(subcommand)]
    Roster(roster::Roster),
    /// Keys of people, to sign approvals with
    #[command(subcommand)]
    Key(key::Key),
    /// The service beside a policy engine
    #[command(subcommand)]
    Agent(agent::Agent),
    /// The server of a team: packs, desired versions, alerts and incidents
    #[command(subcommand)]
    Hub(hub::Hub),
    /// Alerts: of the console's own inbox, or of a team's hub
    #[command(subcommand)]
    Alerts(alerts::Alerts),
    /// Incidents: of the console's own inbox, or of a team's hub
    #[command(subcommand)]
    Incidents(incidents::Incidents),
    /// Whether a release may go on, by the objectives of its service
    #[command(subcommand)]
    Release(release::Release),
    /// A small real fleet on this machine, with drift
    Demo(demo::Demo),
    /// Print a completion script
    Completion(completion::Completion),
    /// Write the manual pages
    Man(man::Man),
    /// Help on a topic or a command
    Help(help::Help),
}

/// How a server writes its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people
    #[default]
    Text,
    /// One JSON object a line, for a collector
    Json,
}

impl Command {
    pub(crate) fn serves_a_hub(&self) -> bool {
        matches!(self, Self::Hub(hub::Hub::Serve(_)))
    }

    pub(crate) fn log_format(&self) -> LogFormat {
        match self {
            Self::Agent(agent) => agent.log_format(),
            Self::Hub(hub) => hub.log_format(),
            _ => LogFormat::Text,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Versions and contents nodes run
    Version(version::Version),
    /// The desired version, and what most nodes run
    Active(version::Active),
    /// How nodes stand to what is desired; everything about one node with --node
    Status(status::Status),
    /// Bundles of nodes, and bundles offline
    #[command(subcommand)]
    Bundle(Bundle),
    /// Open Policy Agent: bundles and configuration
    #[command(subcommand)]
    Opa(opa::Opa),
    /// What consoles told the team's hub of their runs
    #[command(subcommand)]
    Deployments(deployments::Deployments),
    /// Policy packs: make, publish and serve them
    #[command(subcommand)]
    Packs(packs::Packs),
    /// Make nodes take the desired version
    Sync(sync::Sync),
    /// Set the desired version
    Pin(pin::Pin),
    /// Lift a pin, so that the fleet file counts again
    Unpin(unpin::Unpin),
    /// Return to last-known-good, or to a named earlier version
    Rollback(rollback::Rollback),
    /// Settle on one version: pin it, then sync every node that runs another
    ResolveConflict(resolve_conflict::ResolveConflict),
    /// Settings of nodes, for example deployment.locking
    #[command(subcommand)]
    Config(config::Config),
    /// Ask nodes to decide the same test requests, and compare
    Evaluate(evaluate::Evaluate),
    /// Requests that two versions answer differently, before anything is activated
    Impact(impact::Impact),
    /// Requests that were really asked, as agents and the hub recorded them
    Requests(requests::Requests),
    /// Log lines of agents
    Logs(logs::Logs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// The bundle of every node: id, version, signature, age
    Status(bundle_status::BundleStatus),
    /// How a node follows the source of its bundle
    CheckSubscription(check_subscription::CheckSubscription),
    /// Whether the hub's storage of packs takes and gives bytes, and what is missing in it
    StorageStatus(distribute::StorageStatus),
    /// Tell the hub what nodes should run; they fetch it from there
    Distribute(distribute::Distribute),
    /// Make an unsigned bundle of policies
    Build(bundle::build::Build),
    /// Sign a bundle
    Sign(bundle::sign::Sign),
    /// Verify the signature of a bundle
    Verify(bundle::verify::Verify),
    /// Show what a bundle holds, and advice on it
    Inspect(bundle::inspect::Inspect),
    /// Compare two bundles, policy by policy
    Diff(bundle::diff::Diff),
    /// Make a key to sign with
    Keygen(bundle::keygen::Keygen),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Restart policy processes so that they read their bundles again
    Restart(restart::Restart),
}

/// Nodes a reading command is about; all of them when none is named.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Nodes {
    /// Every node of the fleet (also without this word)
    #[arg(long, conflicts_with = "node")]
    pub(crate) all_nodes: bool,
    /// A node, by its name in the fleet file; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) node: Vec<String>,
}

impl Nodes {
    /// The named nodes, or nothing for all.
    pub(crate) fn named(&self) -> Option<&[String]> {
        (!self.node.is_empty()).then_some(self.node.as_slice())
    }

    /// The same for an action.
    pub(crate) fn selection(&self) -> NodeSelection {
        match self.named() {
            None => NodeSelection::All,
            Some(nodes) => NodeSelection::Nodes { ids: nodes.to_vec() },
        }
    }
}

/// Nodes an action is for: said, never guessed.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Targets {
    /// Every node of the fleet
    #[arg(long)]
    pub(crate) all_nodes: bool,
    /// A node, by its name in the fleet file; may be repeated, or several with commas between them
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) node: Vec<String>,
    /// Every node that has drifted
    #[arg(long)]
    pub(crate) drifted: bool,
    /// Nodes a filter line lets through, for example 'label:region=eu'
    #[arg(long, value_name = "LINE")]
    pub(crate) filter: Option<String>,
}

/// How an action is confirmed.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Confirm {
    /// Show what would happen, and stop
    #[arg(long, conflicts_with = "request")]
    pub(crate) dry_run: bool,
    /// Print the same as a step of a runbook, and stop
    #[arg(long, conflicts_with_all = ["request", "dry_run"])]
    pub(crate) as_step: bool,
    /// Apply without asking, where a yes is enough
    #[arg(long, conflicts_with = "request")]
    pub(crate) yes: bool,
    /// The phrase that production and irreversible actions ask for, for example "prod-eu 42"
    #[arg(long = "confirm", value_name = "PHRASE", conflicts_with = "request")]
    pub(crate) phrase: Option<String>,
    /// Why a safeguard is passed over, as --force does; it stands in the journal
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["dry_run", "request", "at_night"])]
    pub(crate) reason: Option<String>,
    /// Roll back without approvals, at the hours of the rule; say why. You sign the request
    #[arg(long, value_name = "REASON", conflicts_with_all = ["dry_run", "request"])]
    pub(crate) at_night: Option<String>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// How consent to a plan is asked for, and with which key somebody signs.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Asking {
    /// Do not start: sign a request for approval and write it to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<Utf8PathBuf>,
    /// When the requested change may begin: FROM/TO, two moments in ISO 8601
    #[arg(long, value_name = "FROM/TO", requires = "request")]
    pub(crate) window: Option<String>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// As whom somebody signs: for a group, with a key.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Speaking {
    /// The group to speak for; not needed where only one of yours can be meant
    #[arg(long, value_name = "GROUP")]
    pub(crate) role: Option<String>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// What somebody signed elsewhere and sent as a file.
#[derive(Debug, Clone, Args)]
pub(crate) struct SignedFile {
    /// File that somebody signed and sent
    #[arg(value_name = "FILE")]
    file: String,
}

/// As long as an envelope may be that holds no list.
pub(crate) const ENVELOPE_BYTES_MAX: u64 = 4 << 20;

impl SignedFile {
    pub(crate) fn read(&self, bytes_max: u64) -> Result<String, Failure> {
        fleet::read_text(&self.file, bytes_max)
    }
}

/// The key of a person to sign with; the only one of this machine when none is named.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct KeyArgs {
    /// Sign with the key in this file, under a passphrase
    #[arg(id = "signing_key", long = "key", value_name = "FILE", conflicts_with = "key_name")]
    pub(crate) file: Option<Utf8PathBuf>,
    /// Sign with the key of this name
    #[arg(id = "key_name", long = "key-name", value_name = "NAME")]
    pub(crate) name: Option<String>,
}
