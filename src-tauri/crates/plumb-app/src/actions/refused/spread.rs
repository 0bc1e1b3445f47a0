//! What a run took back is refused: here at once, then on a list signed for everybody, then by its agents.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, stream};
use plumb_clients::{Signed, put_signed};
use plumb_fleet::{ContentDigest, FleetId, Node, NodeApi, NodeId, RunId};
use plumb_journal::{NodePhase, RunState, fold};
use plumb_runbook::Plan;
use plumb_store::refused::RefusedHere;
use plumb_trust::{dsse::SigningKey, refused::RefusedList, roster::Roster};
use tracing::{info, warn};

use super::{Known, Stance, refused, stance, whole_ms};
use crate::{
    app::{App, Loaded},
    error::AppError,
    personal_keys::{IN_KEYRING, KeyChoice},
    views::{
        refused::{NotTakenView, RefusedPushView},
        run::RunRefused,
    },
};

/// Agents that are sent a list at the same time.
const PUSHES_AT_ONCE: usize = 32;

/// How the hub is called among those that took a list.
const THE_HUB: &str = "the hub";

/// A list on its way, and what came of it.
struct Pushed {
    list: RefusedList,
    nodes: BTreeMap<NodeId, Result<(), String>>,
    /// Nothing where there is no hub.
    hub: Option<Result<(), String>>,
}

impl Known {
    /// What a run took back and is still refused.
    fn of_run(&self, run: RunId) -> impl Iterator<Item = ContentDigest> {
        self.here.iter().filter(move |one| one.run == Some(run)).map(|one| one.content)
    }

    /// The version of the signed list, where it has everything that a run took back.
    fn signed_for(&self, run: RunId) -> Option<u32> {
        let list = self.list.as_ref()?;
        self.of_run(run).all(|content| list.refuses(content).is_some()).then(|| list.version())
    }
}

impl App {
    /// Refuses what a rollout took back: on this console, and as far as its key may sign a new version of
    /// the list, on every agent of the run. What is left to do is told where the run is shown.
    pub(crate) async fn refuse_after(
        &self,
        run: RunId,
        console: Option<Arc<SigningKey>>,
    ) -> Result<(), AppError> {
        let (plan, entries) = self.run_record(run).await?;
        if plan.rollout.is_none() {
            return Ok(());
        }
        self.refuse_rolled_back(run, &plan, &fold(&entries)).await?;
        let known = self.refused_known(&plan.fleet).await?;
        if known.of_run(run).next().is_none() {
            return Ok(());
        }
        if let Err(why) = self.spread(run, &plan, &known, console).await {
            warn!(%run, %why, "what was rolled back is not refused everywhere");
            *self.0.unspread.lock().expect("no panic while a reason is held") = Some((run, why));
        }
        Ok(())
    }

    /// Content that a run brought and that was taken back again is refused from now on.
    async fn refuse_rolled_back(
        &self,
        run: RunId,
        plan: &Plan,
        state: &RunState,
    ) -> Result<(), AppError> {
        let Some(rollback) = &state.rollback else { return Ok(()) };
        let was_touched = |node| {
            state
                .nodes
                .get(node)
                .is_some_and(|node| !matches!(node.phase, NodePhase::Waiting | NodePhase::Skipped))
        };
        let brought: BTreeSet<ContentDigest> = plan
            .targets()
            .filter(|target| was_touched(&target.node))
            .filter(|target| target.after.content != target.before.content)
            .filter_map(|target| target.after.content)
            .collect();
        let known = self.refused_known(&plan.fleet).await?;
        let since = whole_ms(self.now());
        let mut record = self.record().write().await?;
        for content in brought.into_iter().filter(|content| known.since(*content).is_none()) {
            let reason = format!("rolled back: {}", rollback.reason);
            let entry = RefusedHere { content, since, reason, run: Some(run) };
            plumb_store::refused::refuse(&mut record, &plan.fleet, &entry).await?;
        }
        record.commit().await?;
        Ok(())
    }

    /// Signs the next version of the list where it does not have everything yet, and sends it to the
    /// agents of the run. The error says in a sentence what stands in the way.
    async fn spread(
        &self,
        run: RunId,
        plan: &Plan,
        known: &Known,
        console: Option<Arc<SigningKey>>,
    ) -> Result<(), String> {
        let said = |error: AppError| error.message;
        if known.signed_for(run).is_none() {
            let roster = self.roster_of(&plan.fleet).await.map_err(said)?;
            let roster = roster.ok_or("no roster says who may sign a refused list")?;
            let key = self.list_key(&roster, console).await?;
            // What somebody refuses here only, and signed nothing for, stays so.
            let next = known.next_with(&plan.fleet, self.now(), |one| one.run == Some(run));
            let envelope = next.sign(&key).map_err(|error| refused(&error).message)?;
            self.accept_refused(&plan.fleet, &roster, &envelope).await.map_err(said)?;
            info!(%run, "refused list signed after a rollback");
        }
        let (state, loaded) = self.loaded(plan.fleet.as_str()).map_err(said)?;
        let of_plan = plan.targets().filter_map(|target| loaded.fleet.nodes.get(&target.node));
        let agents: Vec<&Node> =
            of_plan.map(Arc::as_ref).filter(|node| node.api == NodeApi::Agent).collect();
        let Pushed { nodes, hub, .. } = self.push_to(&loaded, agents).await.map_err(said)?;
        let (taken, not_taken): (Vec<_>, Vec<_>) =
            nodes.into_iter().partition(|(_, answer)| answer.is_ok());
        let taken: Vec<NodeId> = taken.into_iter().map(|(node, _)| node).collect();
        if !taken.is_empty() {
            // What they tell of it from now on is what everybody sees.
            self.observe_of(&state, &loaded, &taken).await.map_err(said)?;
        }
        let of_nodes = not_taken.into_iter().map(|(node, answer)| (node.to_string(), answer));
        let of_hub = hub.map(|answer| (THE_HUB.to_owned(), answer));
        let first = of_nodes.chain(of_hub).find_map(|(who, answer)| Some((who, answer.err()?)));
        first.map_or(Ok(()), |(who, why)| Err(format!("{who} did not take the list: {why}")))
    }

    /// The key that may sign a list by itself: one in the keyring of the person who acts here, or else the
    /// console's own where the roster names it. The error says why there is none.
    async fn list_key(
        &self,
        roster: &Roster,
        console: Option<Arc<SigningKey>>,
    ) -> Result<Arc<SigningKey>, String> {
        let now = self.now();
        let mut why = None;
        if let Ok(person) = self.requester(roster) {
            let own = roster.keys().filter(|(owner, key)| **owner == person && key.counts(now));
            let own: BTreeSet<String> = own.map(|(_, key)| key.key.id().to_string()).collect();
            let kept = self.personal_keys().map_err(|error| error.message)?;
            for key in kept.into_iter().filter(|key| own.contains(&key.fingerprint)) {
                if key.place != IN_KEYRING {
                    let what = "which is opened only by whoever has its passphrase";
                    why.get_or_insert(format!("the key of {person} is in {}, {what}", key.place));
                    continue;
                }
                match self.personal_key(&KeyChoice::Kept(Some(key.name))).await {
                    Ok(key) => return Ok(Arc::new(key)),
                    Err(error) => drop(why.insert(error.message)),
                }
            }
        }
        let console = match console {
            Some(key) => Some(key),
            None => self.load_key().await.ok().map(Arc::new),
        };
        let named = |key: &SigningKey| {
            roster.keys().any(|(_, one)| one.key == *key.public() && one.counts(now))
        };
        let none =
            || "the roster names no key that this console may sign with by itself".to_owned();
        console.filter(|key| named(key)).ok_or_else(|| why.unwrap_or_else(none))
    }

    /// Sends the newest list to the hub of a fleet, and with the roster to every agent.
    pub async fn push_refused(&self, fleet: &str) -> Result<RefusedPushView, AppError> {
        self.writable(fleet)?;
        let (_, loaded) = self.loaded(fleet)?;
        let nodes = loaded.fleet.nodes.values().map(Arc::as_ref).collect();
        let Pushed { list, nodes, hub } = self.push_to(&loaded, nodes).await?;
        let (mut taken, mut not_taken) = (Vec::new(), Vec::new());
        let of_nodes = nodes.into_iter().map(|(node, answer)| (node.to_string(), answer));
        for (node, answer) in of_nodes.chain(hub.map(|answer| (THE_HUB.to_owned(), answer))) {
            match answer {
                Ok(()) => taken.push(node),
                Err(reason) => not_taken.push(NotTakenView { node, reason }),
            }
        }
        let fleet = loaded.fleet.name.to_string();
        Ok(RefusedPushView { fleet, version: list.version(), taken, not_taken })
    }

    async fn push_to(&self, loaded: &Loaded, nodes: Vec<&Node>) -> Result<Pushed, AppError> {
        let fleet = &loaded.fleet.name;
        let (list, envelope) = self.newest_refused(fleet).await?;
        let roster = {
            let mut conn = self.record().read().await?;
            plumb_store::rosters::newest(&mut conn, fleet).await?.map(|kept| kept.envelope)
        };
        let roster = roster.unwrap_or_default();
        let deadline = Duration::from_secs(u64::from(loaded.fleet.deadline_s));
        let now = self.wall();
        let hub = self.put_at_hub(loaded, &envelope).await;
        let (pool, roster, envelope) = (&loaded.pool, &roster, &envelope);
        let pushes: Vec<_> = nodes
            .into_iter()
            .map(|node| {
                let now = now.clone();
                async move {
                    if node.api != NodeApi::Agent {
                        let reason = format!("a {} node cannot enforce it", node.api.name());
                        return (node.id.clone(), Err(reason));
                    }
                    // An agent with a newer roster says so, and judges the list by that.
                    let _ = put_signed(pool, node, Signed::Roster, roster, deadline, &now).await;
                    let put = Signed::RefusedList;
                    let put = put_signed(pool, node, put, envelope, deadline, &now).await;
                    (node.id.clone(), put.map_err(|failure| failure.message))
                }
            })
            .collect();
        let nodes = stream::iter(pushes).buffer_unordered(PUSHES_AT_ONCE).collect().await;
        Ok(Pushed { list, nodes, hub })
    }

    /// From there agents take it themselves, those too that do not answer now. Nothing where there is no hub.
    async fn put_at_hub(&self, loaded: &Loaded, list: &[u8]) -> Option<Result<(), String>> {
        let put = async {
            match self.hub(loaded).await? {
                Some(hub) => hub.put_refused(list.to_vec()).await.map(Some),
                None => Ok(None),
            }
        };
        put.await.map_err(|error| error.to_string()).transpose()
    }

    /// How what a run took back is refused now; nothing where it took nothing back.
    pub(crate) async fn refused_by(
        &self,
        run: RunId,
        plan: &Plan,
    ) -> Result<Option<RunRefused>, AppError> {
        let known = self.refused_known(&plan.fleet).await?;
        let contents: Vec<String> = known.of_run(run).map(|content| content.to_string()).collect();
        if contents.is_empty() {
            return Ok(None);
        }
        let list_version = known.signed_for(run);
        let mut view = RunRefused {
            contents,
            list_version,
            holding: 0,
            behind: Vec::new(),
            cannot: Vec::new(),
            to_do: None,
        };
        // Of a fleet that is not open here, nodes are not known.
        if let (Some(_), Ok(current)) = (list_version, self.current(plan.fleet.as_str()).await) {
            for target in plan.targets() {
                match stance(&current, &target.node, list_version) {
                    Stance::Enforces => view.holding += 1,
                    Stance::Behind => view.behind.push(target.node.to_string()),
                    Stance::Cannot => view.cannot.push(target.node.to_string()),
                }
            }
        }
        view.to_do = self.left_to_do(run, &plan.fleet, &view);
        Ok(Some(view))
    }

    fn left_to_do(&self, run: RunId, fleet: &FleetId, view: &RunRefused) -> Option<String> {
        let newest = self.0.unspread.lock().expect("no panic while a reason is held");
        let why = newest.as_ref().filter(|(of, _)| *of == run).map(|(_, why)| format!("{why}; "));
        let why = why.unwrap_or_default();
        let push = format!("plumb refused push --fleet {fleet}");
        match view.list_version {
            None => Some(format!(
                "{why}only this console refuses it: plumb refused add --fleet {fleet} --key FILE, then {push}"
            )),
            Some(_) if !view.behind.is_empty() => {
                Some(format!("{why}send the list to whoever misses it: {push}"))
            }
            Some(_) => None,
        }
    }
}
