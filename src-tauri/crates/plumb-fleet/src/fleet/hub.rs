//! The hub that a fleet shares with others: where its inbox, lock, mailbox, deployments and desired versions are.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{FleetFileError, checked_url, field};
use crate::{
    ids::FleetId,
    node::{CredentialRef, TlsFiles, is_loopback},
};

/// The hub of a fleet, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// Base URL without credentials, query or fragment.
    pub url: Url,
    pub credential: Option<CredentialRef>,
    pub tls: Option<Arc<TlsFiles>>,
    /// What the hub calls this fleet.
    pub fleet: FleetId,
}

/// A hub, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HubEntry {
    /// Base URL, `https`, or `http` on this machine, without user, query or fragment.
    pub url: String,
    /// Where our token for it is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialRef>,
    /// `ca` is what its certificate has to descend from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Arc<TlsFiles>>,
    /// What the hub calls this fleet, where that is not its name here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub fleet: Option<FleetId>,
}

impl HubEntry {
    pub(super) fn checked(self, name: &FleetId) -> Result<Hub, FleetFileError> {
        let url = checked_url(&self.url).map_err(|message| field("hub.url", message))?;
        if url.scheme() == "http" && !is_loopback(&url) {
            let message = "a hub on another machine is reached by https only".to_owned();
            return Err(field("hub.url", message));
        }
        if self.tls.as_ref().is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some()) {
            let message = "certificate and key belong together".to_owned();
            return Err(field("hub.tls", message));
        }
        let fleet = self.fleet.unwrap_or_else(|| name.clone());
        Ok(Hub { url, credential: self.credential, tls: self.tls, fleet })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Fleet, FleetFile};

    fn with(section: &str) -> Result<Fleet, FleetFileError> {
        Fleet::parse(&format!("name = \"payments-eu\"\n[hub]\n{section}"))
    }

    #[test]
    fn a_hub_is_reached_as_the_file_says() {
        let text = "url = \"https://hub.example:8443\"\ncredential = { keyring = \"hub\" }\n\
                    tls = { ca = \"keys/hub-ca.pem\" }";
        let hub = with(text).expect("valid").hub.expect("it is named");
        assert_eq!(hub.url.as_str(), "https://hub.example:8443/");
        assert_eq!(hub.credential, Some(CredentialRef::Keyring("hub".to_owned())));
        assert_eq!(hub.tls.as_ref().and_then(|tls| tls.ca.as_deref()), Some("keys/hub-ca.pem"));
        assert_eq!(hub.fleet.as_str(), "payments-eu");
        let renamed = with("url = \"http://127.0.0.1:9200\"\nfleet = \"payments\"");
        assert_eq!(renamed.expect("valid").hub.expect("named").fleet.as_str(), "payments");
        assert_eq!(Fleet::parse("name = \"x\"\n").expect("valid").hub, None);
        let printed = FleetFile::parse(&format!("name = \"x\"\n[hub]\n{text}")).expect("valid");
        let again = Fleet::parse(&printed.to_toml()).expect("a printed file reads back");
        assert_eq!(again.hub.expect("named").url, hub.url);
    }

    #[test]
    fn a_hub_that_cannot_be_reached_safely_is_refused() {
        for (section, why) in [
            ("url = \"ftp://hub.example\"", "hub.url: the scheme"),
            ("url = \"http://hub.example\"", "hub.url: a hub on another machine"),
            ("url = \"https://a:b@hub.example\"", "hub.url: a user"),
            ("url = \"https://hub\"\ntls = { key = \"k\" }", "hub.tls: certificate and key"),
            ("url = \"https://hub\"\nfleet = \"a b\"", "may hold only letters"),
            ("url = \"https://hub\"\ntoken = \"secret\"", "unknown field"),
        ] {
            let error = with(section).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
