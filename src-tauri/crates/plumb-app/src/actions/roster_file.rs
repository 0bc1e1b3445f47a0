//! Rosters in the window: a file is looked at, its root keys are compared, and then it holds.

use plumb_fleet::Digest;
use plumb_trust::{
    dsse::{Envelope, PublicKey},
    roster::{RootKey, Roster},
};

use crate::{
    actions::{
        consent::{named, read, read_as_shown},
        rosters::fleet_id,
    },
    app::App,
    error::{AppError, Code},
    views::approvals::{RosterFileView, RosterView},
};

/// As long as a signed roster may be.
const ROSTER_BYTES_MAX: u64 = 8 << 20;
/// Digits of a fingerprint that are compared at least: 80 bits, which nobody searches a key for.
const FINGERPRINT_DIGITS_MIN: usize = 20;

impl App {
    /// The roster that is enrolled for a fleet; nothing where none is.
    pub async fn enrolled_roster(&self, fleet: &str) -> Result<Option<RosterView>, AppError> {
        match self.roster(fleet).await {
            Ok(roster) => Ok(Some(roster)),
            Err(error) if error.code == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A roster in a file, believing nothing of it. Of a first one the fingerprints of its root keys are
    /// left out: they are to be typed as they came another way, not as this file has them.
    pub async fn open_roster(&self, fleet: &str, path: &str) -> Result<RosterFileView, AppError> {
        let file = read(named(path)?, ROSTER_BYTES_MAX).await?;
        if Envelope::read(&file).is_err() {
            let message = format!("{path} is no signed roster");
            return Err(AppError::new(Code::Invalid, message, "sign it: plumb roster sign"));
        }
        let mut roster = self.look_at_roster(&file)?;
        let known = self.enrolled_roster(fleet).await?;
        if known.is_none() {
            for root in &mut roster.roots {
                root.fingerprint.clear();
            }
        }
        let file = Digest::of(&file).to_string();
        Ok(RosterFileView { file, roster, known })
    }

    /// Lets a roster hold for a fleet. `file` is the digest of the file as it was shown. A first one
    /// takes the fingerprint of each root key in their order, which came another way; a later one is
    /// judged by the last.
    pub async fn enrol_roster_file(
        &self,
        fleet: &str,
        path: &str,
        file: &str,
        fingerprints: &[String],
    ) -> Result<RosterView, AppError> {
        self.writable(fleet)?;
        let bytes = read_as_shown(path, file, ROSTER_BYTES_MAX).await?;
        let roots = if self.roster_of(&fleet_id(fleet)?).await?.is_some() {
            Vec::new()
        } else {
            let (document, _) = Roster::look(&bytes).map_err(|error| {
                AppError::new(Code::Invalid, error.to_string(), "get the file again")
            })?;
            compared(&document.roots.keys, fingerprints)?
        };
        self.enrol_roster(fleet, &bytes, &roots).await
    }
}

/// The root keys, where each of them has the fingerprint that somebody typed.
fn compared(roots: &[RootKey], typed: &[String]) -> Result<Vec<PublicKey>, AppError> {
    let refused = |message: String, hint: &str| Err(AppError::new(Code::Invalid, message, hint));
    if typed.len() != roots.len() {
        let message = format!("{} of {} fingerprints were given", typed.len(), roots.len());
        return refused(message, "give the fingerprint of every root key");
    }
    for (root, typed) in roots.iter().zip(typed) {
        let digits: String = typed
            .chars()
            .filter(|c| !c.is_whitespace() && *c != ':')
            .map(|c| c.to_ascii_lowercase())
            .collect();
        if digits.len() < FINGERPRINT_DIGITS_MIN {
            let message = format!(
                "{} digits of the fingerprint of {} were given, {FINGERPRINT_DIGITS_MIN} are compared at least",
                digits.len(),
                root.name
            );
            return refused(message, "type more of it, from the beginning");
        }
        if !root.key.id().to_string().starts_with(&digits) {
            let message = format!("root key {} has another fingerprint than was typed", root.name);
            return refused(
                message,
                "compare it once more with whoever made the roster; if it stays another, the file is not theirs",
            );
        }
    }
    Ok(roots.iter().map(|root| root.key.clone()).collect())
}
