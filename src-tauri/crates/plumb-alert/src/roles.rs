//! `rbac_tools_matrix.yml`: who may do what.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::policy::{PolicyError, read};

const FILE: &str = "rbac_tools_matrix.yml";

macro_rules! entitlements {
    ($($name:ident = $text:literal,)*) => {
        /// One thing that a role may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Entitlement { $(#[serde(rename = $text)] $name,)* }

        impl Entitlement {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

entitlements! {
    Ingest = "tools.alerts.ingest",
    Read = "tools.alerts.read",
    Claim = "tools.alerts.claim",
    Ack = "tools.alerts.ack",
    Fail = "tools.alerts.fail",
    Convert = "tools.oncall.alert_to_incident",
    IncidentRead = "tools.oncall.incident_read",
    IncidentAppend = "tools.oncall.incident_append_event",
    IncidentClose = "tools.oncall.incident_close",
    GateBypass = "tools.release.bypass",
    PackRead = "hub.packs.read",
    PackPublish = "hub.packs.publish",
    HubRead = "hub.read",
    DesiredWrite = "hub.desired.write",
    Deploy = "hub.deployments.write",
    Refuse = "hub.refused.write",
    Approve = "hub.approvals.write",
    Telemetry = "hub.telemetry.write",
    Admin = "hub.admin",
}

impl fmt::Display for Entitlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entitlement} denied: role {role} does not have it, {having} do; see {FILE}")]
pub struct Denied {
    pub role: String,
    pub entitlement: Entitlement,
    pub having: String,
}

/// What each role may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleMatrix {
    roles: BTreeMap<String, Vec<Entitlement>>,
}

impl Default for RoleMatrix {
    /// Monitors tell, nodes fetch and report, people on call and the supervisor work, operators also change what
    /// nodes run, the administrator does everything.
    fn default() -> Self {
        use Entitlement::{
            Ack, Approve, Claim, Convert, Deploy, DesiredWrite, Fail, GateBypass, HubRead,
            IncidentAppend, IncidentClose, IncidentRead, Ingest, PackPublish, PackRead, Read,
            Refuse, Telemetry,
        };
        let work =
            vec![Read, Claim, Ack, Fail, Convert, IncidentRead, IncidentAppend, IncidentClose];
        let lead = [work.as_slice(), &[Ingest, GateBypass, HubRead]].concat();
        let change = [PackRead, PackPublish, DesiredWrite, Deploy, Refuse, Approve];
        let operator = [lead.as_slice(), &change].concat();
        let roles = [
            ("agent_monitor", vec![Ingest, Read]),
            ("agent_node", vec![PackRead, Telemetry, Ingest]),
            ("operator", operator),
            ("agent_oncall", lead.clone()),
            ("agent_cto", lead),
            ("supervisor", work),
            ("viewer", vec![Read, IncidentRead, HubRead, PackRead]),
            ("admin", Entitlement::ALL.to_vec()),
        ];
        Self { roles: roles.map(|(role, may)| (role.to_owned(), may)).into() }
    }
}

impl RoleMatrix {
    pub fn from_yaml(text: &str) -> Result<Self, PolicyError> {
        read(FILE, text)
    }

    pub fn knows(&self, role: &str) -> bool {
        self.roles.contains_key(role)
    }

    /// Every role by name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.roles.keys().map(String::as_str)
    }

    /// Whether a role may do something, and else which roles may.
    pub fn check(&self, role: &str, entitlement: Entitlement) -> Result<(), Denied> {
        if self.roles.get(role).is_some_and(|may| may.contains(&entitlement)) {
            return Ok(());
        }
        let having = self.roles.iter().filter(|(_, may)| may.contains(&entitlement));
        let having: Vec<&str> = having.map(|(role, _)| role.as_str()).collect();
        let having = if having.is_empty() { "no roles".to_owned() } else { having.join(", ") };
        Err(Denied { role: role.to_owned(), entitlement, having })
    }
}
