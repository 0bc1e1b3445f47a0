//! A plan runs once: which run of which plan was let in here, kept on disk before its first effect.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Response},
    middleware::Next,
};
use jiff::Timestamp;
use plumb_fleet::Digest;
use plumb_wire::v1::{LogLevel, PLAN, PlansKept, RUN, RUN_BYTES_MAX};
use serde::{Deserialize, Serialize};

use crate::{
    chain::chain, core::Core, durable::write_durably, limits::PLANS_BYTES_MAX, limits::PLANS_MAX,
    problem::Fault, reload::blocking,
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

/// The layer right before a change: a request that names its plan is let in if its run is the first
/// of that plan here. One that names none is no step of a plan.
pub(crate) async fn once(
    State(core): State<Arc<Core>>,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Fault> {
    let Some((plan, run)) = step(request.headers())? else {
        return Ok(next.run(request).await);
    };
    let deciding = Arc::clone(&core);
    let asked = run.clone();
    let decided = blocking(move |reply| {
        let now = deciding.now();
        let _ = reply.send(deciding.plans.let_in(plan, &asked, now));
    });
    match decided.await {
        Ok(()) => Ok(next.run(request).await),
        Err(Refusal::Ran(LetIn { run: former, since })) => {
            let text = format!(
                "this plan was run here already, as run {former} at {since}, and a plan runs once; \
                 nothing was changed; plan again, and start the new plan"
            );
            core.log(LogLevel::Warn, &format!("Run {run} is refused: its plan ran as {former}"));
            Err(Fault::plan_ran(text))
        }
        Err(Refusal::NotWritten(error)) => {
            let text = format!(
                "that this plan runs here could not be kept, nothing was changed: {}",
                chain(&error)
            );
            core.log(LogLevel::Error, &text);
            Err(Fault::state_not_written(text))
        }
    }
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
            let plain = run.bytes().all(|byte| byte.is_ascii_graphic());
            if run.is_empty() || run.len() > RUN_BYTES_MAX || !plain {
                let text =
                    format!("the header {RUN} is not 1 to {RUN_BYTES_MAX} visible characters");
                return Err(Fault::bad_request(text));
            }
            Ok(Some((plan, run)))
        }
        _ => Err(Fault::bad_request(format!("{PLAN} and {RUN} go together, and one is missing"))),
    }
}
