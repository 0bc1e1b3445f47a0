//! A plan runs once: which run of which plan was let in here, kept on disk before its first effect.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, Response},
    middleware::Next,
};
use jiff::Timestamp;
use plumb_fleet::{Digest, PlanHash};
use plumb_wire::v1::{LogLevel, PLAN, PlansKept, RUN, RUN_BYTES_MAX, path};
use serde::{Deserialize, Serialize};

use crate::{
    approved::{Asked, NotAsked},
    chain::chain,
    core::Core,
    durable::write_durably,
    guard::body_within,
    limits::{BODY_BYTES_MAX, PLANS_BYTES_MAX, PLANS_MAX},
    problem::Fault,
    reload::blocking,
};

const PLANS_FILE: &str = "agent-plans.json";
const FORMAT: u32 = 1;

/// The runs that were let in, by their plan.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    /// Below the state folder; nothing where an agent keeps no state.
    folder: Option<PathBuf>,
    known: Mutex<BTreeMap<Digest, LetIn>>,
}

/// One run of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LetIn {
    run: String,
    since: Timestamp,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    plans: Vec<KeptPlan>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptPlan {
    plan: String,
    run: String,
    since: Timestamp,
}

/// Why a run of a plan is not let in.
#[derive(Debug)]
enum Refusal {
    Ran(LetIn),
    NotWritten(io::Error),
}

impl Plans {
    /// How long it remembers.
    pub(crate) const fn kept(&self) -> PlansKept {
        if self.folder.is_some() { PlansKept::Durably } else { PlansKept::UntilItEnds }
    }

    /// Reads what is kept. A damaged file is set aside, and the sentence says so.
    pub(crate) fn open(
        folder: Option<PathBuf>,
        now: Timestamp,
    ) -> io::Result<(Self, Option<String>)> {
        let Some(path) = folder.as_ref().map(|folder| folder.join(PLANS_FILE)) else {
            return Ok((Self::default(), None));
        };
        let mut text = String::new();
        let read = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Self { folder, known: Mutex::default() }, None));
            }
            Err(error) => return Err(error),
            Ok(file) => file.take(PLANS_BYTES_MAX + 1).read_to_string(&mut text),
        };
        let known = match read {
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
            Err(_) => Err("it is not text".to_owned()),
            Ok(length) if length as u64 > PLANS_BYTES_MAX => Err("it is too large".to_owned()),
            Ok(_) => known(&text),
        };
        match known {
            Ok(known) => Ok((Self { folder, known: Mutex::new(known) }, None)),
            Err(reason) => {
                let to = path.with_extension(format!("json.damaged-{}", now.as_millisecond()));
                fs::rename(&path, &to)?;
                let note = format!(
                    "The file of plans that ran was damaged ({reason}) and set aside as {}; they \
                     could run here once more",
                    to.display()
                );
                Ok((Self { folder, known: Mutex::default() }, Some(note)))
            }
        }
    }

    /// Lets a run of a plan in: the first one, durably, and from then on that one only. Blocks.
    fn let_in(&self, plan: Digest, run: &str, now: Timestamp) -> Result<(), Refusal> {
        // Held while the file is written: of two runs that begin at once, one is first.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&plan) {
            Some(former) if former.run == run => return Ok(()),
            Some(former) => return Err(Refusal::Ran(former.clone())),
            None => {}
        }
        let mut next = known.clone();
        if next.len() >= PLANS_MAX
            && let Some(oldest) =
                next.iter().min_by_key(|(_, one)| one.since).map(|(plan, _)| *plan)
        {
            next.remove(&oldest);
        }
        next.insert(plan, LetIn { run: run.to_owned(), since: now });
        if let Some(folder) = &self.folder {
            write_durably(folder, PLANS_FILE, &printed(&next)).map_err(Refusal::NotWritten)?;
        }
        *known = next;
        Ok(())
    }
}

fn known(text: &str) -> Result<BTreeMap<Digest, LetIn>, String> {
    let kept: Kept = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if kept.format != FORMAT {
        return Err(format!("its format is {}, not {FORMAT}", kept.format));
    }
    let one = |KeptPlan { plan, run, since }| match plan.parse::<Digest>() {
        Ok(plan) => Ok((plan, LetIn { run, since })),
        Err(error) => Err(error.to_string()),
    };
    kept.plans.into_iter().map(one).collect()
}

fn printed(plans: &BTreeMap<Digest, LetIn>) -> Vec<u8> {
    let one = |(plan, one): (&Digest, &LetIn)| KeptPlan {
        plan: plan.to_hex(),
        run: one.run.clone(),
        since: one.since,
    };
    let kept = Kept { format: FORMAT, plans: plans.iter().map(one).collect() };
    serde_json::to_vec(&kept).expect("plans always serialise")
}

/// The layer right before a change: a request that names its plan is let in if its run is the first of that
/// plan here, and where approval is required, if the plan was approved and asks for exactly this. One that
/// names none is no step of a plan.
pub(crate) async fn guarded(
    State(core): State<Arc<Core>>,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Fault> {
    // These are judged by what is signed, and change nothing that decides.
    let own = [path::REFUSED, path::ROSTER, path::PLANS, path::LOCK];
    if own.contains(&request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let step = step(request.headers())?;
    free(&core, step.as_ref().map(|(_, run)| run.as_str()))?;
    let approval = core.governed.as_ref().is_some_and(|governed| governed.approved.is_some());
    let (request, asked) = if approval {
        let (request, asked) = asked(request).await?;
        check(&core, step.as_ref(), &asked)?;
        (request, Some(asked))
    } else {
        (request, None)
    };
    if let Some((plan, run)) = step {
        let_in(&core, plan, run).await?;
        if let Some(asked) = asked {
            mark(&core, plan, asked).await?;
        }
    }
    Ok(next.run(request).await)
}

/// While a run holds the deployment lock, nobody else changes this node.
fn free(core: &Core, run: Option<&str>) -> Result<(), Fault> {
    let Some(held) = core.lease.held_by_other(run, core.now()) else { return Ok(()) };
    let left_s = held.left_ms.div_ceil(1_000);
    Err(Fault::lock_held(format!(
        "{} holds the deployment lock for another {left_s} s, for run {}; nothing was changed",
        held.owner, held.run
    )))
}

/// What a request asks for, kept beside it.
struct AskedFor {
    method: Method,
    path: String,
    body: Bytes,
}

impl AskedFor {
    fn as_asked(&self) -> Asked<'_> {
        Asked { method: &self.method, path: &self.path, body: &self.body }
    }
}

async fn asked(request: Request) -> Result<(Request, AskedFor), Fault> {
    let (parts, body) = request.into_parts();
    let body = body_within(body, BODY_BYTES_MAX).await?;
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let asked = AskedFor { method, path, body: body.clone() };
    Ok((Request::from_parts(parts, Body::from(body)), asked))
}

/// Refuses what no approved plan asks for, before anything of it is written down.
fn check(core: &Core, step: Option<&(Digest, String)>, asked: &AskedFor) -> Result<(), Fault> {
    let refuse = |text: &str| {
        core.log(LogLevel::Warn, &format!("{} {} is refused: {text}", asked.method, asked.path));
        Err(Fault::not_approved(format!("{text}; nothing was changed")))
    };
    let approved = core.governed.as_ref().and_then(|governed| governed.approved.as_ref());
    let Some(approved) = approved else { return Ok(()) };
    let Some((plan, _)) = step else {
        return refuse("this agent takes no change that no approved plan asks for");
    };
    match approved.asks(PlanHash(*plan), &asked.as_asked()) {
        Ok(()) => Ok(()),
        Err(NotAsked::Unknown) => refuse("no approval of this plan was verified here"),
        Err(NotAsked::Otherwise) => refuse("the approved plan does not ask this of this node"),
        Err(NotAsked::Done) => refuse("this step of the plan was done here already"),
    }
}

async fn mark(core: &Arc<Core>, plan: Digest, asked: AskedFor) -> Result<(), Fault> {
    let marking = Arc::clone(core);
    let marked = blocking(move |reply| {
        let approved = marking.governed.as_ref().and_then(|governed| governed.approved.as_ref());
        let done = approved.map_or(Ok(true), |it| it.done(PlanHash(plan), &asked.as_asked()));
        let _ = reply.send(done);
    });
    match marked.await {
        Ok(true) => Ok(()),
        // Somebody asked for the same at once, and was first.
        Ok(false) => Err(Fault::not_approved("this step of the plan was done here already")),
        Err(error) => Err(not_kept(core, &error)),
    }
}

async fn let_in(core: &Arc<Core>, plan: Digest, run: String) -> Result<(), Fault> {
    let deciding = Arc::clone(core);
    let asked = run.clone();
    let decided = blocking(move |reply| {
        let now = deciding.now();
        let _ = reply.send(deciding.plans.let_in(plan, &asked, now));
    });
    match decided.await {
        Ok(()) => Ok(()),
        Err(Refusal::Ran(LetIn { run: former, since })) => {
            let text = format!(
                "this plan was run here already, as run {former} at {since}, and a plan runs once; \
                 nothing was changed; plan again, and start the new plan"
            );
            core.log(LogLevel::Warn, &format!("Run {run} is refused: its plan ran as {former}"));
            Err(Fault::plan_ran(text))
        }
        Err(Refusal::NotWritten(error)) => Err(not_kept(core, &error)),
    }
}

fn not_kept(core: &Core, error: &io::Error) -> Fault {
    let text = format!(
        "that this plan runs here could not be kept, nothing was changed: {}",
        chain(error)
    );
    core.log(LogLevel::Error, &text);
    Fault::state_not_written(text)
}

/// The plan and the run that a request says it is a step of.
fn step(headers: &HeaderMap) -> Result<Option<(Digest, String)>, Fault> {
    let text = |name: &str| {
        let value = headers.get(name)?;
        Some(value.to_str().map(str::to_owned).map_err(|_| name.to_owned()))
    };
    let wrong = |name: &str| Fault::bad_request(format!("the header {name} cannot be read"));
    let (plan, run) = match (text(PLAN).transpose(), text(RUN).transpose()) {
        (Ok(plan), Ok(run)) => (plan, run),
        (Err(name), _) | (_, Err(name)) => return Err(wrong(&name)),
    };
    match (plan, run) {
        (None, None) => Ok(None),
        (Some(plan), Some(run)) => {
            let plan = plan.parse::<Digest>().map_err(|error| {
                Fault::bad_request(format!("the header {PLAN} is no plan hash: {error}"))
            })?;
            checked_run(&run)
                .map_err(|problem| Fault::bad_request(format!("the header {RUN}: {problem}")))?;
            Ok(Some((plan, run)))
        }
        _ => Err(Fault::bad_request(format!("{PLAN} and {RUN} go together, and one is missing"))),
    }
}

/// Says what is wrong with the id of a run.
pub(crate) fn checked_run(run: &str) -> Result<(), String> {
    let plain = run.bytes().all(|byte| byte.is_ascii_graphic());
    if run.is_empty() || run.len() > RUN_BYTES_MAX || !plain {
        return Err(format!("the run is not 1 to {RUN_BYTES_MAX} visible characters"));
    }
    Ok(())
}
