//! The policy files of a hub, by the names the field knows them by. What is not there has its defaults.

use std::{fs, io, path::Path};

use plumb_alert::{
    PolicyError, ReleaseGates, RetentionPolicy, RoleMatrix, RoutingPolicy, SloPolicy,
};

use crate::error::HubError;

const ROLES: &str = "rbac_tools_matrix.yml";
const ROUTING: &str = "alert_routing_policy.yml";
const SLO: &str = "slo_policy.yml";
const GATES: &str = "release_gate_policy.yml";
const RETENTION: &str = "retention_policy.yml";
/// A policy is some hundred lines.
const POLICY_BYTES_MAX: u64 = 1 << 20;

/// Who may what, where alerts go, what releases are judged by, and how long things are kept.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    pub roles: RoleMatrix,
    pub routing: RoutingPolicy,
    pub slo: SloPolicy,
    pub gates: ReleaseGates,
    pub retention: RetentionPolicy,
}

impl Policies {
    /// Reads the files of a folder.
    pub fn read(folder: &Path) -> Result<Self, HubError> {
        Ok(Self {
            roles: one(folder, ROLES, RoleMatrix::from_yaml)?,
            routing: one(folder, ROUTING, RoutingPolicy::from_yaml)?,
            slo: one(folder, SLO, SloPolicy::from_yaml)?,
            gates: one(folder, GATES, ReleaseGates::from_yaml)?,
            retention: one(folder, RETENTION, RetentionPolicy::from_yaml)?,
        })
    }
}

fn one<T: Default>(
    folder: &Path,
    name: &str,
    read: impl Fn(&str) -> Result<T, PolicyError>,
) -> Result<T, HubError> {
    let path = folder.join(name);
    let unusable = |error| HubError::Folder { path: path.clone(), error };
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(unusable(error)),
        Ok(about) if about.len() > POLICY_BYTES_MAX => {
            return Err(unusable(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(_) => {}
    }
    let text = fs::read_to_string(&path).map_err(unusable)?;
    read(&text).map_err(|error| HubError::Policy { path: path.clone(), error })
}
