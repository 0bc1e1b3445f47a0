//! What the nodes of a part of a plan need: to be looked at, to be sent something, to be judged.

use std::{borrow::Cow, time::Duration};

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::NodeId;
use plumb_journal::{BranchRun, Event, NodePhase, NodeRun};
use plumb_runbook::{Branch, Effect, NodePlan};

use super::{Decision, Look, Sending, Step, seconds, sooner};
use crate::{
    limits::{LOOK_AGAIN_FIRST, LOOK_AGAIN_MAX, LOOK_HOLDS, NODES_AT_ONCE, SILENT_BEFORE},
    orders::is_settled,
    proof::{happened, must_load_again, otherwise, otherwise_midway, proof, standing},
};

/// What came together for a set of nodes.
pub(super) struct Work<'a> {
    decision: &'a Decision<'a>,
    events: Vec<Event>,
    sendings: Vec<Sending>,
    looks: Vec<NodeId>,
    wake: Option<Timestamp>,
    /// Effects under way.
    acting: usize,
    /// Parts that are not settled.
    open: usize,
}

impl Decision<'_> {
    pub(super) fn work(&self) -> Work<'_> {
        let acts = |node: &&NodeRun| {
            node.forward.phase == NodePhase::Acting || node.back.phase == NodePhase::Acting
        };
        Work {
            decision: self,
            events: Vec::new(),
            sendings: Vec::new(),
            looks: Vec::new(),
            wake: None,
            acting: self.state.nodes.values().filter(acts).count(),
            open: 0,
        }
    }
}

fn part(target: &NodePlan, branch: Branch) -> Option<Cow<'_, NodePlan>> {
    match branch {
        Branch::Forward => Some(Cow::Borrowed(target)),
        Branch::Back => target.way_back().map(Cow::Owned),
    }
}

impl Work<'_> {
    /// The next step for these nodes; nothing when all of them are settled.
    pub(super) fn step(self) -> Option<Step> {
        if !self.events.is_empty() {
            Some(Step::Record(self.events))
        } else if !self.sendings.is_empty() {
            Some(Step::Send(self.sendings))
        } else if !self.looks.is_empty() && !self.decision.known.looking {
            Some(Step::Look(self.looks))
        } else if self.open > 0 {
            Some(Step::Wait { until: self.wake })
        } else {
            None
        }
    }

    pub(super) fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(super) const fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(super) const fn hold(&mut self) {
        self.open += 1;
    }

    fn run(&self, node: &NodeId, branch: Branch) -> BranchRun {
        let run = self.decision.state.nodes.get(node).map(|node| node.branch(branch));
        run.cloned().unwrap_or_default()
    }

    /// Judges a part that was begun, and sends nothing.
    pub(super) fn settle(&mut self, target: &NodePlan, branch: Branch) {
        let run = self.run(&target.node, branch);
        if run.started == 0 || is_settled(run.phase, run.changing) {
            return;
        }
        self.open += 1;
        let Some(part) = part(target, branch) else { return };
        match run.phase {
            NodePhase::Acting => {}
            NodePhase::Accepted if usize_of(run.accepted) < part.effects.len() => {
                let reason = "aborted".to_owned();
                self.skip(&target.node, branch, run.accepted, reason);
            }
            _ => self.judge(&part, branch, &run),
        }
    }

    fn skip(&mut self, node: &NodeId, branch: Branch, index: u32, reason: String) {
        self.events.push(Event::EffectSkipped { node: node.clone(), index, reason, branch });
    }

    /// Carries a part on: its next effect, or its proof.
    pub(super) fn carry_on(&mut self, target: &NodePlan, branch: Branch, may_send: bool) {
        let run = self.run(&target.node, branch);
        if is_settled(run.phase, run.changing) {
            return;
        }
        self.open += 1;
        let effects = match branch {
            Branch::Forward => target.effects.len(),
            Branch::Back => target.back.len(),
        };
        let sends = match run.phase {
            NodePhase::Acting => return,
            NodePhase::Waiting => true,
            phase => phase == NodePhase::Accepted && usize_of(run.accepted) < effects,
        };
        // Most nodes of a large wave wait for their turn.
        if sends && (!may_send || self.is_full()) {
            return;
        }
        if !sends && run.phase == NodePhase::Accepted && !self.seen_since(&target.node, &run) {
            self.looks.push(target.node.clone());
            return;
        }
        let Some(part) = part(target, branch) else { return };
        match run.phase {
            NodePhase::Waiting => self.begin(&part, branch),
            _ if sends => self.send_next(&part, branch, &run),
            _ => self.judge(&part, branch, &run),
        }
    }

    /// Whether it was looked at since its last answer.
    fn seen_since(&self, node: &NodeId, run: &BranchRun) -> bool {
        self.decision.known.seen.get(node).is_some_and(|look| Some(look.began) >= run.heard_at)
    }

    fn is_full(&self) -> bool {
        self.acting + self.sendings.len() >= NODES_AT_ONCE
    }

    /// A node is looked at before its first effect. One that stands as wanted needs nothing, one that
    /// is no longer as planned is left alone.
    fn begin(&mut self, part: &NodePlan, branch: Branch) {
        let decision = self.decision;
        let forward = self.run(&part.node, Branch::Forward);
        let since = match branch {
            Branch::Forward => decision.may_begin_since(branch),
            // A look from before the last answer does not show what that led to.
            Branch::Back => {
                decision.may_begin_since(branch).max(forward.heard_at.unwrap_or(Timestamp::MIN))
            }
        };
        let holds = duration(LOOK_HOLDS);
        let fresh = |look: &&Look| look.began >= since && look.ended + holds > decision.now;
        let Some(look) = decision.known.seen.get(&part.node).filter(fresh) else {
            self.looks.push(part.node.clone());
            return;
        };
        let seen = match &look.answer {
            Ok(seen) => seen,
            Err(message) => {
                let patience = match branch {
                    Branch::Forward => duration(SILENT_BEFORE),
                    // What it is brought back from may be why it is silent.
                    Branch::Back => seconds(part.deadline_s),
                };
                if look.began < since + patience {
                    let next = look.ended + pause(look.ended.duration_since(since));
                    self.look_at(part.node.clone(), next);
                } else {
                    self.prove(part, branch, None, false, format!("{message}; nothing was sent"));
                }
                return;
            }
        };
        // What was accepted and not seen yet may still arrive, whatever the node shows now.
        let may_move = branch == Branch::Back && forward.phase == NodePhase::Accepted;
        let stands = standing(part, seen).ok().filter(|_| !may_move && !must_load_again(part));
        if let Some(detail) = stands {
            self.prove(part, branch, Some(seen), true, detail);
        } else if let Some(reason) = otherwise(part, seen) {
            self.skip(&part.node, branch, 0, reason);
        } else {
            self.send(part, branch, 0);
        }
    }

    /// A node in the middle of its part is sent the next effect at once. After a crash, a pause or a halt
    /// it may be another one: then it is looked at first, and left alone where it is not as it was left.
    fn send_next(&mut self, part: &NodePlan, branch: Branch, run: &BranchRun) {
        let Some(since) = self.decision.state.went_on_at.filter(|at| run.heard_at <= Some(*at))
        else {
            return self.send(part, branch, run.accepted);
        };
        let fresh = |look: &&Look| look.began >= since;
        let Some(look) = self.decision.known.seen.get(&part.node).filter(fresh) else {
            self.looks.push(part.node.clone());
            return;
        };
        match &look.answer {
            Ok(seen) => match otherwise_midway(part, usize_of(run.accepted), seen) {
                Some(reason) => self.skip(&part.node, branch, run.accepted, reason),
                None => self.send(part, branch, run.accepted),
            },
            Err(_) if look.began < since + seconds(part.deadline_s) => {
                let next = look.ended + pause(look.ended.duration_since(since));
                self.look_at(part.node.clone(), next);
            }
            Err(message) => {
                let detail = format!("{message}; the next effect was not sent");
                self.prove(part, branch, None, false, detail);
            }
        }
    }

    fn send(&mut self, part: &NodePlan, branch: Branch, index: u32) {
        let decision = self.decision;
        let Some(effect) = part.effects.get(usize_of(index)) else { return };
        let brings = brings(effect, part);
        if let Some(content) = brings.filter(|content| decision.known.refused.contains(content)) {
            let reason = format!("content {} is refused in this fleet", content.short());
            self.skip(&part.node, branch, index, reason);
            return;
        }
        let way = if branch.is_forward() { "" } else { "back/" };
        self.sendings.push(Sending {
            key: format!("{}/{}/{way}{index}", decision.run, part.node),
            node: part.node.clone(),
            branch,
            index,
            effect: effect.clone(),
            brings,
        });
    }

    fn look_at(&mut self, node: NodeId, at: Timestamp) {
        if at <= self.decision.now {
            self.looks.push(node);
        } else {
            self.wake = sooner(self.wake, Some(at));
        }
    }

    /// Compares what a node shows with what was asked of it, and gives it until its deadline.
    fn judge(&mut self, part: &NodePlan, branch: Branch, run: &BranchRun) {
        let decision = self.decision;
        let node = &part.node;
        let heard = run.heard_at.unwrap_or(decision.now);
        let index = run.started.saturating_sub(1);
        let effect = part.effects.get(usize_of(index));
        let doubt = run.phase == NodePhase::InDoubt;
        if doubt && matches!(effect, Some(Effect::Verify { .. })) {
            let detail =
                "did not say whether it accepts the bundle; nothing was changed".to_owned();
            let (node, happened) = (node.clone(), false);
            self.events.push(Event::EffectSettled { node, index, branch, happened, detail });
            return;
        }
        let after = |look: &&Look| look.began >= heard;
        let Some(look) = decision.known.seen.get(node).filter(after) else {
            self.looks.push(node.clone());
            return;
        };
        let deadline = match decision.state.aborted_at {
            Some(aborted) => aborted.max(heard),
            None => heard + seconds(part.deadline_s),
        };
        let late = look.began >= deadline;
        match &look.answer {
            Err(message) if late => self.prove(part, branch, None, false, message.clone()),
            Err(_) => self.look_again(node, look, heard, deadline),
            Ok(seen) => {
                // What was left in the middle by an abort may have come to be all the same.
                let last =
                    usize_of(index) + 1 == part.effects.len() || run.phase == NodePhase::Skipped;
                let sent_at = run.sent_at.unwrap_or(heard);
                let before = decision.known.loaded_before.get(node).copied();
                let moves = self.may_still_move(part, branch, run, look);
                match proof(part, seen, sent_at, before) {
                    Ok(detail) if last && !moves => {
                        self.prove(part, branch, Some(seen), true, detail);
                    }
                    Ok(_) | Err(_)
                        if doubt
                            && !last
                            && !moves
                            && effect.is_some_and(|e| happened(e, part, seen)) =>
                    {
                        let (node, happened) = (node.clone(), true);
                        let detail = "seen to have happened".to_owned();
                        let settled =
                            Event::EffectSettled { node, index, branch, happened, detail };
                        self.events.push(settled);
                    }
                    Ok(shown) | Err(shown) if late => {
                        self.prove(part, branch, Some(seen), false, shown);
                    }
                    Ok(_) | Err(_) => self.look_again(node, look, heard, deadline),
                }
            }
        }
    }

    /// Whether a node may leave what it shows: what the plan made it load is not seen yet, and that
    /// the way back overtook it is not known.
    fn may_still_move(
        &self,
        part: &NodePlan,
        branch: Branch,
        run: &BranchRun,
        look: &Look,
    ) -> bool {
        let forward = self.run(&part.node, Branch::Forward);
        let heard = forward.heard_at.unwrap_or(Timestamp::MIN);
        branch == Branch::Back
            && forward.phase == NodePhase::Accepted
            && run.phase != NodePhase::Accepted
            && look.began < heard.saturating_add(seconds(part.deadline_s)).unwrap_or(Timestamp::MAX)
    }

    fn look_again(&mut self, node: &NodeId, look: &Look, heard: Timestamp, deadline: Timestamp) {
        let next = look.ended + pause(look.ended.duration_since(heard));
        // Once the deadline has passed, the next look is the last.
        let next = if look.ended < deadline { next.min(deadline) } else { look.ended };
        self.look_at(node.clone(), next);
    }

    fn prove(
        &mut self,
        part: &NodePlan,
        branch: Branch,
        seen: Option<&crate::Observation>,
        arrived: bool,
        detail: String,
    ) {
        self.events.push(Event::NodeProven {
            node: part.node.clone(),
            version: seen.and_then(|seen| seen.version.clone()),
            content: seen.and_then(|seen| seen.content),
            arrived,
            detail,
            branch,
        });
    }
}

/// The pause before the next look: short at first, longer the longer it takes.
fn pause(since: SignedDuration) -> SignedDuration {
    (since / 2).clamp(duration(LOOK_AGAIN_FIRST), duration(LOOK_AGAIN_MAX))
}

fn duration(limit: Duration) -> SignedDuration {
    SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX)
}

/// The content an effect makes a node run or tells it to run.
fn brings(effect: &Effect, part: &NodePlan) -> Option<plumb_fleet::ContentDigest> {
    match effect {
        Effect::Pin { content, .. } | Effect::Serve { content, .. } => Some(*content),
        Effect::Reload { .. } | Effect::Sync { .. } | Effect::Rollback { .. } => part.after.content,
        Effect::Verify { .. }
        | Effect::Unpin { .. }
        | Effect::SetConfig { .. }
        | Effect::Restart => None,
    }
}

fn usize_of(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
