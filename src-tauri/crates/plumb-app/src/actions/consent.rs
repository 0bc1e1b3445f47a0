//! Consent from the window: how a plan under review stands, files by their paths, keys as they were picked.

use std::{collections::BTreeSet, io::Read as _};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_fleet::{Digest, PlanHash};
use plumb_runbook::{Action, Approvals, Plan};
use plumb_store::approvals::KeptApproval;
use plumb_trust::{
    approval::{ApprovalRefusal, Voided, has_a_say, signed_by_a_person},
    roster::Roster,
};

use crate::{
    actions::{
        approve::{Answer, Answering},
        files::write_chosen,
        rosters::fleet_id,
    },
    app::App,
    console_key::Passphrase,
    error::{AppError, Code, chain},
    ids,
    personal_keys::{IN_KEYRING, KeyChoice},
    topics::Topic,
    views::{
        approvals::{ReviewView, SignedView, VoidView},
        consent::{
            KeyRequest, NightView, PlanConsentView, RequestFileView, SignRequest, SignerView,
        },
        run::RunView,
    },
};

/// As long as a request may be; it holds a whole plan.
const REQUEST_BYTES_MAX: u64 = 32 << 20;
/// As long as an envelope may be.
const ENVELOPE_BYTES_MAX: u64 = 4 << 20;
/// Envelopes and other plans that are searched for answers which a plan voids.
const BEFORE_ENVELOPES_MAX: usize = 200;
const BEFORE_PLANS_MAX: usize = 8;

impl App {
    /// How a plan stands with those who must consent; nothing where nobody has to.
    pub async fn plan_consent(&self, plan_hash: &str) -> Result<Option<PlanConsentView>, AppError> {
        let plan = self.plan_by_hash(plan_hash).await?;
        let Some(terms) = plan.consent.clone() else { return Ok(None) };
        let approvals = self.approvals_of(plan_hash).await?;
        let roster = self.ruling_roster(&plan.fleet).await?;
        let requested = approvals.given.iter().any(|given| given.act == "request");
        let answered = !approvals.given.is_empty() || !approvals.void.is_empty();
        let before = if answered { Vec::new() } else { self.voided_before(&plan, &roster).await? };
        let night = roster
            .environment_of(&plan.fleet)
            .and_then(|(_, environment)| environment.rule.night_rollback)
            .filter(|_| plan.action == (Action::Rollback { to: None }));
        Ok(Some(PlanConsentView {
            environment: terms.rule.clone(),
            requester: terms.requester.to_string(),
            requested,
            before,
            roles: roles(&roster, &terms.rule),
            signers: self.signers(&roster, &terms.rule)?,
            night: night.map(|night| NightView {
                hours: format!("{} to {} UTC", night.from_utc, night.until_utc),
                open: night.is_open(self.now()),
            }),
            approvals,
        }))
    }

    /// Signs the request for a plan that was shown and writes the file for those who approve.
    pub async fn ask_for_approval(
        &self,
        fleet: &str,
        plan_hash: &str,
        key: KeyRequest,
        path: &str,
    ) -> Result<SignedView, AppError> {
        self.writable(fleet)?;
        let path = named(path)?;
        let key = choice(key)?;
        // Before it is kept, and so before anybody is told.
        self.0.asked.lock().expect("no panic while requests are held").insert(plan_hash.to_owned());
        let (bytes, mut signed) = self.request_approval(plan_hash, None, &key).await?;
        self.announce([Topic::fleet(&fleet_id(fleet)?)]);
        write_chosen(path.clone(), text(bytes)).await?;
        signed.file = Some(path.into_string());
        Ok(signed)
    }

    /// Writes a request that was signed before once more.
    pub async fn save_request(&self, plan_hash: &str, path: &str) -> Result<(), AppError> {
        write_chosen(named(path)?, self.kept_request(ids::plan_hash(plan_hash)?).await?).await
    }

    /// Adds an answer that somebody sent as a file, and tells the plan that it is about.
    pub async fn add_approval_file(&self, fleet: &str, path: &str) -> Result<String, AppError> {
        self.writable(fleet)?;
        let envelope = read(named(path)?, ENVELOPE_BYTES_MAX).await?;
        self.add_approval(fleet, &envelope).await.map(|plan| plan.to_string())
    }

    /// Signs an answer to a plan that was asked for here, and keeps it.
    pub async fn sign_here(
        &self,
        fleet: &str,
        plan_hash: &str,
        sign: SignRequest,
    ) -> Result<SignedView, AppError> {
        self.writable(fleet)?;
        let request = self.kept_request(ids::plan_hash(plan_hash)?).await?;
        let (envelope, signed) = self.answer_request(request.as_bytes(), &answering(sign)?).await?;
        self.add_approval(fleet, &envelope).await?;
        Ok(signed)
    }

    /// A request that somebody sent: what would be signed, and who can here.
    pub async fn open_request(&self, path: &str) -> Result<RequestFileView, AppError> {
        let file = read(named(path)?, REQUEST_BYTES_MAX).await?;
        self.show_request(&file, None).await
    }

    /// The same for the bytes of a request. `vouched` is the roster where none is enrolled here.
    pub(crate) async fn show_request(
        &self,
        file: &[u8],
        vouched: Option<&Roster>,
    ) -> Result<RequestFileView, AppError> {
        let (request, roster) = self.answering_roster(file, vouched).await?;
        let request = self.request_view(&request, roster.as_ref());
        let (roles, signers) = match &roster {
            Some(roster) => {
                (roles(roster, &request.environment), self.signers(roster, &request.environment)?)
            }
            None => (Vec::new(), Vec::new()),
        };
        Ok(RequestFileView { request, roles, signers })
    }

    /// Signs an answer to a request that somebody sent, and writes it to a file for whoever asked.
    /// `plan_hash` is that of the request as it was shown: a file that changed meanwhile is not answered.
    pub async fn answer_request_file(
        &self,
        path: &str,
        plan_hash: &str,
        sign: SignRequest,
        output: &str,
    ) -> Result<SignedView, AppError> {
        let output = named(output)?;
        let file = read(named(path)?, REQUEST_BYTES_MAX).await?;
        let shown = self.look_at_request(&file).await?;
        if shown.plan != plan_hash {
            let message = format!("{path} is another request than the one that was shown");
            return Err(AppError::new(Code::Outdated, message, "open it again and look at it"));
        }
        let (envelope, mut signed) = self.answer_request(&file, &answering(sign)?).await?;
        write_chosen(output.clone(), text(envelope)).await?;
        signed.file = Some(output.into_string());
        Ok(signed)
    }

    /// Signs an answer to the bytes of a request, and writes it to a file for whoever asked. `vouched` is the roster where
    /// none is enrolled here.
    pub(crate) async fn answer_shown(
        &self,
        file: &[u8],
        vouched: Option<&Roster>,
        sign: SignRequest,
        output: &str,
    ) -> Result<SignedView, AppError> {
        let output = named(output)?;
        let (request, roster) = self.answering_roster(file, vouched).await?;
        let roster = match roster {
            Some(roster) => roster,
            None => self.ruling_roster(&request.plan.fleet).await?,
        };
        let (envelope, mut signed) = self.answer_by(&request, &roster, &answering(sign)?).await?;
        write_chosen(output.clone(), text(envelope)).await?;
        signed.file = Some(output.into_string());
        Ok(signed)
    }

    /// Signs the review of a rollback that began without approvals, and tells which are still due.
    pub async fn give_review(
        &self,
        fleet: &str,
        run: &str,
        note: &str,
        role: Option<&str>,
        key: KeyRequest,
    ) -> Result<Vec<ReviewView>, AppError> {
        self.writable(fleet)?;
        self.review_run(fleet, run, note, role, &choice(key)?).await?;
        self.open_reviews(fleet).await
    }

    /// Starts a rollback without approvals, at the hours of the rule, with the key of whoever asks.
    pub async fn start_at_night_with(
        &self,
        fleet: &str,
        plan_hash: &str,
        typed: Option<&str>,
        reason: &str,
        key: KeyRequest,
    ) -> Result<RunView, AppError> {
        self.writable(fleet)?;
        self.start_run_at_night(fleet, plan_hash, typed, reason, &choice(key)?).await
    }

    /// Keys of this machine for the reviews of a fleet, and the groups that have a say in it.
    pub async fn review_signers(
        &self,
        fleet: &str,
    ) -> Result<(Vec<SignerView>, Vec<String>), AppError> {
        let fleet = fleet_id(fleet)?;
        let roster = self.ruling_roster(&fleet).await?;
        let Some((environment, _)) = roster.environment_of(&fleet) else {
            return Ok((Vec::new(), Vec::new()));
        };
        Ok((self.signers(&roster, environment)?, roles(&roster, environment)))
    }

    /// Keys of this machine, and whose they are.
    fn signers(&self, roster: &Roster, environment: &str) -> Result<Vec<SignerView>, AppError> {
        let keys = self.personal_keys()?.into_iter().map(|key| {
            let owner = roster.keys().find(|(_, one)| one.key.id().to_string() == key.fingerprint);
            let person = owner.map(|(person, _)| person);
            let groups = person.and_then(|person| roster.person(person)).map(|entry| &entry.groups);
            let able = groups.into_iter().flatten().filter(|g| has_a_say(roster, environment, g));
            SignerView {
                roles: able.map(ToString::to_string).collect(),
                person: person.map(ToString::to_string),
                file: Some(key.place).filter(|place| place != IN_KEYRING),
                name: key.name,
                fingerprint: key.fingerprint,
            }
        });
        Ok(keys.collect())
    }

    async fn kept_request(&self, plan: PlanHash) -> Result<String, AppError> {
        let mut conn = self.record().read().await?;
        plumb_store::approvals::request(&mut conn, plan).await?.ok_or_else(|| {
            AppError::new(
                Code::NotFound,
                "nobody asked for approval of this plan here",
                "request approval first, or open the request file that you were sent",
            )
        })
    }

    /// Answers to the last plan of the same title that no run used: what this plan voids, and by what.
    async fn voided_before(&self, plan: &Plan, roster: &Roster) -> Result<Vec<VoidView>, AppError> {
        let current = self.current(plan.fleet.as_str()).await?;
        let (_, evidence, spent) = self.signed_for(plan, &current, None, self.now()).await?;
        let kept = {
            let mut conn = self.record().read().await?;
            plumb_store::approvals::of_fleet(&mut conn, &plan.fleet, BEFORE_ENVELOPES_MAX).await?
        };
        let now = self.now();
        let answers = |one: &KeptApproval| {
            let unspent = signed_by_a_person(&one.envelope, roster, now)
                .is_ok_and(|signed| !spent.contains(&signed.document().nonce));
            one.plan != plan.hash() && matches!(one.act.as_str(), "approve" | "refuse") && unspent
        };
        let kept: Vec<KeptApproval> = kept.into_iter().filter(answers).collect();
        let mut newest_first: Vec<PlanHash> = Vec::new();
        for one in &kept {
            if !newest_first.contains(&one.plan) {
                newest_first.push(one.plan);
            }
        }
        for other in newest_first.into_iter().take(BEFORE_PLANS_MAX) {
            let like = self.plan_by_hash(&other.to_string()).await;
            if like.is_ok_and(|like| like.action.title() == plan.action.title()) {
                let of: Vec<&KeptApproval> = kept.iter().filter(|one| one.plan == other).collect();
                let envelopes: Vec<Vec<u8>> = of.iter().map(|one| one.envelope.clone()).collect();
                let approvals = Approvals {
                    roster,
                    envelopes: &envelopes,
                    evidence: &evidence,
                    spent: &spent,
                    now,
                };
                let judged = approvals.judge(plan, &[]).map_err(|error| {
                    AppError::new(Code::Invalid, error.to_string(), "plan again")
                })?;
                let changed: Vec<Voided> = judged
                    .voided
                    .into_iter()
                    .filter(|one| matches!(one.refusal, ApprovalRefusal::Changed { .. }))
                    .collect();
                let of: Vec<KeptApproval> = of.into_iter().cloned().collect();
                return self.void_views(plan, roster, &of, &changed).await;
            }
        }
        Ok(Vec::new())
    }

    /// Refuses what would change anything for a fleet that is read-only.
    pub(crate) fn writable(&self, fleet: &str) -> Result<(), AppError> {
        let (state, loaded) = self.loaded(fleet)?;
        if loaded.fleet.read_only {
            let message = format!("fleet {fleet} is read-only");
            let hint = format!("take read_only out of {} to change it from here", state.file);
            return Err(AppError::new(Code::Invalid, message, hint));
        }
        Ok(())
    }
}

/// Groups of the rule of an environment, by name.
fn roles(roster: &Roster, environment: &str) -> Vec<String> {
    let groups: BTreeSet<_> =
        roster.document().people.values().flat_map(|one| &one.groups).collect();
    let able = groups.into_iter().filter(|group| has_a_say(roster, environment, group));
    able.map(ToString::to_string).collect()
}

pub(crate) fn choice(key: KeyRequest) -> Result<KeyChoice, AppError> {
    Ok(match key {
        KeyRequest::Kept { name } => KeyChoice::Kept(Some(name)),
        KeyRequest::File { path, passphrase } => KeyChoice::File {
            path: named(&path)?,
            passphrase: Passphrase::new(move || Ok(passphrase.clone())),
        },
    })
}

fn answering(sign: SignRequest) -> Result<Answering, AppError> {
    let answer = match sign.refuse {
        None => Answer::Approve,
        Some(reason) => Answer::Refuse { reason },
    };
    Ok(Answering { answer, role: sign.role, valid_h: None, key: choice(sign.key)? })
}

/// A path as somebody typed it or chose it; `~/` is the folder of whoever runs this.
pub(crate) fn named(path: &str) -> Result<Utf8PathBuf, AppError> {
    let path = path.trim();
    let path = match path.strip_prefix("~/") {
        Some(rest) => crate::paths::home().map_or_else(|| path.into(), |home| home.join(rest)),
        None => Utf8PathBuf::from(path),
    };
    if path.is_absolute() {
        return Ok(path);
    }
    let message = format!("{:?} is not the whole path of a file", path.as_str());
    Err(AppError::new(Code::Invalid, message, "write it from / on, or choose the file"))
}

/// A file that somebody was sent, under a limit.
pub(crate) async fn read(path: Utf8PathBuf, bytes_max: u64) -> Result<Vec<u8>, AppError> {
    tokio::task::spawn_blocking(move || read_limited(&path, bytes_max))
        .await
        .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?
}

/// The same as it was shown, told by its digest: a file that changed meanwhile is not taken.
pub(crate) async fn read_as_shown(
    path: &str,
    shown: &str,
    bytes_max: u64,
) -> Result<Vec<u8>, AppError> {
    let bytes = read(named(path)?, bytes_max).await?;
    if Digest::of(&bytes).to_string() == shown {
        return Ok(bytes);
    }
    let message = format!("{path} is another file than the one that was shown");
    Err(AppError::new(Code::Outdated, message, "open it again and look at it"))
}

fn read_limited(path: &Utf8Path, bytes_max: u64) -> Result<Vec<u8>, AppError> {
    let unreadable = |error: std::io::Error| {
        let message = format!("{path} could not be read: {error}");
        AppError::new(Code::Invalid, message, "choose the file that you were sent")
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // One byte more than allowed tells a full file from one that is too large.
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > bytes_max {
        let message = format!("{path} is larger than {bytes_max} bytes");
        return Err(AppError::new(Code::Invalid, message, "choose the file that you were sent"));
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("JSON is UTF-8")
}
