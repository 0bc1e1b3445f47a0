//! One side of a comparison: read from the bytes of a bundle, or a node.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_bundle::{Bundle, Format, OpaArchive, PolicyPack, SignedJson};
use plumb_decide::{
    Case, Coverage, Entrypoint, Outline, PreparedRules, Reading, Reason, RegoSource,
    cases_of_outlines, cases_of_rules,
};
use plumb_fleet::ContentDigest;
use plumb_worker::WorkerPool;

use super::{
    Evaluators, NamedBundle, Side,
    semantics::{FirstMatch, Rego, Remote, Semantics, steady},
};
use crate::error::{AppError, Code, chain};

/// Candidates named when no entry point was given and several are possible.
const NAMED_MAX: usize = 10;

/// Whoever can be asked.
pub(super) struct Policy {
    /// Nothing where it is not known what a node runs.
    content: Option<ContentDigest>,
    kind: Kind,
}

enum Kind {
    Rules(PreparedRules),
    Rego {
        pool: WorkerPool,
        source: RegoSource,
        read: Option<(Outline, RegoSource)>,
    },
    /// A node, and what it runs where the bundle of that is at hand: requests are made from it.
    Node {
        remote: Remote,
        runs: Option<Box<Policy>>,
    },
}

impl Policy {
    pub(super) async fn of(
        evaluators: &Evaluators,
        side: &Side,
        reading: Reading,
    ) -> Result<Self, AppError> {
        let asked = match side {
            Side::Bundle(bundle) => return Self::read(evaluators, bundle, reading).await,
            Side::Node(asked) => asked,
        };
        let runs = match &asked.runs {
            Some(bundle) => {
                Some(Box::new(Box::pin(Self::read(evaluators, bundle, reading)).await?))
            }
            None => None,
        };
        Ok(Self { content: asked.content, kind: Kind::Node { remote: asked.remote.clone(), runs } })
    }

    /// What of it is read here.
    fn local(&self) -> Option<&Self> {
        match &self.kind {
            Kind::Node { runs, .. } => runs.as_deref(),
            Kind::Rules(_) | Kind::Rego { .. } => Some(self),
        }
    }

    /// The time by which a node answers, where this is one: nobody can ask it about another.
    pub(super) fn answers_at(&self) -> Option<Timestamp> {
        match &self.kind {
            Kind::Node { remote, .. } => Some((remote.now)()),
            Kind::Rules(_) | Kind::Rego { .. } => None,
        }
    }

    /// Which of the cases it answers alike a few minutes earlier and later. Of a node that is told by what it
    /// runs, where that is known.
    pub(super) async fn steady(
        &self,
        entrypoint: &Entrypoint,
        cases: &[Case],
        now: Timestamp,
    ) -> Vec<bool> {
        match self.local().filter(|local| local.asks_time()) {
            Some(local) => steady(&*local.semantics(entrypoint), cases, now).await,
            None => vec![true; cases.len()],
        }
    }

    /// Reads a bundle of any format. Rego that the evaluator cannot read is asked all the same: every
    /// answer then says why there is none.
    async fn read(
        evaluators: &Evaluators,
        bundle: &NamedBundle,
        reading: Reading,
    ) -> Result<Self, AppError> {
        let wrong = |error: &dyn std::error::Error| {
            let message = format!("{}: {}", bundle.label, chain(error));
            AppError::new(Code::Invalid, message, "give a bundle that can be read")
        };
        let known = Bundle::read(&bundle.bytes).map_err(|error| wrong(&error))?;
        let source = match Format::of(&bundle.bytes) {
            Format::SignedJson => {
                let read = SignedJson::read(&bundle.bytes).map_err(|error| wrong(&error))?;
                let rules = PreparedRules::of_signed_json(&read, reading);
                let rules = rules.map_err(|error| wrong(&error))?;
                return Ok(Self { content: Some(known.content), kind: Kind::Rules(rules) });
            }
            Format::OpaArchive => {
                let read = OpaArchive::read(&bundle.bytes).map_err(|error| wrong(&error))?;
                RegoSource::of_archive(&read)
            }
            Format::PolicyPack => {
                let read = PolicyPack::read(&bundle.bytes).map_err(|error| wrong(&error))?;
                RegoSource::of_pack(&read)
            }
        };
        let source = source.map_err(|reason| wrong(&reason))?;
        let pool = evaluators.pool().cloned().ok_or_else(|| {
            let message = "Rego is evaluated in a process of its own, and none is started here";
            AppError::new(Code::Other, message, "compare with plumb policy impact")
        })?;
        let read = outline(&pool, &source).await;
        Ok(Self { content: Some(known.content), kind: Kind::Rego { pool, source, read } })
    }

    pub(super) fn content(&self) -> Option<ContentDigest> {
        self.content
    }

    pub(super) fn is_rego(&self) -> bool {
        self.local().is_some_and(|local| matches!(local.kind, Kind::Rego { .. }))
    }

    pub(super) fn format(&self) -> &'static str {
        match self.kind {
            Kind::Rules(_) => "first_match",
            Kind::Rego { .. } => "rego",
            Kind::Node { .. } => "node",
        }
    }

    /// Whether an answer may depend on the time. Unread Rego may do anything.
    pub(super) fn asks_time(&self) -> bool {
        match &self.kind {
            Kind::Rules(rules) => rules.asks_time(),
            Kind::Rego { read, .. } => read.as_ref().is_none_or(|(outline, _)| outline.asks_time),
            Kind::Node { runs, .. } => runs.as_ref().is_none_or(|runs| runs.asks_time()),
        }
    }

    /// Requests for both, made from their conditions.
    pub(super) fn generate(from: &Self, to: &Self, seed: u64) -> Result<Vec<Case>, AppError> {
        let (mut rules, mut outlines, mut rego) = (Vec::new(), Vec::new(), false);
        for local in [from, to].into_iter().filter_map(Self::local) {
            match &local.kind {
                Kind::Rules(prepared) => rules.push(prepared),
                Kind::Rego { read, .. } => {
                    rego = true;
                    outlines.extend(read.as_ref().map(|(outline, _)| outline));
                }
                Kind::Node { .. } => {}
            }
        }
        match (rules.is_empty(), rego) {
            (false, false) => Ok(cases_of_rules(&rules, seed)),
            (true, true) => Ok(cases_of_outlines(&outlines, seed)),
            // Two nodes of which nobody here knows what they run are asked what was given.
            (true, false) => Ok(Vec::new()),
            (false, true) => Err(AppError::new(
                Code::Invalid,
                "one bundle is a list of rules and the other is Rego, which nobody asks alike",
                "compare bundles of one kind",
            )),
        }
    }

    /// Who answers for it.
    pub(super) fn semantics<'p>(&'p self, entrypoint: &'p Entrypoint) -> Box<dyn Semantics + 'p> {
        match &self.kind {
            Kind::Rules(rules) => Box::new(FirstMatch(rules)),
            Kind::Node { remote, .. } => Box::new(remote.clone()),
            Kind::Rego { pool, source, read } => {
                let telling = read.as_ref().map(|(outline, telling)| (outline, telling));
                Box::new(Rego { pool, source, telling, entrypoint })
            }
        }
    }

    /// What the cases reached; nothing where the policy could not be read, and of nodes.
    pub(super) fn cover(&self, cases: &[Case], held: &[BTreeSet<usize>]) -> Option<Coverage> {
        match &self.kind {
            Kind::Rules(rules) => Some(rules.cover(cases)),
            Kind::Node { .. } => None,
            Kind::Rego { read, .. } => read.as_ref().map(|(outline, _)| outline.cover(cases, held)),
        }
    }

    /// Whether it is known that nothing is defined at or below an entry point.
    fn lacks(&self, entrypoint: &Entrypoint) -> bool {
        // What a node runs may be anything.
        let Some(local) = self.local() else { return true };
        let Kind::Rego { read: Some((outline, _)), .. } = &local.kind else { return false };
        let wanted = entrypoint.to_string();
        let defines = |rule: &str| {
            let rest = format!("data.{rule}");
            rest.strip_prefix(&wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        !outline.definitions.iter().any(|definition| defines(&definition.rule))
    }

    /// Rules that may be meant where none is named.
    fn candidates(&self) -> BTreeSet<&str> {
        let Some(Kind::Rego { read: Some((outline, _)), .. }) = self.local().map(|one| &one.kind)
        else {
            return BTreeSet::new();
        };
        let rules = outline.definitions.iter().map(|definition| definition.rule.as_str());
        rules.filter(|rule| rule.rsplit('.').next() == Some("allow")).collect()
    }
}

/// What a policy asks, with the source that tells which definitions held. Only a source that the
/// evaluator takes is used: where it does not, no rule is named and nothing else is lost.
async fn outline(pool: &WorkerPool, source: &RegoSource) -> Option<(Outline, RegoSource)> {
    let untold = |reason: &Reason| tracing::info!(%reason, "what a policy asks is not known");
    let traced = pool.outline(source).await.inspect_err(untold).ok()?;
    let telling = source.telling(&traced.added);
    pool.prepare(&telling, &[]).await.inspect_err(untold).ok()?;
    Some((traced.outline, telling))
}

/// The rule to ask: the one that was named, or the only one called `allow`. First-match rules have
/// none, and anything will do.
pub(super) fn entrypoint(
    from: &Policy,
    to: &Policy,
    named: Option<&str>,
) -> Result<Entrypoint, AppError> {
    let parsed = |text: &str| {
        text.parse().map_err(|reason: Reason| {
            AppError::new(Code::Invalid, chain(&reason), "write data.package.rule")
        })
    };
    if let Some(named) = named {
        let entrypoint = parsed(named)?;
        // Asked for what nobody defines, both would say nothing, and nothing would ever change.
        if from.lacks(&entrypoint) && to.lacks(&entrypoint) {
            let message = format!("neither version defines {entrypoint}");
            return Err(AppError::new(Code::Invalid, message, "name a rule that one of them has"));
        }
        return Ok(entrypoint);
    }
    if !from.is_rego() && !to.is_rego() {
        return parsed("data.rules");
    }
    let candidates: BTreeSet<&str> = from.candidates().into_iter().chain(to.candidates()).collect();
    let mut named = candidates.iter().take(NAMED_MAX);
    match (named.next(), named.next()) {
        (Some(only), None) => parsed(&format!("data.{only}")),
        (None, _) => Err(AppError::new(
            Code::Invalid,
            "the policies have no rule allow, and no rule to ask was named",
            "name the rule to ask, as data.package.rule",
        )),
        (Some(_), Some(_)) => {
            let all: Vec<String> =
                candidates.iter().take(NAMED_MAX).map(|rule| format!("data.{rule}")).collect();
            let message = format!("several rules may be meant: {}", all.join(", "));
            Err(AppError::new(Code::Invalid, message, "name the rule to ask"))
        }
    }
}
