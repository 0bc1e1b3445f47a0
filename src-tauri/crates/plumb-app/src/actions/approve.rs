//! Consent to a plan: asked for, looked at, signed, added, and taken to the gate.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::{PlanHash, RunId};
use plumb_runbook::{
    ApprovalError, ApprovalRequest, Approvals, ApprovedPlan, Confirmation, ConsentTerms,
    ContentChange, DryRun, Evidence, Finding, Plan, Severity, approve, approve_at_night,
    approve_signed, bundle_of,
};
use plumb_store::approvals::KeptApproval;
use plumb_trust::{
    approval::{
        Act, ApprovalDocument, ApprovalDraft, ChangeWindow, Nonce, VerifiedApproval,
        signed_by_a_person,
    },
    dsse::{Envelope, PublicKey, SigningKey, Statement},
    roster::{GroupId, PersonId, Roster},
};

use crate::{
    actions::{dry_run, rosters::fleet_id},
    app::App,
    current::Current,
    error::{AppError, Code, chain},
    ids,
    personal_keys::KeyChoice,
    views::approvals::{ApprovalRequestView, SignedView},
};

/// What a person answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Approve,
    Refuse { reason: String },
}

/// How somebody answers a request.
#[derive(Debug, Clone)]
pub struct Answering {
    pub answer: Answer,
    /// The group to speak for; not needed where only one has a say.
    pub role: Option<String>,
    /// How long the approval stays good, in hours; as long as the rule allows without it.
    pub valid_h: Option<u32>,
    pub key: KeyChoice,
}

/// How a plan is to be started where a roster rules its fleet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way<'a> {
    Approved,
    /// A rollback without approvals, and why.
    AtNight(&'a str),
    /// It passed the gate at this moment, when this run of it began: an approval covers its run to the
    /// end, and the way back.
    Resumed {
        run: RunId,
        began: Timestamp,
    },
}

impl App {
    /// The terms that a plan of this fleet must carry, where a roster rules it.
    pub(crate) async fn consent_terms(
        &self,
        fleet: &plumb_fleet::FleetId,
    ) -> Result<Option<ConsentTerms>, AppError> {
        let Some(roster) = self.roster_of(fleet).await? else { return Ok(None) };
        let Some(nobody) = roster.document().people.keys().next() else { return Ok(None) };
        // Whether any consent is asked does not depend on who asks.
        if ConsentTerms::of(&roster, fleet, nobody.clone()).is_none() {
            return Ok(None);
        }
        Ok(ConsentTerms::of(&roster, fleet, self.requester(&roster)?))
    }

    /// Who asks: the person that was named, or the only one whose key this machine has.
    pub(crate) fn requester(&self, roster: &Roster) -> Result<PersonId, AppError> {
        if let Some(named) = &self.0.options.person {
            let person = PersonId::new(named.as_str()).ok();
            let known = person.filter(|person| roster.person(person).is_some());
            return known.ok_or_else(|| {
                let people: Vec<&str> =
                    roster.document().people.keys().map(PersonId::as_str).collect();
                let message = format!("{named:?} is not a person of the roster");
                AppError::new(Code::Invalid, message, format!("there are: {}", people.join(", ")))
            });
        }
        let kept: BTreeSet<String> =
            self.personal_keys()?.into_iter().map(|key| key.fingerprint).collect();
        let here = roster.keys().filter(|(_, key)| kept.contains(&key.key.id().to_string()));
        let people: BTreeSet<&PersonId> = here.map(|(person, _)| person).collect();
        match people.iter().collect::<Vec<_>>().as_slice() {
            [only] => Ok((**only).clone()),
            _ => Err(AppError::new(
                Code::Invalid,
                "a signed roster rules this fleet, and it is not known who asks",
                "say who you are: --person ID, or PLUMBLINE_PERSON=ID",
            )),
        }
    }

    /// Asks for consent to a plan that was shown: signs the request, keeps it, and gives the file for
    /// those who approve.
    pub async fn request_approval(
        &self,
        plan_hash: &str,
        window: Option<ChangeWindow>,
        key: &KeyChoice,
    ) -> Result<(Vec<u8>, SignedView), AppError> {
        let prepared = self.prepared(ids::plan_hash(plan_hash)?)?;
        let Some(terms) = prepared.plan.consent.clone() else {
            return Err(no_terms(&prepared.plan));
        };
        let roster = self.ruling_roster(&prepared.plan.fleet).await?;
        // Asked before the moment from which the request counts: what it binds is known by then.
        let report = self.dry_run_of(&prepared.plan).await?;
        let current = self.current(prepared.plan.fleet.as_str()).await?;
        let now = self.now();
        let valid = SignedDuration::from_hours(i64::from(rule_hours(&roster, &prepared.plan)));
        let window = window.unwrap_or(ChangeWindow { not_before: now, not_after: now + valid });
        let evidence = self.evidence(&prepared.plan, &current, now).await?;
        let (plan, findings) = (prepared.plan, prepared.findings);
        let mut request =
            ApprovalRequest::unsigned(plan, findings, evidence, window, now).with_report(&report);
        let key = self.personal_key(key).await?;
        let role =
            roster.person(&terms.requester).and_then(|person| person.groups.first().cloned());
        let role = role.ok_or_else(|| {
            let message = format!("{} is in no group of the roster", terms.requester);
            AppError::new(Code::Invalid, message, "everybody who asks is in a group")
        })?;
        let draft = draft_of(&request, Act::Request, terms.requester, role, now + valid, now)?;
        let (envelope, signed) = sign(draft, &key)?;
        request.signed = String::from_utf8_lossy(&envelope).into_owned();
        let bytes = request.to_bytes();
        let kept = self.verified(&envelope, &roster)?;
        {
            let mut record = self.record().write().await?;
            let document = String::from_utf8_lossy(&bytes).into_owned();
            plumb_store::approvals::add_request(&mut record, request.hash(), now, &document)
                .await?;
            plumb_store::approvals::add(&mut record, &self.kept(&kept, &envelope)).await?;
            record.commit().await?;
        }
        self.deliver(request.plan.fleet.as_str(), request.hash(), &bytes).await;
        let view = self.request_view(&request, Some(&roster));
        Ok((bytes, signed_view(view, &signed, &key, kept.payload())))
    }

    /// Everything that would be signed, and what is wrong with the request.
    pub async fn look_at_request(&self, file: &[u8]) -> Result<ApprovalRequestView, AppError> {
        let request = read_request(file)?;
        let roster = self.roster_of(&request.plan.fleet).await?;
        Ok(self.request_view(&request, roster.as_ref()))
    }

    /// The roster by which a request is answered: the one that is enrolled here, or else one that is vouched for.
    pub(crate) async fn answering_roster(
        &self,
        file: &[u8],
        vouched: Option<&Roster>,
    ) -> Result<(ApprovalRequest, Option<Roster>), AppError> {
        let request = read_request(file)?;
        let enrolled = self.roster_of(&request.plan.fleet).await?;
        Ok((request, enrolled.or_else(|| vouched.cloned())))
    }

    /// Signs an answer to a request, gives the envelope, and puts it into the mailbox of the hub where the fleet is on
    /// the list here. A request that does not fit the roster, or that its requester did not sign, is not answered.
    pub async fn answer_request(
        &self,
        file: &[u8],
        answering: &Answering,
    ) -> Result<(Vec<u8>, SignedView), AppError> {
        let (request, envelope, signed) = self.answered(file, answering).await?;
        let fleet = request.plan.fleet.as_str();
        if self.state(fleet).is_ok() {
            self.deliver(fleet, request.hash(), &envelope).await;
        }
        Ok((envelope, signed))
    }

    /// The same, and nothing is sent to anybody: of requests found in evidence, whose answers go their own way.
    pub async fn answer_as_file(
        &self,
        file: &[u8],
        answering: &Answering,
    ) -> Result<(Vec<u8>, SignedView), AppError> {
        let (_, envelope, signed) = self.answered(file, answering).await?;
        Ok((envelope, signed))
    }

    async fn answered(
        &self,
        file: &[u8],
        answering: &Answering,
    ) -> Result<(ApprovalRequest, Vec<u8>, SignedView), AppError> {
        let request = read_request(file)?;
        let roster = self.ruling_roster(&request.plan.fleet).await?;
        let (envelope, signed) = self.answer_by(&request, &roster, answering).await?;
        Ok((request, envelope, signed))
    }

    /// The same by a roster that is trusted. In a fleet that is read-only here nothing is signed.
    pub(crate) async fn answer_by(
        &self,
        request: &ApprovalRequest,
        roster: &Roster,
        answering: &Answering,
    ) -> Result<(Vec<u8>, SignedView), AppError> {
        let fleet = request.plan.fleet.as_str();
        if self.state(fleet).is_ok() {
            self.writable(fleet)?;
        }
        let view = self.request_view(request, Some(roster));
        if let Some(problem) = view.problems.first() {
            let hint = "ask the requester for a new request; nothing was signed";
            return Err(AppError::new(Code::Invalid, problem.clone(), hint));
        }
        let key = self.personal_key(&answering.key).await?;
        let person = owner_of(roster, key.public())?;
        let role = role_of(roster, &person, answering.role.as_deref(), &view.environment)?;
        let hours = rule_hours(roster, &request.plan);
        let valid_h = answering.valid_h.unwrap_or(hours).min(hours);
        let now = self.now();
        let expires_at = now + SignedDuration::from_hours(i64::from(valid_h));
        let act = match &answering.answer {
            Answer::Approve => Act::Approve,
            Answer::Refuse { reason } => Act::Refuse { reason: reason.clone() },
        };
        let draft = draft_of(request, act, person, role, expires_at, now)?;
        let (envelope, signed) = sign(draft, &key)?;
        let kept = self.verified(&envelope, roster)?;
        Ok((envelope, signed_view(view, &signed, &key, kept.payload())))
    }

    /// Adds an envelope that somebody sent. Kept are those that a person of the roster signed; whether one
    /// counts is decided when its plan is looked at.
    pub async fn add_approval(&self, fleet: &str, envelope: &[u8]) -> Result<PlanHash, AppError> {
        let roster = self.ruling_roster(&fleet_id(fleet)?).await?;
        let verified = self.verified(envelope, &roster)?;
        let plan = verified.document().plan();
        let mut record = self.record().write().await?;
        if plumb_store::plans::get(&mut record, plan).await?.is_none() {
            let message = format!("it is about a plan ({}) that is not kept here", plan.short());
            let hint = "add it where the plan was made";
            return Err(AppError::new(Code::NotFound, message, hint));
        }
        plumb_store::approvals::add(&mut record, &self.kept(&verified, envelope)).await?;
        record.commit().await?;
        self.announce([crate::topics::Topic::fleet(&fleet_id(fleet)?)]);
        Ok(plan)
    }

    fn verified(&self, envelope: &[u8], roster: &Roster) -> Result<VerifiedApproval, AppError> {
        signed_by_a_person(envelope, roster, self.now()).map_err(|refusal| {
            let hint = "compare the key, the roster and the clock of whoever signed";
            AppError::new(Code::Invalid, format!("the envelope does not count: {refusal}"), hint)
        })
    }

    pub(crate) fn kept(&self, verified: &VerifiedApproval, envelope: &[u8]) -> KeptApproval {
        KeptApproval {
            payload: verified.payload(),
            plan: verified.document().plan(),
            fleet: verified.document().fleet.clone(),
            person: verified.person().to_string(),
            act: verified.act().name().to_owned(),
            envelope: envelope.to_vec(),
            added_at: self.now(),
        }
    }

    /// The gate for a plan as it is now, with everything that was signed for it.
    pub(crate) async fn open_gate(
        &self,
        current: &Current,
        plan: Plan,
        findings: &[Finding],
        confirmation: &Confirmation,
        way: Way<'_>,
    ) -> Result<Result<ApprovedPlan, ApprovalError>, AppError> {
        if plan.consent.is_none() {
            return Ok(match way {
                Way::Approved | Way::Resumed { .. } => approve(plan, findings, confirmation),
                Way::AtNight(_) => {
                    Err(ApprovalError::NotAtNight { reason: "this fleet takes no approvals" })
                }
            });
        }
        // What a run was started with is judged by what was known then.
        let (run, now, roster) = match (way, &plan.consent) {
            (Way::Resumed { run, began }, Some(terms)) => {
                (Some(run), began, self.roster_named(&plan.fleet, terms).await?)
            }
            _ => (None, self.now(), self.ruling_roster(&plan.fleet).await?),
        };
        let (envelopes, evidence, spent) = self.signed_for(&plan, current, run, now).await?;
        let at_night = match run {
            Some(run) => {
                let mut conn = self.record().read().await?;
                plumb_store::approvals::review_reason(&mut conn, run).await?
            }
            None => None,
        };
        let approvals = Approvals {
            roster: &roster,
            envelopes: &envelopes,
            evidence: &evidence,
            spent: &spent,
            now,
        };
        Ok(match (way, at_night.as_deref()) {
            (Way::AtNight(why), _) | (Way::Resumed { .. }, Some(why)) => {
                approve_at_night(plan, findings, confirmation, &approvals, why)
            }
            _ => approve_signed(plan, findings, confirmation, &approvals),
        })
    }

    /// Envelopes of a plan, what they must be about at a moment, and nonces that other runs used.
    pub(crate) async fn signed_for(
        &self,
        plan: &Plan,
        current: &Current,
        run: Option<RunId>,
        at: Timestamp,
    ) -> Result<(Vec<Vec<u8>>, Evidence, BTreeSet<Nonce>), AppError> {
        let evidence = self.evidence(plan, current, at).await?;
        let mut conn = self.record().read().await?;
        let kept = plumb_store::approvals::of_plan(&mut conn, plan.hash()).await?;
        let spent = plumb_store::approvals::spent(&mut conn, run).await?;
        let asked = plumb_store::approvals::request(&mut conn, plan.hash()).await?;
        let asked = asked.map(|asked| read_request(asked.as_bytes())).transpose()?;
        // What a run was started with was compared with what stood then; an archive has no more than what was asked.
        let past = run.is_some() || self.in_evidence().is_some();
        let evidence = match asked {
            Some(asked) if past => asked.evidence,
            _ => evidence,
        };
        let spent = spent.iter().filter_map(|nonce| nonce.parse().ok()).collect();
        Ok((kept.into_iter().map(|one| one.envelope).collect(), evidence, spent))
    }

    /// What consent to a plan must be bound to at a moment: its bundles, the newest dry run, and what was
    /// shown to be ready by then.
    async fn evidence(
        &self,
        plan: &Plan,
        current: &Current,
        at: Timestamp,
    ) -> Result<Evidence, AppError> {
        let report = {
            let mut conn = self.record().read().await?;
            plumb_store::dry_runs::newest(&mut conn, plan.hash(), at).await?
        };
        let found = report.as_ref().and_then(dry_run::read);
        let roster = self.roster_of(&plan.fleet).await?;
        let readiness = self.readiness_at(&plan.fleet, roster.as_ref(), at).await?;
        let bundles = plan.targets().filter_map(|target| bundle_of(target, &current.desired));
        Ok(Evidence {
            bundles: bundles.map(|entry| entry.digest).collect(),
            dry_run: report.map(|report| report.digest),
            decisions: found.and_then(|found| found.decisions_digest()),
            readiness: readiness.checklist().bound(),
        })
    }

    pub(crate) fn request_view(
        &self,
        request: &ApprovalRequest,
        roster: Option<&Roster>,
    ) -> ApprovalRequestView {
        let mut view = request_lines(request);
        let Some(roster) = roster else {
            view.problems.push(format!("no roster is enrolled for fleet {}", view.fleet));
            return view;
        };
        if let Some((name, environment)) = roster.environment_of(&request.plan.fleet) {
            view.rule = environment.rule.sentence();
            view.problems.extend((name != view.environment).then(|| {
                format!("the roster calls the environment {name}, the plan {}", view.environment)
            }));
        }
        let reference = roster.reference();
        if reference.digest.to_string() != view.roster {
            view.problems.push(format!(
                "the plan was made for version {} of the roster, here is version {}",
                view.roster_version, reference.version
            ));
        }
        match signed_by_a_person(request.signed.as_bytes(), roster, self.now()) {
            Err(refusal) => view.problems.push(format!("the request itself: {refusal}")),
            Ok(signed) => {
                let same = request.bound().is_some_and(|bound| bound == signed.document().bound());
                let asks = *signed.act() == Act::Request
                    && signed.person().as_str() == view.requester
                    && signed.document().window == request.window;
                if !same || !asks {
                    view.problems.push("its requester signed something else".to_owned());
                }
            }
        }
        if let Some(Err(error)) = request.dry_run() {
            view.problems.push(chain(&error));
        }
        view
    }
}

/// A window as people write it: two moments with a slash between them (ISO 8601).
pub fn window(text: &str) -> Result<ChangeWindow, AppError> {
    let both = text.split_once('/').and_then(|(from, to)| {
        Some(ChangeWindow { not_before: from.parse().ok()?, not_after: to.parse().ok()? })
    });
    both.filter(|window| window.not_before <= window.not_after).ok_or_else(|| {
        AppError::new(
            Code::Invalid,
            format!("{text:?} is not a window"),
            "for example 2026-03-01T20:00:00Z/2026-03-01T23:00:00Z",
        )
    })
}

/// The person to whom the roster gives a key.
pub(crate) fn owner_of(roster: &Roster, key: &PublicKey) -> Result<PersonId, AppError> {
    let owner = roster.keys().find(|(_, one)| one.key == *key);
    owner.map(|(person, _)| person.clone()).ok_or_else(|| {
        AppError::new(
            Code::Invalid,
            format!("the key {} stands in no entry of the roster", key.id()),
            "sign with a key of the roster, or have yours added to it",
        )
    })
}

fn read_request(file: &[u8]) -> Result<ApprovalRequest, AppError> {
    ApprovalRequest::read(file).map_err(|error| {
        AppError::new(Code::Invalid, chain(&error), "ask the requester for the file again")
    })
}

fn no_terms(plan: &Plan) -> AppError {
    let message = format!("plans of fleet {} take no approvals", plan.fleet);
    AppError::new(Code::Invalid, message, "start it; or enrol a roster that rules the fleet")
}

fn rule_hours(roster: &Roster, plan: &Plan) -> u32 {
    roster.environment_of(&plan.fleet).map_or(1, |(_, environment)| environment.rule.valid_h_max)
}

pub(crate) fn role_of(
    roster: &Roster,
    person: &PersonId,
    named: Option<&str>,
    environment: &str,
) -> Result<GroupId, AppError> {
    let all = roster.person(person).map(|entry| entry.groups.clone()).unwrap_or_default();
    let able: Vec<&GroupId> = all
        .iter()
        .filter(|group| plumb_trust::approval::has_a_say(roster, environment, group))
        .collect();
    let list: Vec<&str> = able.iter().map(|group| group.as_str()).collect();
    match (named, able.as_slice()) {
        (Some(named), _) if list.contains(&named) => Ok(able
            .iter()
            .find(|group| group.as_str() == named)
            .map_or_else(|| able[0].clone(), |group| (*group).clone())),
        (None, [only]) => Ok((*only).clone()),
        (_, []) => {
            let message = format!("no group of {person} has a say in {environment}");
            Err(AppError::new(Code::Invalid, message, "those who may approve are in the roster"))
        }
        _ => {
            let message = format!("{person} must say for which group");
            Err(AppError::new(Code::Invalid, message, format!("--role, of: {}", list.join(", "))))
        }
    }
}

fn draft_of(
    request: &ApprovalRequest,
    act: Act,
    person: PersonId,
    role: GroupId,
    expires_at: Timestamp,
    issued_at: Timestamp,
) -> Result<ApprovalDraft, AppError> {
    let bound = request.bound().ok_or_else(|| no_terms(&request.plan))?;
    let (acknowledged, window) = (request.warnings(), request.window);
    Ok(ApprovalDraft { bound, act, person, role, acknowledged, window, issued_at, expires_at })
}

pub(crate) fn sign(
    draft: ApprovalDraft,
    key: &SigningKey,
) -> Result<(Vec<u8>, Statement<ApprovalDocument>), AppError> {
    let statement = draft
        .statement(&mut |bytes: &mut [u8]| rand::fill(bytes))
        .map_err(|error| AppError::new(Code::Invalid, chain(&error), "say it again, in order"))?;
    let envelope = Envelope::sign(&statement, &[key])
        .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?;
    Ok((envelope.to_bytes(), statement))
}

fn signed_view(
    request: ApprovalRequestView,
    signed: &Statement<ApprovalDocument>,
    key: &SigningKey,
    payload: plumb_fleet::Digest,
) -> SignedView {
    let document = &signed.predicate;
    SignedView {
        request,
        person: document.person.to_string(),
        role: document.role.to_string(),
        act: document.act.name().to_owned(),
        expires_at: document.expires_at.to_string(),
        key: key.public().id().to_string(),
        payload: payload.to_string(),
        file: None,
    }
}

fn request_lines(request: &ApprovalRequest) -> ApprovalRequestView {
    let plan = &request.plan;
    let terms = request.terms();
    let bound = request.bound();
    let mut changes: BTreeMap<String, usize> = BTreeMap::new();
    for target in plan.targets() {
        let line = format!("from {} to {}", running(&target.before), running(&target.after));
        *changes.entry(line).or_default() += 1;
    }
    let nodes = |count: usize| if count == 1 { "node" } else { "nodes" };
    let report = request.dry_run().and_then(Result::ok);
    let said = |severity: Severity| -> Vec<String> {
        let of = request.findings.iter().filter(|finding| finding.severity == severity);
        of.map(|finding| {
            let node = finding.node.as_ref().map(|node| format!("{node}: ")).unwrap_or_default();
            format!("{node}{}", finding.message)
        })
        .collect()
    };
    ApprovalRequestView {
        plan: plan.hash().to_string(),
        title: plan.action.title(),
        fleet: plan.fleet.to_string(),
        environment: terms.map(|terms| terms.rule.clone()).unwrap_or_default(),
        rule: String::new(),
        requester: terms.map(|terms| terms.requester.to_string()).unwrap_or_default(),
        roster_version: terms.map(|terms| terms.roster_version).unwrap_or_default(),
        roster: terms.map(|terms| terms.roster.to_string()).unwrap_or_default(),
        targets: bound.as_ref().map_or(0, |bound| bound.targets.count),
        targets_digest: bound.map(|bound| bound.targets.digest.to_string()).unwrap_or_default(),
        changes: changes.iter().map(|(line, n)| format!("{n} {} {line}", nodes(*n))).collect(),
        bundles: request.evidence.bundles.iter().map(ToString::to_string).collect(),
        dry_run: request.evidence.dry_run.map(|digest| digest.to_string()),
        found: report.as_ref().map(DryRun::summary).unwrap_or_default(),
        decisions: report.iter().flat_map(|run| &run.decisions).flat_map(told).collect(),
        readiness: request.evidence.readiness.iter().map(|(k, v)| format!("{k} {v}")).collect(),
        warnings: said(Severity::Warning),
        fatal: said(Severity::Fatal),
        not_before: request.window.not_before.to_string(),
        not_after: request.window.not_after.to_string(),
        problems: Vec::new(),
    }
}

/// A change of content, and what flips by it.
fn told(change: &ContentChange) -> Vec<String> {
    std::iter::once(change.sentence()).chain(change.kinds()).collect()
}

fn running(running: &plumb_runbook::Running) -> String {
    let version = running.version.as_ref().map_or("unknown", plumb_fleet::Version::as_str);
    running
        .content
        .map_or_else(|| version.to_owned(), |content| format!("{version} ({})", content.short()))
}
