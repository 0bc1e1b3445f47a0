//! Version 1 of `/v1/agent/...`: what is asked, what is answered, and the paths.
//!
//! Digests are 64 lower-case hex digits, times RFC 3339 in UTC, versions are labels. Mutating
//! requests need a credential and may carry [`IDEMPOTENCY_KEY`].

mod answers;
mod guards;
mod requests;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

pub use answers::{
    Authentication, BundleStatus, BundlesFound, CheckSeen, Config, ConfigKey, ConfigSetting,
    ConfigValue, Decision, DecisionTotals, Evaluated, Evaluation, Fallback, FoundBundle, FoundPack,
    History, LastKnownGood, LogLevel, LogLine, Logs, Mode, NoBundle, Ordering, Origin, PackRole,
    Pin, Pinned, Policies, PolicyRef, PolicyStanding, PolicyText, Problem, RecordedRequest,
    RecordedRequests, ReloadRecord, Reloaded, Reloads, Restarted, SignatureCheck, SignatureStatus,
    SignatureVerdict, Status, Trigger,
};
pub use guards::{
    GovernedBy, Guards, LockAnswer, LockHeld, LockRequest, LockState, PlanAccepted, PlanSubmission,
    PlansKept, RefusedHeld, RosterHeld,
};
pub use requests::{
    ConfigChange, EvaluateCase, EvaluateRequest, HistoryQuery, LogsQuery, PinRequest,
    RollbackRequest, StatusQuery, SyncRequest,
};

/// Header that makes a mutating request safe to repeat: the agent answers a known key with the
/// answer it gave before. At most [`IDEMPOTENCY_KEY_BYTES_MAX`] visible ASCII characters.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
/// Keys an agent remembers, oldest forgotten first.
pub const IDEMPOTENCY_KEYS_MAX: usize = 1_024;
/// Header set on an answer that was given before.
pub const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";
/// Header with the hash of the plan that a mutating request is a step of: 64 lower-case hex digits, together
/// with [`RUN`]. The agent lets the first run of a plan in, keeps that durably before it changes anything,
/// and refuses every other run of it ([`problem::PLAN_RAN`]); it remembers the newest 1,024 plans.
pub const PLAN: &str = "plumb-plan";
/// Header with the id of the run that carries the plan out, at most [`RUN_BYTES_MAX`] visible ASCII
/// characters.
pub const RUN: &str = "plumb-run";
pub const RUN_BYTES_MAX: usize = 64;
/// Longest lease of the deployment lock, in seconds: a console that dies keeps others out no longer.
pub const LEASE_S_MAX: u32 = 300;
/// Longest name of whoever holds it.
pub const LOCK_OWNER_BYTES_MAX: usize = 256;
/// Header with the id of a request, given by the caller or made by the agent.
pub const REQUEST_ID: &str = "x-request-id";
/// Media type of every error below `/v1` (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Different requests that an agent remembers where it samples them, those not asked for longest forgotten
/// first.
pub const RECORDED_REQUESTS_MAX: usize = 1_000;
/// Test requests in one `evaluate`.
pub const EVALUATE_REQUESTS_MAX: usize = 1_000;
/// Lines in one answer of `logs`.
pub const LOG_LINES_MAX: u32 = 2_000;
/// Entries in one answer of `history`.
pub const HISTORY_ENTRIES_MAX: u32 = 10_000;

/// Paths of the endpoints.
pub mod path {
    /// `GET` -> `Status`, query `StatusQuery`.
    pub const STATUS: &str = "/v1/agent/status";
    /// `GET` -> `Policies`.
    pub const POLICIES: &str = "/v1/agent/policies";
    /// `GET` -> `Config`; `PUT` `ConfigChange` -> `Config`.
    pub const CONFIG: &str = "/v1/agent/config";
    /// `POST` `PinRequest` -> `Pinned`; `DELETE` -> `Pinned`.
    pub const PIN: &str = "/v1/agent/pin";
    /// `POST` `SyncRequest` -> `Reloaded`.
    pub const SYNC: &str = "/v1/agent/sync";
    /// `POST` `RollbackRequest` -> `Reloaded`.
    pub const ROLLBACK: &str = "/v1/agent/rollback";
    /// `POST` -> `Restarted`.
    pub const RESTART: &str = "/v1/agent/restart";
    /// `GET` -> `Logs`, query `LogsQuery`.
    pub const LOGS: &str = "/v1/agent/logs";
    /// `POST` `EvaluateRequest` -> `Evaluated`.
    pub const EVALUATE: &str = "/v1/agent/evaluate";
    /// `GET` -> `History`, query `HistoryQuery`.
    pub const HISTORY: &str = "/v1/agent/history";
    /// `GET` -> `RefusedHeld`; `PUT` an envelope of a refused list -> `RefusedHeld`.
    pub const REFUSED: &str = "/v1/agent/refused";
    /// `PUT` an envelope of a roster -> `RosterHeld`.
    pub const ROSTER: &str = "/v1/agent/roster";
    /// `POST` `PlanSubmission` -> `PlanAccepted`.
    pub const PLANS: &str = "/v1/agent/plans";
    /// `GET` -> `LockState`; `POST` `LockRequest` -> `LockAnswer`.
    pub const LOCK: &str = "/v1/agent/lock";
    /// `GET` -> `BundlesFound`.
    pub const BUNDLES: &str = "/v1/agent/bundles";
    /// `GET` -> `RecordedRequests`. Needs the credential that changes need: people ask in these words.
    pub const REQUESTS: &str = "/v1/agent/requests";
}

/// Kinds of [`Problem`], as its `type`.
pub mod problem {
    /// The request cannot be read or says something that makes no sense.
    pub const BAD_REQUEST: &str = "urn:plumbline:agent:bad-request";
    /// No credential, or one that is not accepted.
    pub const UNAUTHENTICATED: &str = "urn:plumbline:agent:unauthenticated";
    /// The agent does not do this in its present mode.
    pub const FORBIDDEN: &str = "urn:plumbline:agent:forbidden";
    pub const NOT_FOUND: &str = "urn:plumbline:agent:not-found";
    /// No bundle below the agent's roots answers to what was asked for.
    pub const NO_SUCH_BUNDLE: &str = "urn:plumbline:agent:no-such-bundle";
    /// More than one bundle does; name it by digest or content.
    pub const AMBIGUOUS_BUNDLE: &str = "urn:plumbline:agent:ambiguous-bundle";
    /// A bundle was found and refused; what runs did not change.
    pub const BUNDLE_REFUSED: &str = "urn:plumbline:agent:bundle-refused";
    /// There is no verified bundle in force.
    pub const NO_BUNDLE: &str = "urn:plumbline:agent:no-bundle";
    /// The pack registry gave no usable answer; what runs did not change.
    pub const SOURCE: &str = "urn:plumbline:agent:source-unavailable";
    /// What is in force does not answer this question, or not here.
    pub const NOT_HERE: &str = "urn:plumbline:agent:not-answered-here";
    /// The policy could not be evaluated for this request: neither allow nor deny.
    pub const NOT_EVALUATED: &str = "urn:plumbline:agent:not-evaluated";
    /// More decisions are asked for than can be made in time.
    pub const BUSY: &str = "urn:plumbline:agent:busy";
    /// Deployment locking is on: the pinned bundle may not change.
    pub const LOCKED: &str = "urn:plumbline:agent:locked";
    /// Another run holds the deployment lock of this node; nothing changed.
    pub const LOCK_HELD: &str = "urn:plumbline:agent:lock-held";
    /// The idempotency key was used for another request.
    pub const KEY_REUSED: &str = "urn:plumbline:agent:idempotency-key-reused";
    /// The plan was run here already, by another run; nothing changed.
    pub const PLAN_RAN: &str = "urn:plumbline:agent:plan-already-ran";
    /// The agent was given no roster, so it cannot judge what is signed.
    pub const NOT_GOVERNED: &str = "urn:plumbline:agent:not-governed";
    /// What is signed does not count here.
    pub const NOT_ACCEPTED: &str = "urn:plumbline:agent:not-accepted";
    /// No approval of the plan was verified here, or the plan does not ask for this change; nothing changed.
    pub const NOT_APPROVED: &str = "urn:plumbline:agent:not-approved";
    /// A newer one, or another one of the same version, is in force.
    pub const OUTDATED: &str = "urn:plumbline:agent:outdated";
    /// The content stands on the refused list; what runs did not change.
    pub const CONTENT_REFUSED: &str = "urn:plumbline:agent:content-refused";
    pub const TOO_LARGE: &str = "urn:plumbline:agent:too-large";
    pub const TIMED_OUT: &str = "urn:plumbline:agent:timed-out";
    /// What is asked for could not be made durable; nothing changed.
    pub const STATE_NOT_WRITTEN: &str = "urn:plumbline:agent:state-not-written";
    pub const INTERNAL: &str = "urn:plumbline:agent:internal";
}

/// Every document of the contract by name: exists only to give them one JSON schema.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Contract {
    pub answers: Answers,
    pub requests: Requests,
    pub problem: Problem,
}

/// What the agent answers.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Answers {
    pub status: Status,
    pub policies: Policies,
    pub config: Config,
    pub pinned: Pinned,
    pub reloaded: Reloaded,
    pub restarted: Restarted,
    pub logs: Logs,
    pub evaluated: Evaluated,
    pub history: History,
    pub bundles: BundlesFound,
    pub recorded: RecordedRequests,
    pub refused: RefusedHeld,
    pub roster: RosterHeld,
    pub plan: PlanAccepted,
    pub lock: LockState,
    pub lock_asked: LockAnswer,
}

/// What the agent is asked.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Requests {
    pub status: StatusQuery,
    pub config: ConfigChange,
    pub pin: PinRequest,
    pub sync: SyncRequest,
    pub rollback: RollbackRequest,
    pub plan: PlanSubmission,
    pub lock: LockRequest,
    pub logs: LogsQuery,
    pub evaluate: EvaluateRequest,
    pub history: HistoryQuery,
}

/// The JSON schema of the whole contract, kept in `assets/schemas/agent-v1.json`.
pub fn schema() -> Schema {
    SchemaGenerator::default().into_root_schema_for::<Contract>()
}
