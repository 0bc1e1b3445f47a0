//! Whether the address a service listens at is protected enough.

use std::net::SocketAddr;

use secrecy::SecretString;

use crate::TlsConfig;

/// How a service can be reached, and what it asks for.
#[derive(Debug, Clone, Copy)]
pub struct Exposure<'a> {
    pub listen: SocketAddr,
    pub token: Option<&'a SecretString>,
    pub tls: Option<&'a TlsConfig>,
    /// Somebody said that only a proxy with TLS in front reaches it.
    pub behind_proxy: bool,
}

/// Why a service does not listen where it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExposureError {
    #[error(
        "{listen} is not loopback and neither a token nor client certificates are asked for: give \
         a token or a client CA"
    )]
    Unauthenticated { listen: SocketAddr },
    #[error(
        "{listen} is not loopback and has no TLS: give a certificate, or say that a proxy in front \
         does it (--insecure-behind-proxy)"
    )]
    PlainText { listen: SocketAddr },
}

impl Exposure<'_> {
    /// Refuses what would be open to other machines without anyone having said so.
    pub fn check(self) -> Result<(), ExposureError> {
        let listen = self.listen;
        if listen.ip().is_loopback() {
            return Ok(());
        }
        if self.token.is_none() && !self.tls.is_some_and(TlsConfig::asks_for_certificates) {
            return Err(ExposureError::Unauthenticated { listen });
        }
        if self.tls.is_none() && !self.behind_proxy {
            return Err(ExposureError::PlainText { listen });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listen: &str, token: bool, tls: Option<bool>, behind_proxy: bool) -> &'static str {
        let tls = tls.map(|client_ca| TlsConfig {
            certificate: "server.pem".into(),
            key: "server.key".into(),
            client_ca: client_ca.then(|| "clients.pem".into()),
        });
        let token = token.then(|| SecretString::from("secret"));
        let listen = listen.parse().expect("an address");
        let (token, tls) = (token.as_ref(), tls.as_ref());
        match (Exposure { listen, token, tls, behind_proxy }).check() {
            Ok(()) => "listens",
            Err(ExposureError::Unauthenticated { .. }) => "unauthenticated",
            Err(ExposureError::PlainText { .. }) => "plain text",
        }
    }

    #[test]
    fn loopback_may_be_open_and_nothing_else() {
        for loopback in ["127.0.0.1:1", "[::1]:1"] {
            assert_eq!(check(loopback, false, None, false), "listens");
        }
        for open in ["0.0.0.0:1", "192.0.2.7:1", "[::]:1"] {
            assert_eq!(check(open, false, None, false), "unauthenticated");
            assert_eq!(check(open, false, Some(false), false), "unauthenticated");
            assert_eq!(check(open, false, None, true), "unauthenticated");
            assert_eq!(check(open, true, None, false), "plain text");
            assert_eq!(check(open, true, None, true), "listens");
            assert_eq!(check(open, true, Some(false), false), "listens");
            assert_eq!(check(open, false, Some(true), false), "listens");
        }
    }
}
