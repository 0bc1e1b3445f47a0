//! What a plan changes in the answers of its nodes: for each change of content, both are asked the same
//! requests.

use std::{collections::BTreeMap, sync::PoisonError};

use plumb_decide::{Change, FlipReport, Outcome};
use plumb_fleet::{
    BundleDigest, Catalogue, ContentDigest, Digest, FleetId, NodeApi, NodeId, fleet::DecisionsEntry,
};
use plumb_runbook::{
    Compared, ContentChange, FlipCounts, FlipKind, Plan, ReadAs, Running, decisions,
};
use tokio_util::sync::CancellationToken;

use crate::{
    actions::files::read_text,
    app::App,
    error::{AppError, Code},
    impact::{
        self, Evaluators, Expected, ImpactRequest, Looked, NamedBundle, Reading, RecordedRequest,
        Side,
    },
    views::impact::ImpactView,
};

/// Changes of content that are compared for one plan; those of more nodes come first.
const CHANGES_MAX: usize = 8;
/// Comparisons that are remembered.
const REMEMBERED_MAX: usize = 64;

/// Two contents, how they are read, and the digest of what both were asked.
type Asked = (ContentDigest, ContentDigest, ReadAs, Digest);

/// What comparisons came to, by what was asked of which contents: the same question has the same answer.
#[derive(Debug, Default)]
pub(crate) struct Comparisons(BTreeMap<Asked, Compared>);

impl Comparisons {
    fn keep(&mut self, asked: Asked, compared: Compared) {
        if self.0.len() >= REMEMBERED_MAX {
            self.0.pop_first();
        }
        self.0.insert(asked, compared);
    }
}

/// The comparison that somebody looks at, by its contents, and what ends it: one at a time.
#[derive(Debug, Default)]
pub(crate) struct Looking(Option<(Looked, CancellationToken)>);

impl Looking {
    /// Ends the comparison that was looked at, and gives what ends this one.
    fn at(&mut self, looked: &Looked, parent: &CancellationToken) -> CancellationToken {
        let ends = parent.child_token();
        if let Some((_, before)) = self.0.replace((looked.clone(), ends.clone())) {
            before.cancel();
        }
        ends
    }

    /// Ends the comparison of two contents, where that is the one that goes on.
    fn stop(&mut self, looked: &Looked) {
        if let Some((_, ends)) = self.0.take_if(|(one, _)| one == looked) {
            ends.cancel();
        }
    }
}

/// What a fleet wants to be asked of both contents.
struct Questions {
    requests: Vec<RecordedRequest>,
    entrypoint: Option<String>,
    /// Of everything above.
    digest: Digest,
}

impl Questions {
    fn about(&self, from: NamedBundle, to: NamedBundle, reading: Reading) -> ImpactRequest {
        ImpactRequest {
            from: Side::Bundle(from),
            to: Side::Bundle(to),
            requests: self.requests.clone(),
            entrypoint: self.entrypoint.clone(),
            reading,
            seed: impact::SEED,
        }
    }
}

impl App {
    /// Compares the contents that a plan exchanges. What cannot be compared is told with its reason: a
    /// file that does not read keeps nobody from going back at night.
    pub(crate) async fn decisions_of(
        &self,
        plan: &Plan,
        catalogue: &Catalogue,
    ) -> Vec<ContentChange> {
        let changes = decisions::changes(plan, |node| self.reads(&plan.fleet, node));
        if changes.is_empty() {
            return Vec::new();
        }
        let questions = match self.questions(plan.fleet.as_str()).await {
            Ok(questions) => questions,
            Err(error) => {
                let compared = Compared::No { reason: error.message };
                let untold = |(from, to, read)| {
                    let (read, compared) = (Some(read), compared.clone());
                    ContentChange { from, to, read, compared }
                };
                return changes.into_iter().map(untold).collect();
            }
        };
        let evaluators = self.evaluators();
        let mut found = Vec::new();
        for (number, (from, to, read)) in changes.into_iter().enumerate() {
            let compared = if number < CHANGES_MAX {
                self.compared(&evaluators, catalogue, (&from, &to, read), &questions).await
            } else {
                let reason = format!("only the {CHANGES_MAX} changes of most nodes are");
                Compared::No { reason }
            };
            found.push(ContentChange { from, to, read: Some(read), compared });
        }
        evaluators.close().await;
        found
    }

    /// How a node of a fleet reads rules; one that is gone from the fleet file as documented.
    fn reads(&self, fleet: &FleetId, node: &NodeId) -> ReadAs {
        let api = self.loaded(fleet.as_str()).ok().and_then(|(_, loaded)| {
            let node = loaded.fleet.nodes.get(node)?;
            Some(node.api)
        });
        ReadAs::by(api.unwrap_or(NodeApi::Agent))
    }

    /// What a node must answer once it exchanged a content for another, as of now.
    pub(crate) async fn expected_answers(
        &self,
        fleet: &FleetId,
        (from, to): (Option<ContentDigest>, ContentDigest),
        reading: Reading,
    ) -> Result<Vec<Expected>, AppError> {
        let current = self.current(fleet.as_str()).await?;
        let catalogue = &current.desired.catalogue;
        let after = bundle(catalogue, to).await?;
        let before = match from {
            // What flips is asked first; without the old content nothing is known to flip.
            Some(from) => bundle(catalogue, from).await.unwrap_or_else(|_| after.clone()),
            None => after.clone(),
        };
        let questions = self.questions(fleet.as_str()).await?;
        let request = questions.about(before, after, reading);
        let evaluators = self.evaluators();
        let expected = impact::expected(&evaluators, &request, self.now()).await;
        evaluators.close().await;
        expected
    }

    /// Compares two contents for somebody who looks at them; their bundles have to be at hand. `told`
    /// hears what is known so far, again and again. Whoever looks at something else meanwhile ends it.
    pub async fn impact_of(
        &self,
        fleet: &str,
        looked: &Looked,
        told: impl FnMut(&ImpactView) + Send,
    ) -> Result<ImpactView, AppError> {
        let ended = self.looking().at(looked, &self.0.cancel);
        let reading = match looked.reading {
            Some(reading) => reading,
            None => self.reading_of(fleet)?,
        };
        let current = self.current(fleet).await?;
        let questions = self.questions(fleet).await?;
        let read = async |content: &str| {
            let content = content.parse().map_err(|error: plumb_fleet::ids::DigestError| {
                AppError::new(Code::Invalid, error.to_string(), "give the full content digest")
            })?;
            bundle(&current.desired.catalogue, content).await
        };
        let (from, to) = (read(&looked.from).await?, read(&looked.to).await?);
        let request = questions.about(from, to, reading);
        let evaluators = self.evaluators();
        let view = tokio::select! {
            view = Box::pin(impact::impact(&evaluators, &request, told)) => view,
            () = ended.cancelled() => {
                let hint = "look at it again";
                Err(AppError::new(Code::Outdated, "somebody looks at something else now", hint))
            }
        };
        evaluators.close().await;
        view
    }

    /// Ends the comparison of two contents, where that is the one that goes on.
    pub fn stop_looking(&self, looked: &Looked) {
        self.looking().stop(looked);
    }

    fn looking(&self) -> std::sync::MutexGuard<'_, Looking> {
        self.0.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn evaluators(&self) -> Evaluators {
        self.0.options.evaluator.clone().map_or_else(Evaluators::none, Evaluators::of)
    }

    async fn compared(
        &self,
        evaluators: &Evaluators,
        catalogue: &Catalogue,
        (from, to, read): (&Running, &Running, ReadAs),
        questions: &Questions,
    ) -> Compared {
        let (Some(before), Some(after)) = (from.content, to.content) else {
            return Compared::No { reason: "it is not known what runs".to_owned() };
        };
        let asked = (before, after, read, questions.digest);
        let compared = async {
            // Read each time: what is remembered is of bundles that are still there.
            let (from, to) = (bundle(catalogue, before).await?, bundle(catalogue, after).await?);
            let known = self.comparisons().0.get(&asked).cloned();
            if let Some(known) = known {
                return Ok(known);
            }
            let request = questions.about(from, to, reading(read));
            let (view, report) = Box::pin(impact::compared(evaluators, &request, |_| {})).await?;
            told(&view, &report, (before, after))
        };
        match compared.await {
            Ok(compared) => {
                // What was not evaluated may be, with more time.
                if matches!(&compared, Compared::Yes { flips, .. } if flips.not_evaluated == 0) {
                    self.comparisons().keep(asked, compared.clone());
                }
                compared
            }
            // Not remembered: the file may be there the next time.
            Err(error) => Compared::No { reason: error.message },
        }
    }

    fn comparisons(&self) -> std::sync::MutexGuard<'_, Comparisons> {
        self.0.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the fleet file wants to be asked: its requests, and the rule of Rego.
    pub async fn asked_of_contents(
        &self,
        fleet: &str,
    ) -> Result<(Vec<RecordedRequest>, Option<String>), AppError> {
        let Questions { requests, entrypoint, .. } = self.questions(fleet).await?;
        Ok((requests, entrypoint))
    }

    async fn questions(&self, fleet: &str) -> Result<Questions, AppError> {
        let (state, loaded) = self.loaded(fleet)?;
        let DecisionsEntry { requests, entrypoint, .. } = loaded.fleet.decisions.clone();
        let (mut text, mut read) = (String::new(), Vec::new());
        if let Some(name) = requests {
            let path = state.file.parent().map_or_else(|| name.clone().into(), |at| at.join(&name));
            text = read_text(path, impact::requests::BYTES_MAX).await?;
            read = impact::requests::read(&name, &text)?;
        }
        let asked = format!("{}\n{text}", entrypoint.as_deref().unwrap_or_default());
        Ok(Questions { requests: read, entrypoint, digest: Digest::of(asked.as_bytes()) })
    }
}

pub(crate) const fn reading(read: ReadAs) -> Reading {
    match read {
        ReadAs::Documented => Reading::Documented,
        ReadAs::Field => Reading::Field,
    }
}

/// The bundle with a content, from the files of the fleet.
pub(crate) async fn bundle(
    catalogue: &Catalogue,
    content: ContentDigest,
) -> Result<NamedBundle, AppError> {
    let entries = catalogue.entries.iter().filter(|entry| entry.content == content);
    let at_hand = entries.filter_map(|entry| entry.local_path.as_ref().map(|path| (entry, path)));
    let Some((entry, path)) = at_hand.min_by_key(|(entry, _)| entry.digest) else {
        let message = format!("no bundle with the content {} is at hand", content.short());
        let hint = "put the signed bundle where the fleet file looks for bundles";
        return Err(AppError::new(Code::NotFound, message, hint));
    };
    let bundle = impact::read_bundle(entry.version.as_str(), path).await?;
    if BundleDigest(Digest::of(&bundle.bytes)) != entry.digest {
        let message = format!("the file of version {} is another bundle now", bundle.label);
        return Err(AppError::new(Code::Outdated, message, "sweep, and compare again"));
    }
    Ok(bundle)
}

/// What a comparison came to, if it was one of these two contents.
fn told(
    view: &ImpactView,
    report: &FlipReport,
    (before, after): (ContentDigest, ContentDigest),
) -> Result<Compared, AppError> {
    for (side, content) in [(&view.from, before), (&view.to, after)] {
        if side.content != content.to_string() {
            let message = format!("the file of version {} has another content now", side.label);
            return Err(AppError::new(Code::Outdated, message, "sweep, and compare again"));
        }
    }
    let mut flips = FlipCounts {
        not_evaluated: report.not_evaluated.iter().map(|group| group.cases).sum(),
        ..FlipCounts::default()
    };
    for group in &report.groups {
        let count = match group.kind.change {
            Change::Wider => &mut flips.wider,
            Change::Stricter => &mut flips.stricter,
            Change::Error => &mut flips.error,
            Change::Other => &mut flips.other,
            Change::ReasonOnly => &mut flips.reason_only,
        };
        *count += group.cases;
    }
    let answer = |outcome: &Outcome| match &outcome.rule {
        Some(rule) => format!("{} by {rule}", outcome.effect.word()),
        None => outcome.effect.word().to_owned(),
    };
    let kinds = report.groups.iter().take(decisions::KINDS_MAX).map(|group| FlipKind {
        before: answer(&group.example.before),
        after: answer(&group.example.after),
        requests: group.cases,
        asked: group.weight,
        example: group.example.case.input.to_string(),
    });
    Ok(Compared::Yes {
        report: report.digest(),
        requests: report.cases,
        rule: view.entrypoint.clone(),
        flips,
        kinds: kinds.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comparison_is_looked_at_and_only_that_is_ended() {
        let (app, mut looking) = (CancellationToken::new(), Looking::default());
        let looked = |from: &str, to: &str, reading| Looked {
            from: from.to_owned(),
            to: to.to_owned(),
            reading,
        };
        let (ab, bc) = (looked("a", "b", None), looked("b", "c", None));
        let first = looking.at(&ab, &app);
        let second = looking.at(&bc, &app);
        assert!(first.is_cancelled() && !second.is_cancelled(), "somebody looks at the second now");
        looking.stop(&ab);
        looking.stop(&looked("b", "c", Some(Reading::Field)));
        assert!(!second.is_cancelled(), "those are over");
        looking.stop(&bc);
        assert!(second.is_cancelled());
        let third = looking.at(&bc, &app);
        app.cancel();
        assert!(third.is_cancelled(), "the program closes");
    }
}
