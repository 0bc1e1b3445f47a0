//! Flags of every server of ours: TLS, and what stands in for it.

use std::path::PathBuf;

use clap::{Arg, Args};
use plumb_agent::TlsConfig;

/// Each server names the variables after itself, by [`agent`] or [`hub`].
#[derive(Debug, Args)]
pub(super) struct TlsFlags {
    /// PEM chain of the server, leaf first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM private key of the server
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// PEM certificates client certificates have to descend from
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Accept a listener that is neither loopback nor TLS, because a proxy in front is both
    #[arg(long)]
    pub(super) insecure_behind_proxy: bool,
}

impl TlsFlags {
    pub(super) fn config(&self) -> Option<TlsConfig> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(TlsConfig { certificate, key, client_ca: self.client_ca.clone() })
    }
}

/// Gives the flags among an agent's arguments their variables.
pub(super) fn agent(flag: Arg) -> Arg {
    named(
        flag,
        [
            "PLUMB_AGENT_TLS_CERT",
            "PLUMB_AGENT_TLS_KEY",
            "PLUMB_AGENT_CLIENT_CA",
            "PLUMB_AGENT_INSECURE_BEHIND_PROXY",
        ],
    )
}

/// The same for a hub.
pub(super) fn hub(flag: Arg) -> Arg {
    named(
        flag,
        [
            "PLUMB_HUB_TLS_CERT",
            "PLUMB_HUB_TLS_KEY",
            "PLUMB_HUB_CLIENT_CA",
            "PLUMB_HUB_INSECURE_BEHIND_PROXY",
        ],
    )
}

fn named(flag: Arg, variables: [&'static str; 4]) -> Arg {
    let [tls_cert, tls_key, client_ca, insecure_behind_proxy] = variables;
    match flag.get_id().as_str() {
        "tls_cert" => flag.env(tls_cert),
        "tls_key" => flag.env(tls_key),
        "client_ca" => flag.env(client_ca),
        "insecure_behind_proxy" => flag.env(insecure_behind_proxy),
        _ => flag,
    }
}
