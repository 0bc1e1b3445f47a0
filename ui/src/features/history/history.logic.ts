//! What nodes ran at a moment, and what two moments have in common.
import type { HistoryKind, HistoryLane, HistorySpan, HistoryView } from '$lib/api/api';
import { shortDigest } from '$lib/domain/words.logic';

/** Hues of kinds in their order; those beyond share the last one, and each has its letter. The pictures that leave the window use the same. */
export const HUES = ['--state-in-sync', '--state-ahead', '--state-behind', '--state-tampered', '--state-stale', '--state-poisoned', '--state-diverged', '--state-unknown'] as const;
export const hueOf = (kind: number): string => HUES[Math.min(kind, HUES.length - 1)] ?? HUES[0];

export const WINDOWS = [
  { key: '24', word: '24 h' },
  { key: '168', word: '7 d' },
  { key: '720', word: '30 d' },
] as const;

/** The span of a lane at a moment; nothing before the first. */
export function spanAt(lane: HistoryLane, atMs: number): HistorySpan | undefined {
  let [low, high] = [0, lane.spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lane.spans[middle]?.at_ms ?? 0) <= atMs) low = middle + 1;
    else high = middle;
  }
  return lane.spans[low - 1];
}

export interface Standing {
  kind: number | null;
  nodes: number;
  silent: number;
}

/** How many nodes ran what at a moment, in the order of the kinds; those of which nothing is known come last. */
export function standing(view: HistoryView, atMs: number): Standing[] {
  const found = new Map<number | null, Standing>();
  for (const lane of view.lanes) {
    const span = spanAt(lane, atMs);
    const kind = span?.kind ?? null;
    const line = found.get(kind) ?? { kind, nodes: 0, silent: 0 };
    line.nodes += lane.nodes.length;
    if (span && !span.answers) line.silent += lane.nodes.length;
    found.set(kind, line);
  }
  return [...found.values()].sort((a, b) => (a.kind ?? Number.POSITIVE_INFINITY) - (b.kind ?? Number.POSITIVE_INFINITY));
}

export interface Move {
  from: number | null;
  to: number | null;
  nodes: string[];
}

/** Nodes that ran something else at the later of two moments, by what they went from and to, the most first. */
export function moves(view: HistoryView, oneMs: number, otherMs: number): { moved: Move[]; same: number } {
  const [first, second] = [Math.min(oneMs, otherMs), Math.max(oneMs, otherMs)];
  const found = new Map<string, Move>();
  let same = 0;
  for (const lane of view.lanes) {
    const [from, to] = [spanAt(lane, first)?.kind ?? null, spanAt(lane, second)?.kind ?? null];
    if (from === to) {
      same += lane.nodes.length;
      continue;
    }
    const key = `${from}>${to}`;
    const move = found.get(key) ?? { from, to, nodes: [] };
    move.nodes.push(...lane.nodes);
    found.set(key, move);
  }
  return { moved: [...found.values()].sort((a, b) => b.nodes.length - a.nodes.length), same };
}

/** A kind in words. */
export function kindWords(kind: HistoryKind | undefined): string {
  if (!kind) return 'not known';
  const version = kind.version ?? 'no version';
  return kind.content === null ? version : `${version} · ${shortDigest(kind.content)}`;
}

/** The moment under a point of the picture. */
export const momentAt = (view: HistoryView, x: number, width: number): number => Math.round(view.from_ms + Math.min(1, Math.max(0, x / Math.max(1, width))) * (view.to_ms - view.from_ms));
export const placeOf = (view: HistoryView, atMs: number, width: number): number => ((atMs - view.from_ms) / Math.max(1, view.to_ms - view.from_ms)) * width;

/** Moments at which some node began to run something else, each once, oldest first. */
export function changesOf(view: HistoryView): number[] {
  const all = new Set(view.lanes.flatMap((lane) => lane.spans.slice(1).map((span) => span.at_ms)));
  return [...all].sort((a, b) => a - b);
}
