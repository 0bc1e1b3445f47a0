//! What a fetcher is started with, and what of it is refused.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use plumb_fleet::is_loopback;
use plumb_wire::packs::is_pack_id;
use reqwest::Url;
use secrecy::SecretString;

use super::{
    decide::Pace,
    limits::{INTERVAL_S_MAX, INTERVAL_S_MIN},
};

/// How a fetcher learns that there is a new pack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FetchMode {
    /// It asks at every interval.
    #[default]
    Poll,
    /// Each request waits at the registry until there is something new.
    LongPoll,
    /// The registry tells by server-sent events; it is asked at every interval, too.
    Push,
}

impl FetchMode {
    pub const ALL: [Self; 3] = [Self::Poll, Self::LongPoll, Self::Push];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::LongPoll => "long-poll",
            Self::Push => "push",
        }
    }
}

impl fmt::Display for FetchMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FetchMode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        known.ok_or_else(|| "poll, long-poll or push".to_owned())
    }
}

/// The client's own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// PEM chain, leaf first.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// How a fetcher runs; every field is one flag of `plumb agent serve`.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    url: Url,
    pack_id: String,
    /// Folder of this agent's packs.
    pub folder: PathBuf,
    pub interval: Duration,
    pub mode: FetchMode,
    pub client_tls: Option<ClientTls>,
    /// PEM certificates the registry's has to descend from, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Bearer token shown to the registry.
    pub token: Option<SecretString>,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchSettingError {
    #[error("the pack's address {url:?} is no URL: {problem}")]
    Url { url: String, problem: String },
    #[error("the pack's address must begin with https:// or http://, not {scheme}://")]
    Scheme { scheme: String },
    #[error(
        "the pack's address must hold no user, password, query or fragment; give a token by file or environment"
    )]
    Extra,
    #[error(
        "the pack's address must end with the name of the pack, as in https://hub.example/v1/policy/packs/policy-pack-v0"
    )]
    NoPack,
    #[error("the pack interval must be between {INTERVAL_S_MIN} and {INTERVAL_S_MAX} seconds")]
    Interval,
    #[error(
        "a token is not sent to another machine over plain HTTP: use https:// in the pack's address"
    )]
    PlainToken,
    #[error("a client certificate needs https:// in the pack's address")]
    PlainCertificate,
}

impl FetchConfig {
    /// Polls every 20 s, so that a new pack is in force within 30.
    pub fn new(url: &str, folder: impl Into<PathBuf>) -> Result<Self, FetchSettingError> {
        let text = url;
        let url = Url::parse(text).map_err(|error| FetchSettingError::Url {
            url: text.chars().take(200).collect(),
            problem: error.to_string(),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchSettingError::Scheme { scheme: url.scheme().to_owned() });
        }
        let extra = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if extra {
            return Err(FetchSettingError::Extra);
        }
        let last = url.path_segments().and_then(|mut segments| segments.next_back());
        let Some(pack_id) = last.filter(|id| is_pack_id(id)).map(str::to_owned) else {
            return Err(FetchSettingError::NoPack);
        };
        Ok(Self {
            url,
            pack_id,
            folder: folder.into(),
            interval: Duration::from_secs(20),
            mode: FetchMode::default(),
            client_tls: None,
            ca: None,
            token: None,
        })
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    pub fn pack_id(&self) -> &str {
        &self.pack_id
    }

    pub(crate) fn pace(&self) -> Pace {
        Pace::every(self.interval)
    }

    /// Refuses what would expose a secret or never work.
    pub fn check(&self) -> Result<(), FetchSettingError> {
        if !(INTERVAL_S_MIN..=INTERVAL_S_MAX).contains(&self.interval.as_secs()) {
            return Err(FetchSettingError::Interval);
        }
        if self.url.scheme() == "https" {
            return Ok(());
        }
        if self.client_tls.is_some() || self.ca.is_some() {
            return Err(FetchSettingError::PlainCertificate);
        }
        if self.token.is_some() && !is_loopback(&self.url) {
            return Err(FetchSettingError::PlainToken);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(url: &str) -> FetchSettingError {
        FetchConfig::new(url, "packs").expect_err("refused")
    }

    #[test]
    fn addresses_that_name_no_pack_are_refused() {
        assert!(matches!(refused("hub"), FetchSettingError::Url { .. }));
        assert!(matches!(refused("file:///packs/p"), FetchSettingError::Scheme { .. }));
        assert_eq!(refused("https://a:b@hub/v1/policy/packs/p"), FetchSettingError::Extra);
        assert_eq!(refused("https://hub/v1/policy/packs/p?x=1"), FetchSettingError::Extra);
        assert_eq!(refused("https://hub/v1/policy/packs/"), FetchSettingError::NoPack);
        assert_eq!(refused("https://hub/v1/policy/packs/a%2Fb"), FetchSettingError::NoPack);
        let config = FetchConfig::new("https://hub/v1/policy/packs/policy-pack-v0", "packs");
        assert_eq!(config.expect("fine").pack_id(), "policy-pack-v0");
    }

    #[test]
    fn secrets_do_not_travel_in_the_open() {
        let with = |url: &str, change: fn(&mut FetchConfig)| {
            let mut config = FetchConfig::new(url, "packs").expect("an address");
            change(&mut config);
            config.check()
        };
        let token: fn(&mut FetchConfig) = |c| c.token = Some("t".to_owned().into());
        assert_eq!(with("http://hub/p", token), Err(FetchSettingError::PlainToken));
        assert_eq!(with("http://[::1]:8/p", token), Ok(()));
        assert_eq!(with("http://127.0.0.1/p", token), Ok(()));
        assert_eq!(with("https://hub/p", token), Ok(()));
        let ca: fn(&mut FetchConfig) = |c| c.ca = Some("ca.pem".into());
        assert_eq!(with("http://localhost/p", ca), Err(FetchSettingError::PlainCertificate));
        let never: fn(&mut FetchConfig) = |c| c.interval = Duration::ZERO;
        assert_eq!(with("https://hub/p", never), Err(FetchSettingError::Interval));
    }
}
