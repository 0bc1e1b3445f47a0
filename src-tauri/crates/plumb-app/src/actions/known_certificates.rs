//! Certificates that count here: those of this console, and those of others that somebody trusts for a fleet.

use std::collections::BTreeSet;

use camino::Utf8Path;
use plumb_fleet::{ContentDigest, Digest, FleetId};
use plumb_journal::{Certificate, Outcome};
use plumb_store::imported_certificates::{self, ConsoleTrust, ImportedCertificate};
use plumb_trust::{dsse::PublicKey, roster::Environment};
use tracing::warn;

use crate::{
    actions::{
        certify::{CERTIFICATES_MAX, Opened, open},
        rosters::fleet_id,
    },
    app::App,
    console_key::public_keys,
    error::{AppError, Code},
    topics::Topic,
    views::{
        certificate::{CertificateView, CertificatesView, ImportView},
        convert::ms,
    },
};

/// A certificate whose signature counts here, with where it came from.
#[derive(Debug, Clone)]
pub(crate) struct KnownCertificate {
    pub certificate: Certificate,
    pub digest: Digest,
    /// Fingerprint of the key that signed it.
    pub signed_by: String,
    /// Nothing for one of this console.
    pub imported: Option<ImportView>,
}

impl App {
    /// Takes a certificate of another console. Its key must be trusted for the fleet it is about: by a
    /// roster that names the consoles of that fleet, or by whoever gives the key here, which is trusted for
    /// that fleet from then on.
    pub async fn import_certificate(
        &self,
        name: &Utf8Path,
        envelope: &[u8],
        keys: &[String],
    ) -> Result<CertificateView, AppError> {
        let given = public_keys(keys)?;
        let mut candidates = given.clone();
        for fleet in self.fleets_of_others().await? {
            candidates.extend(self.trusted_consoles(&fleet).await?);
        }
        let opened = open(envelope, &candidates).map_err(|problem| {
            let hint = "give the key of the console that signed it, as it prints it with \
                        `plumb journal key`: --key PEM";
            AppError::new(Code::Invalid, format!("{name}: {problem}"), hint)
        })?;
        let fleet = opened.certificate.fleet.clone();
        let signer = opened.signed_by.clone().unwrap_or_default();
        let known = self.trusted_consoles(&fleet).await?;
        if !known.iter().any(|key| key.id().to_string() == signer) {
            let key = given.iter().find(|key| key.id().to_string() == signer);
            let named = self.consoles_of_rosters(&fleet).await?;
            let (Some(key), true) = (key, named.is_empty()) else {
                let message =
                    format!("{name}: the key {signer} is not trusted for certificates of {fleet}");
                let hint = "where a roster names the consoles of a fleet, only they count: have the \
                            key added there; else give it with --key PEM";
                return Err(AppError::new(Code::Invalid, message, hint));
            };
            self.decide_console(&fleet, key, true).await?;
        }
        let imported = ImportedCertificate {
            digest: opened.digest,
            fleet: fleet.clone(),
            observed_at: opened.certificate.observed_at,
            envelope: String::from_utf8_lossy(envelope).into_owned(),
            source: name.to_string(),
            imported_by: self.0.options.operator.clone(),
            imported_at: self.now(),
        };
        let mut record = self.record().write().await?;
        imported_certificates::add(&mut record, &imported).await?;
        record.commit().await?;
        self.announce([Topic::Shell, Topic::fleet(&fleet)]);
        let mut view = opened.view(None);
        view.imported = Some(import_view(&imported));
        Ok(view)
    }

    /// Certificates of a fleet that count here, newest first, and whose keys are trusted for it.
    pub async fn certificates(&self, fleet: &str) -> Result<CertificatesView, AppError> {
        let fleet = fleet_id(fleet)?;
        let known = self.known_certificates(&fleet).await?;
        let view = |one: KnownCertificate| {
            let KnownCertificate { certificate, digest, signed_by, imported } = one;
            let opened = Opened { certificate, digest, signed_by: Some(signed_by), unsigned: None };
            CertificateView { imported, ..opened.view(None) }
        };
        let trusted = self.trusted_consoles(&fleet).await?;
        Ok(CertificatesView {
            fleet: fleet.to_string(),
            certificates: known.into_iter().map(view).collect(),
            trusted: trusted.iter().map(|key| key.id().to_string()).collect(),
        })
    }

    /// Trusts a key of another console no longer for the certificates of a fleet. Those it signed stay
    /// kept, and no longer count.
    pub async fn distrust_console(
        &self,
        fleet: &str,
        fingerprint: &str,
    ) -> Result<CertificatesView, AppError> {
        let id = fleet_id(fleet)?;
        let trusted = self.pinned_consoles(&id).await?;
        let key = trusted.iter().find(|key| key.id().to_string() == fingerprint);
        let key = key.ok_or_else(|| {
            let message = format!("nobody here trusted the key {fingerprint} for {id}");
            let hint = "see: plumb certificate list --of FLEET; what a roster names, it takes away";
            AppError::new(Code::NotFound, message, hint)
        })?;
        self.decide_console(&id, key, false).await?;
        self.certificates(fleet).await
    }

    /// Certificates of a fleet whose signatures count here, newest first.
    pub(crate) async fn known_certificates(
        &self,
        fleet: &FleetId,
    ) -> Result<Vec<KnownCertificate>, AppError> {
        let (own, imported) = {
            let mut conn = self.record().read().await?;
            let own =
                plumb_store::certificates::list(&mut conn, fleet, false, CERTIFICATES_MAX).await?;
            (own, imported_certificates::list(&mut conn, fleet, CERTIFICATES_MAX).await?)
        };
        let mut known = Vec::new();
        let mut take = |envelope: &str, keys: &[PublicKey], imported: Option<ImportView>| {
            match open(envelope.as_bytes(), keys) {
                // What a column says is not proof; what is signed is.
                Ok(opened) if opened.certificate.fleet == *fleet => known.push(KnownCertificate {
                    signed_by: opened.signed_by.clone().unwrap_or_default(),
                    digest: opened.digest,
                    certificate: opened.certificate,
                    imported,
                }),
                Ok(_) => {}
                Err(problem) => warn!(%fleet, %problem, "a kept certificate proves nothing"),
            }
        };
        let keys = self.own_keys().await?;
        for envelope in own.iter().filter_map(|kept| kept.envelope.as_deref()) {
            take(envelope, &keys, None);
        }
        let keys = self.trusted_consoles(fleet).await?;
        for one in &imported {
            take(&one.envelope, &keys, Some(import_view(one)));
        }
        known.sort_by_key(|one| std::cmp::Reverse(one.certificate.observed_at));
        Ok(known)
    }

    /// Contents that a staging fleet certified green, by the consoles that count in an environment. A run
    /// that was taken back proves nothing of what it brought, and brought nothing of what it left.
    pub(crate) async fn promoted(
        &self,
        environment: &Environment,
        staging: &FleetId,
    ) -> Result<BTreeSet<ContentDigest>, AppError> {
        let consoles: BTreeSet<String> =
            environment.consoles.iter().map(|key| key.id().to_string()).collect();
        let known = self.known_certificates(staging).await?;
        let green = known.into_iter().filter(|one| {
            one.certificate.is_green()
                && one.certificate.outcome != Outcome::RolledBack
                && (consoles.is_empty() || consoles.contains(&one.signed_by))
        });
        Ok(green.flat_map(|one| one.certificate.contents()).collect())
    }

    /// Keys of other consoles that count for the certificates of a fleet: those that a roster names, or
    /// else those that somebody here trusts.
    async fn trusted_consoles(&self, fleet: &FleetId) -> Result<Vec<PublicKey>, AppError> {
        let named = self.consoles_of_rosters(fleet).await?;
        if named.is_empty() { self.pinned_consoles(fleet).await } else { Ok(named) }
    }

    async fn pinned_consoles(&self, fleet: &FleetId) -> Result<Vec<PublicKey>, AppError> {
        let mut conn = self.record().read().await?;
        let words = imported_certificates::trusted(&mut conn, fleet).await?;
        Ok(words.into_iter().filter_map(|word| PublicKey::try_from(word).ok()).collect())
    }

    /// Keys that rosters name for a staging fleet.
    async fn consoles_of_rosters(&self, staging: &FleetId) -> Result<Vec<PublicKey>, AppError> {
        let mut named: Vec<PublicKey> = Vec::new();
        for environment in self.ruling_environments().await? {
            if environment.staging_fleet.as_ref() == Some(staging) {
                named.extend(environment.consoles);
            }
        }
        named.sort();
        named.dedup();
        Ok(named)
    }

    /// Fleets about which other consoles may say something: staging fleets, and those they spoke of.
    async fn fleets_of_others(&self) -> Result<BTreeSet<FleetId>, AppError> {
        let staging = self.ruling_environments().await?.into_iter();
        let mut fleets: BTreeSet<FleetId> = staging.filter_map(|of| of.staging_fleet).collect();
        let mut conn = self.record().read().await?;
        fleets.extend(imported_certificates::fleets(&mut conn).await?);
        Ok(fleets)
    }

    /// What holds for each fleet of the list that a roster rules.
    async fn ruling_environments(&self) -> Result<Vec<Environment>, AppError> {
        let fleets: Vec<FleetId> = {
            let known = self.0.fleets.read().expect("no panic while fleets are held");
            known.keys().cloned().collect()
        };
        let mut all = Vec::new();
        for fleet in fleets {
            let roster = self.roster_of(&fleet).await?;
            let environment = roster.as_ref().and_then(|roster| roster.environment_of(&fleet));
            all.extend(environment.map(|(_, environment)| environment.clone()));
        }
        Ok(all)
    }

    async fn decide_console(
        &self,
        fleet: &FleetId,
        key: &PublicKey,
        trusted: bool,
    ) -> Result<(), AppError> {
        let (key_id, public_key) = (key.id().to_string(), String::from(key.clone()));
        let decision = ConsoleTrust {
            fleet,
            key_id: &key_id,
            public_key: &public_key,
            trusted,
            decided_by: &self.0.options.operator,
            decided_at: self.now(),
        };
        let mut record = self.record().write().await?;
        imported_certificates::decide(&mut record, &decision).await?;
        record.commit().await?;
        self.announce([Topic::Shell]);
        Ok(())
    }
}

fn import_view(imported: &ImportedCertificate) -> ImportView {
    ImportView {
        file: imported.source.clone(),
        by: imported.imported_by.clone(),
        at_ms: ms(imported.imported_at),
    }
}
