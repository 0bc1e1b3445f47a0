//! What a fleet holds that must go on verifying, and the words for what would not.

use plumb_app::{
    actions::kept_packs::KeptPacks,
    queries::{
        kept::{Holder, KeptBundles, UnknownBundle},
        kept_approvals::{AffectedApproval, RetiredApprovals},
    },
};
use plumb_trust::{NotTrusted, Simulation};

use super::{AffectedEntry, SimulationDocument};

const BUNDLE: &str = "bundle";
const PACK: &str = "pack";
const APPROVAL: &str = "approval";

/// Everything that was judged: bundles first, then packs, each under its place in this order.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bundles: KeptBundles,
    pub(super) packs: KeptPacks,
    pub(super) approvals: RetiredApprovals,
}

/// One thing that was judged, with everybody who holds it.
struct Judged<'a> {
    kind: &'static str,
    version: Option<&'a str>,
    file: Option<String>,
    holders: &'a [Holder],
}

impl Held {
    /// The same for every node that holds one of the bundles or packs, and for every approval.
    pub(super) fn document(&self, fleet: &str, simulation: &Simulation) -> SimulationDocument {
        let approval = |one: &AffectedApproval| AffectedEntry {
            node: one.person.clone(),
            role: one.act.clone(),
            kind: Some(APPROVAL.to_owned()),
            problem: one.problem.clone(),
            version: Some(one.plan.clone()),
            file: None,
        };
        let all = |list: &[NotTrusted], approvals: &[AffectedApproval]| {
            let mut entries = self.of_holders(list);
            let held = entries.len();
            entries.extend(approvals.iter().map(approval));
            (entries, held)
        };
        let (broken, broken_held) = all(&simulation.broken, &self.approvals.broken);
        let (failing, failing_held) = all(&simulation.failing, &self.approvals.failing);
        let holders: usize = self.judged().map(|one| one.holders.len()).sum();
        let bundles = self.bundles.unknown.iter().map(|one| unknown(BUNDLE, one));
        let packs = self.packs.unknown.iter().map(|one| unknown(PACK, one));
        SimulationDocument {
            retired: simulation.retired.clone(),
            unaffected: holders - broken_held - failing_held + self.approvals.unaffected,
            fleet: Some(fleet.to_owned()),
            unknown: bundles.chain(packs).collect(),
            broken,
            failing,
        }
    }

    fn judged(&self) -> impl Iterator<Item = Judged<'_>> {
        let bundles = self.bundles.bundles.iter().map(|bundle| Judged {
            kind: BUNDLE,
            version: Some(&bundle.version),
            file: Some(bundle.path.to_string()),
            holders: &bundle.holders,
        });
        let packs = self.packs.packs.iter().map(|pack| Judged {
            kind: PACK,
            version: pack.version.as_deref(),
            file: None,
            holders: &pack.holders,
        });
        bundles.chain(packs)
    }

    fn of_holders(&self, list: &[NotTrusted]) -> Vec<AffectedEntry> {
        let judged: Vec<Judged<'_>> = self.judged().collect();
        let mut entries = Vec::new();
        for one in list {
            let place: Option<usize> = one.node.parse().ok();
            let Some(held) = place.and_then(|place| judged.get(place)) else { continue };
            entries.extend(held.holders.iter().map(|holder| AffectedEntry {
                node: holder.node.clone(),
                role: holder.role.to_owned(),
                kind: Some(held.kind.to_owned()),
                problem: one.problem.clone(),
                version: held.version.map(str::to_owned),
                file: held.file.clone(),
            }));
        }
        entries
    }
}

fn unknown(kind: &str, one: &UnknownBundle) -> AffectedEntry {
    AffectedEntry {
        node: one.holder.node.clone(),
        role: one.holder.role.to_owned(),
        kind: Some(kind.to_owned()),
        problem: one.problem.clone(),
        version: None,
        file: None,
    }
}
