//! What the Rollouts screen says of a run, without drawing it.
import type { ContentChangeView, DryRunView, PlanTarget, ReadingView, RunCheckVerdict, RunNode, RunNodeState, RunView, RunWave, RunWaveState } from '$lib/api/api';
import { count, plural } from '$lib/domain/words.logic';

interface Look {
  word: string;
  glyph: string;
  token: string;
}

export const WAVE_LOOKS: Record<RunWaveState, Look> = {
  waiting: { word: 'Waiting', glyph: 'M3.9 8h.2M7.9 8h.2M11.9 8h.2', token: '--state-unreachable' },
  acting: { word: 'Acting', glyph: 'M4 8h8M8.5 4.5L12 8l-3.5 3.5', token: '--state-converging' },
  halted: { word: 'Halted', glyph: 'M5.5 4v8M10.5 4v8', token: '--state-diverged' },
  gate: { word: 'At its gate', glyph: 'M4.5 3.5v9M11.5 3.5v9M4.5 8h7', token: '--state-stale' },
  passed: { word: 'Passed', glyph: 'M4 8.4l2.7 2.7L12 5.4', token: '--state-in-sync' },
  failed: { word: 'Stayed shut', glyph: 'M4.6 4.6l6.8 6.8M11.4 4.6l-6.8 6.8', token: '--state-diverged' },
};

/** What a wave came to in a run that is over or on its way back, where it did not pass. */
const LEFT: Record<RunWaveState, string> = { waiting: 'Never begun', acting: 'Not finished', halted: 'Not finished', gate: 'Never opened', passed: 'Passed', failed: 'Stayed shut' };

/** How a wave stands in its run, in a word or two. */
export function waveWord(run: RunView, wave: RunWave): string {
  return run.ended_at_ms !== null || run.rollout?.rollback != null ? LEFT[wave.state] : WAVE_LOOKS[wave.state].word;
}

/** Whether the gate of a wave has not been looked at, and still will be. */
export const gateAhead = (run: RunView, wave: RunWave): boolean => run.ended_at_ms === null && run.rollout?.rollback == null && (wave.state === 'waiting' || wave.state === 'acting' || wave.state === 'halted');

export const VERDICT_LOOKS: Record<RunCheckVerdict, Look> = {
  met: { word: 'Met', glyph: 'M4 8.4l2.7 2.7L12 5.4', token: '--state-in-sync' },
  not_met: { word: 'Not met', glyph: 'M4.6 4.6l6.8 6.8M11.4 4.6l-6.8 6.8', token: '--state-diverged' },
  unknown: { word: 'Not known', glyph: 'M5.7 6.1a2.3 2.3 0 1 1 3.5 2c-.9.5-1.2.9-1.2 1.6M8 12.4v.3', token: '--state-unknown' },
};

/** Index of the wave that is looked at by itself: the first that did not pass, else the last. */
export function currentWave(waves: readonly RunWave[]): number {
  const open = waves.findIndex((wave) => wave.state !== 'passed');
  return open < 0 ? waves.length - 1 : open;
}

/** The wave that an address names, else the current one. */
export function chosenWave(waves: readonly RunWave[], asked: string | null): number {
  const index = asked === null ? NaN : Number(asked) - 1;
  return Number.isInteger(index) && index >= 0 && index < waves.length ? index : currentWave(waves);
}

export const passed = (waves: readonly RunWave[]): number => waves.filter((wave) => wave.state === 'passed').length;

/** How far a run came, in few words: `3 of 6 arrived · 1 of 3 waves`. */
export function progressWords(run: RunView): string {
  const parts = [`${count(run.arrived)} of ${count(run.total)} arrived`];
  if (run.failed > 0) parts.push(`${count(run.failed)} failed`);
  if (run.in_doubt > 0) parts.push(`${count(run.in_doubt)} in doubt`);
  if (run.rollout) parts.push(`${count(passed(run.rollout.waves))} of ${plural(run.rollout.waves.length, 'wave')}`);
  return parts.join(' · ');
}

/** What can be asked of a run now. */
export interface Orders {
  /** A program carries it out, so that every order can be given; without one it can be brought back or aborted. */
  open: boolean;
  canPause: boolean;
  canResume: boolean;
  canRollBack: boolean;
  canAbort: boolean;
  /** Nobody carries it out: it can be gone on with from its journal. */
  canPickUp: boolean;
}

export function ordersOf(run: RunView): Orders {
  const { rollout } = run;
  const going = rollout !== null && run.ended_at_ms === null;
  const open = going && rollout.carried;
  return {
    open,
    canPause: open && rollout.paused_by === null && rollout.halted === null && rollout.rollback === null,
    canResume: open && (rollout.paused_by !== null || rollout.halted !== null),
    canRollBack: going && rollout.rollback === null,
    canAbort: going,
    canPickUp: going && !rollout.carried,
  };
}

/** Whether a gate waits that a person can attest or pass over. */
export function gateWaits(run: RunView, wave: number): boolean {
  const { rollout } = run;
  return ordersOf(run).open && rollout !== null && rollout.rollback === null && wave === currentWave(rollout.waves) && ['gate', 'failed'].includes(rollout.waves[wave]?.state ?? '');
}

const TOUCHED: readonly RunNodeState[] = ['acting', 'accepted', 'arrived', 'failed', 'in_doubt'];
export const touched = (nodes: readonly RunNode[]): number => nodes.filter((node) => TOUCHED.includes(node.state)).length;

/** Nodes of one wave; all where no wave is chosen. */
export function nodesOf(run: RunView, wave: number | null): readonly RunNode[] {
  const of = wave === null ? undefined : run.rollout?.waves[wave];
  if (!of) return run.nodes;
  const ids = new Set(of.nodes);
  return run.nodes.filter((node) => ids.has(node.node));
}

export interface Change {
  from: string;
  fromContent: string | null;
  to: string;
  toContent: string | null;
  nodes: number;
}

/** What changes, once for all nodes that change alike; most nodes first. */
export function changes(targets: readonly PlanTarget[]): Change[] {
  const groups = new Map<string, Change>();
  for (const target of targets) {
    const key = JSON.stringify([target.from_version, target.from_content, target.to_version, target.to_content]);
    const group = groups.get(key) ?? { from: target.from_version ?? 'not known', fromContent: target.from_content, to: target.to_version ?? 'not known', toContent: target.to_content, nodes: 0 };
    group.nodes += 1;
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.nodes - a.nodes);
}

export interface Exchange {
  key: string;
  /** How the nodes that make it read conditions. */
  reading: ReadingView;
  from: string;
  fromContent: string;
  to: string;
  toContent: string;
  nodes: number;
}

/** Contents that are exchanged for others, where both are known, once for each way to read them; most nodes first. */
export function exchanges(targets: readonly PlanTarget[]): Exchange[] {
  const found = new Map<string, Exchange>();
  for (const reading of ['documented', 'field'] as const) {
    for (const { from, fromContent, to, toContent, nodes } of changes(targets.filter((target) => target.reading === reading))) {
      if (fromContent === null || toContent === null || fromContent === toContent) continue;
      const key = `${fromContent} ${toContent} ${reading}`;
      const known = found.get(key);
      found.set(key, known ? { ...known, nodes: known.nodes + nodes } : { key, reading, from, fromContent, to, toContent, nodes });
    }
  }
  return [...found.values()].sort((a, b) => b.nodes - a.nodes);
}

/** What the newest dry run found of an exchange: what an approval binds. */
export const boundChange = (report: DryRunView | null, { fromContent, toContent, reading }: Exchange): ContentChangeView | null =>
  report?.decisions.find((one) => one.from_content === fromContent && one.to_content === toContent && (one.reading === null || one.reading === reading)) ?? null;

/**
 * How the report of now stands to the one that approvals bind: `none` bound yet, still `asking`, the `same`, or an `other` one.
 * A comparison that could not be made now or then is never the same.
 */
export function boundState(report: DryRunView | null, found: ContentChangeView | null, now: string | null): 'none' | 'asking' | 'same' | 'other' {
  if (report === null) return 'none';
  if (found?.report == null) return 'other';
  if (now === null) return 'asking';
  return found.report === now ? 'same' : 'other';
}

/** The ways back and how many nodes have each; most nodes first. */
export function waysBack(targets: readonly PlanTarget[]): { way: string; nodes: number }[] {
  const ways = new Map<string, number>();
  for (const target of targets) ways.set(target.undo, (ways.get(target.undo) ?? 0) + 1);
  return [...ways.entries()].map(([way, nodes]) => ({ way, nodes })).sort((a, b) => b.nodes - a.nodes);
}
