//! The hub that a fleet file names, asked for what a run needs: the lock, what OPAs are to run, mail and the log.

use std::time::Duration;

use plumb_clients::hub::{HubClient, HubError, path_part};
use plumb_fleet::{BundleDigest, NodeId, PlanHash};
use plumb_wire::hub::{
    DecisionEntry, Decisions, DeploymentEntry, DeploymentReport, Deployments, Desired, LockView,
    MailView, Mailbox, PackList, ReleaseLock, SetDesired, TakeLock,
};

use crate::{
    app::{App, Loaded},
    error::{AppError, Code},
};

/// How long a hub may take for an answer while a run waits for it: a third of a lease.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Decisions that are read at once: as many as a hub gives.
const DECISIONS_MAX: u32 = 5_000;

/// The hub of one fleet, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct FleetHub {
    client: HubClient,
    /// What the hub calls the fleet.
    fleet: String,
    /// What we call it.
    name: String,
}

impl App {
    /// The hub of a fleet; nothing where its file names none.
    pub(crate) async fn hub(&self, loaded: &Loaded) -> Result<Option<FleetHub>, HubError> {
        let Some(hub) = &loaded.fleet.hub else { return Ok(None) };
        let client = HubClient::of(&loaded.pool, hub, self.now()).await?.within(ANSWER_WITHIN);
        let (fleet, name) = (hub.fleet.to_string(), loaded.fleet.name.to_string());
        Ok(Some(FleetHub { client, fleet, name }))
    }
}

impl FleetHub {
    /// Whatever else is asked of it.
    pub(crate) fn client(&self) -> &HubClient {
        &self.client
    }

    /// The name of the fleet at the hub.
    pub(crate) fn fleet(&self) -> &str {
        &self.fleet
    }

    fn of_fleet(&self, what: &str) -> String {
        format!("/v1/hub/fleets/{}/{what}", path_part(&self.fleet))
    }

    pub(crate) async fn lock(&self) -> Result<LockView, HubError> {
        self.client.get(&self.of_fleet("lock")).await
    }

    pub(crate) async fn take_lock(&self, wanted: &TakeLock) -> Result<LockView, HubError> {
        self.client.call("POST", &self.of_fleet("lock"), wanted).await
    }

    pub(crate) async fn release_lock(&self, lease: String) -> Result<LockView, HubError> {
        self.client.call("DELETE", &self.of_fleet("lock"), &ReleaseLock { lease }).await
    }

    /// Has a node run a bundle that was published.
    pub(crate) async fn serve(
        &self,
        node: &NodeId,
        digest: BundleDigest,
        reason: String,
        lease: Option<String>,
    ) -> Result<Desired, HubError> {
        let wanted = SetDesired {
            pack: String::new(),
            version: None,
            digest: Some(digest.to_string()),
            nodes: vec![node.to_string()],
            reason,
            lease,
        };
        self.client.call("PUT", &self.of_fleet("desired"), &wanted).await
    }

    /// The request that does the same by hand.
    pub(crate) fn serve_by_hand(
        hub: &plumb_fleet::Hub,
        node: &NodeId,
        digest: BundleDigest,
    ) -> String {
        let ca = hub.tls.as_ref().and_then(|tls| tls.ca.as_deref());
        let ca = ca.map_or_else(String::new, |ca| format!("--cacert '{ca}' "));
        format!(
            "curl -sS {ca}-X PUT -H \"Authorization: Bearer $PLUMB_HUB_TOKEN\" --data-raw \
             '{{\"digest\":\"{digest}\",\"nodes\":[\"{node}\"]}}' {}/v1/hub/fleets/{}/desired",
            hub.url.as_str().trim_end_matches('/'),
            path_part(hub.fleet.as_str())
        )
    }

    /// Digests of everything that was published.
    pub(crate) async fn published(&self) -> Result<PackList, HubError> {
        self.client.get("/v1/hub/packs").await
    }

    /// The newest decisions that OPAs pushed, of every fleet.
    pub(crate) async fn decisions(&self) -> Result<Vec<DecisionEntry>, HubError> {
        let path = format!("/v1/hub/decisions?limit={DECISIONS_MAX}");
        let found: Decisions = self.client.get(&path).await?;
        Ok(found.decisions)
    }

    pub(crate) async fn report(&self, report: &DeploymentReport) -> Result<(), HubError> {
        let report = DeploymentReport { fleet: self.fleet.clone(), ..report.clone() };
        self.client.call("POST", "/v1/hub/deployments", &report).await
    }

    /// What the hub knows of these runs: others may have told it of any number since.
    pub(crate) async fn deployments(
        &self,
        runs: &[String],
        last_minutes: u32,
    ) -> Result<Vec<DeploymentEntry>, HubError> {
        let path = format!(
            "/v1/hub/deployments?fleet={}&last_minutes={last_minutes}&limit={}&runs={}",
            path_part(&self.fleet),
            runs.len().max(1),
            path_part(&runs.join(","))
        );
        let known: Deployments = self.client.get(&path).await?;
        Ok(known.deployments)
    }

    /// The refused list of the fleet as it was signed; nothing where there is none yet.
    pub(crate) async fn refused(&self) -> Result<Option<Vec<u8>>, HubError> {
        match self.client.get_bytes(&self.of_fleet("refused")).await {
            Ok(list) => Ok(Some(list)),
            Err(HubError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn put_refused(&self, list: Vec<u8>) -> Result<(), HubError> {
        let mut path = self.of_fleet("refused");
        if self.name != self.fleet {
            path = format!("{path}?list_of={}", path_part(&self.name));
        }
        self.client.send_bytes("PUT", &path, list).await.map(drop)
    }

    /// Puts a signed document into the mailbox of a plan.
    pub(crate) async fn deliver(
        &self,
        plan: PlanHash,
        document: Vec<u8>,
    ) -> Result<MailView, HubError> {
        let path = format!("/v1/hub/plans/{plan}/approvals");
        let answer = self.client.send_bytes("POST", &path, document).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| HubError::Malformed { path, message: error.to_string() })
    }

    pub(crate) async fn mailbox(&self, plan: PlanHash) -> Result<Mailbox, HubError> {
        self.client.get(&format!("/v1/hub/plans/{plan}/approvals")).await
    }

    pub(crate) async fn letter(&self, plan: PlanHash, id: &str) -> Result<Vec<u8>, HubError> {
        let path = format!("/v1/hub/plans/{plan}/approvals/{}", path_part(id));
        self.client.get_bytes(&path).await
    }
}

impl From<HubError> for AppError {
    fn from(error: HubError) -> Self {
        let (code, hint) = match &error {
            HubError::Unreachable { .. } | HubError::Refused { status: 500.., .. } => (
                Code::Unreachable,
                "look whether the hub runs (GET /healthz), or take [hub] out of the fleet file",
            ),
            HubError::Refused { status: 401, .. } => {
                (Code::Invalid, "give the fleet file's [hub] a token that is good: credential")
            }
            HubError::Refused { status: 403, .. } => {
                (Code::Invalid, "ask for a token whose role may: plumb hub token create")
            }
            HubError::Refused { status: 409, .. } => (Code::Busy, "look again, then try again"),
            HubError::Token(_) => (Code::Keyring, "store the token that [hub] names"),
            _ => (Code::Invalid, "look at [hub] in the fleet file"),
        };
        Self::new(code, error.to_string(), hint)
    }
}
