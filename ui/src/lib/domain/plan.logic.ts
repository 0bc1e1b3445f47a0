//! What plan and run say, without drawing them.
import type { ActionKind, BundleChoice, FindingView, PlanView, RunNode, RunNodeState, RunPhase, RunView } from '$lib/api/api';
import { plural } from '$lib/domain/words.logic';

export interface VersionChoice {
  key: string;
  version: string;
  content: string;
  /** What is known of it, in words. */
  detail: string;
  /** Where its file is, for who wants to look. */
  file: string | null;
  desired: boolean;
  /** Why it cannot be chosen for this action. */
  refused: string | undefined;
}

/** What nodes can be brought to: every content that is known, and why some of them cannot be chosen. */
export function versionChoices(bundles: readonly BundleChoice[], kind: ActionKind): VersionChoice[] {
  return bundles.map((bundle) => {
    const { signed } = bundle;
    const running = bundle.nodes === 0 ? 'no node runs it' : `${plural(bundle.nodes, 'node')} ${bundle.nodes === 1 ? 'runs' : 'run'} it`;
    return {
      key: `${bundle.version} ${bundle.content}`,
      version: bundle.version ?? 'not known',
      content: bundle.content,
      detail: signed === null ? `not signed by a trusted key · ${running}` : `signed by ${signed.key} · ${plural(signed.policies, 'policy', 'policies')} · ${running}`,
      file: signed === null ? null : (signed.local_path ?? signed.file),
      desired: bundle.desired,
      refused:
        signed === null
          ? 'Nodes are only brought to bundles that are signed by a key this fleet trusts.'
          : bundle.refused
            ? 'This content is refused in this fleet.'
            : kind === 'rollback' && bundle.shares_version
              ? 'Several signed bundles have this version, and a rollback names only the version: pin this content instead.'
              : undefined,
    };
  });
}

export const ASK: Record<ActionKind, { title: string; verb: string }> = {
  sync: { title: 'Sync', verb: 'Sync' },
  pin: { title: 'Pin to a version', verb: 'Pin' },
  pin_and_sync: { title: 'Pin to a version and sync', verb: 'Pin' },
  rollback: { title: 'Roll back', verb: 'Roll back' },
  restart: { title: 'Restart', verb: 'Restart' },
  resolve_conflict: { title: 'Bring nodes to one version', verb: 'Bring' },
  unpin: { title: 'Lift pins', verb: 'Lift' },
  set_config: { title: 'Change a setting', verb: 'Change' },
  undo: { title: 'Undo a run', verb: 'Undo' },
};

const WEIGHT = { fatal: 0, warning: 1, note: 2 };
const byWeight = (findings: readonly FindingView[]): FindingView[] => [...findings].sort((a, b) => WEIGHT[a.severity] - WEIGHT[b.severity]);

export interface FindingGroup extends Omit<FindingView, 'node'> {
  nodes: string[];
}

/** Heaviest first; what is found alike of several nodes stands once. */
export function grouped(findings: readonly FindingView[]): FindingGroup[] {
  const groups = new Map<string, FindingGroup>();
  for (const { node, ...found } of byWeight(findings)) {
    const key = JSON.stringify([found.severity, found.code, found.message, found.remedy]);
    const group = groups.get(key) ?? { ...found, nodes: [] };
    if (node !== null) group.nodes.push(node);
    groups.set(key, group);
  }
  return [...groups.values()];
}

const NAMED = 3;
/** Names of nodes as they stand in a sentence: a few, and how many more. */
export function names(nodes: readonly string[]): string {
  const named = nodes.slice(0, NAMED).join(', ');
  return nodes.length > NAMED ? `${named} and ${nodes.length - NAMED} more` : named;
}

/** The safeguard that a plan passes over, in a sentence; starting it takes a reason. */
export const bypassOf = (plan: PlanView): string | null => (plan.action.kind === 'sync' && plan.action.force ? 'What runs already is loaded again by force.' : null);

/** Why the plan cannot be started now; nothing if it can. */
export function blocked(plan: PlanView, typed: string, reason = ''): string | undefined {
  if (plan.empty) return 'Everything selected already is as wanted.';
  if (!plan.startable) return 'A fatal finding stands in the way.';
  if (plan.confirmation.level === 'typed' && typed !== plan.confirmation.phrase) return `Type ${plan.confirmation.phrase} first.`;
  return bypassOf(plan) !== null && reason.trim() === '' ? 'Write why it is loaded by force first.' : undefined;
}

/** What the first step of a runbook does, out of its block: enough to know it again. */
export const doLine = (steps: string): string => /^do: (.*)$/m.exec(steps)?.[1] ?? steps;

export const RUN_LOOKS: Record<RunNodeState, { word: string; glyph: string; token: string }> = {
  waiting: { word: 'Waiting', glyph: 'M3.9 8h.2M7.9 8h.2M11.9 8h.2', token: '--state-unreachable' },
  acting: { word: 'Acting', glyph: 'M4 8h8M8.5 4.5L12 8l-3.5 3.5', token: '--state-converging' },
  accepted: { word: 'Accepted', glyph: 'M8 3.6a4.4 4.4 0 1 0 .01 0M8 5.8V8l1.6 1.2', token: '--state-ahead' },
  arrived: { word: 'Arrived', glyph: 'M4 8.4l2.7 2.7L12 5.4', token: '--state-in-sync' },
  failed: { word: 'Failed', glyph: 'M4.6 4.6l6.8 6.8M11.4 4.6l-6.8 6.8', token: '--state-diverged' },
  skipped: { word: 'Skipped', glyph: 'M4 8h8', token: '--state-unknown' },
  rolled_back: { word: 'Rolled back', glyph: 'M12 8H4M7.5 4.5L4 8l3.5 3.5', token: '--state-stale' },
  in_doubt: { word: 'In doubt', glyph: 'M5.7 6.1a2.3 2.3 0 1 1 3.5 2c-.9.5-1.2.9-1.2 1.6M8 12.4v.3', token: '--state-stale' },
};

const RUN_ORDER: RunNodeState[] = ['failed', 'in_doubt', 'acting', 'accepted', 'waiting', 'skipped', 'rolled_back', 'arrived'];

/** Nodes that need eyes first. */
export function runNodes(nodes: readonly RunNode[]): RunNode[] {
  return [...nodes].sort((a, b) => RUN_ORDER.indexOf(a.state) - RUN_ORDER.indexOf(b.state) || (a.node < b.node ? -1 : 1));
}

export function runCounts(nodes: readonly RunNode[]): { state: RunNodeState; count: number }[] {
  const order: RunNodeState[] = ['arrived', 'accepted', 'acting', 'failed', 'in_doubt', 'rolled_back', 'skipped', 'waiting'];
  return order.map((state) => ({ state, count: nodes.filter((node) => node.state === state).length })).filter((entry) => entry.count > 0);
}

/** Phase of a run: word, sign, colour. Those that need a person stand out. */
export const PHASE_LOOKS: Record<RunPhase, { word: string; glyph: string; token: string }> = {
  acting: { word: 'acting on nodes', glyph: 'M4 8h8M8.5 4.5L12 8l-3.5 3.5', token: '--state-converging' },
  proving: { word: 'proving by content', glyph: 'M8 3.6a4.4 4.4 0 1 0 .01 0M8 5.8V8l1.6 1.2', token: '--state-ahead' },
  at_gate: { word: 'at a gate', glyph: 'M4.5 3.5v9M11.5 3.5v9M4.5 8h7', token: '--state-stale' },
  paused: { word: 'paused', glyph: 'M6 4.2v7.6M10 4.2v7.6', token: '--state-stale' },
  halted: { word: 'halted', glyph: 'M8 3.4v5.4M8 12.2v.4', token: '--state-diverged' },
  rolling_back: { word: 'bringing nodes back', glyph: 'M12 8H4M7.5 4.5L4 8l3.5 3.5', token: '--state-diverged' },
  rolled_back: { word: 'rolled back', glyph: 'M12 8H4M7.5 4.5L4 8l3.5 3.5', token: '--state-stale' },
  succeeded: { word: 'succeeded', glyph: 'M4 8.4l2.7 2.7L12 5.4', token: '--state-in-sync' },
  incomplete: { word: 'incomplete', glyph: 'M4 8h8', token: '--state-diverged' },
  aborted: { word: 'aborted', glyph: 'M4.6 4.6l6.8 6.8M11.4 4.6l-6.8 6.8', token: '--state-unreachable' },
  interrupted: { word: 'interrupted', glyph: 'M8 3.2v2.6M8 10.2v2.6M4.6 8h1.2M10.2 8h1.2', token: '--state-diverged' },
};

export const isOver = (run: RunView): boolean => run.ended_at_ms !== null;
