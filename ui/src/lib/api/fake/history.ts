//! What the nodes of a fake fleet ran over time: a rollout by waves, some that fell back, some that were silent.
import type { HistoryLane, HistorySpan, HistoryView } from '../api';
import type { FakeFleet } from './fleets';
import { V41, V42, V43 } from './policies';
import { chance, seedOf } from './seed';

const HOUR = 3_600_000;

export function historyOf(fleet: FakeFleet, hours: number, now: number): HistoryView {
  const [from, length] = [now - hours * HOUR, hours * HOUR];
  const next = chance(seedOf(fleet.summary.name));
  const contents = [V42, V41, V43];
  const lanes = new Map<string, HistoryLane>();
  fleet.nodes.forEach((node, index) => {
    const spans: HistorySpan[] = [{ at_ms: from, kind: 1, answers: true }];
    const wave = Math.floor((index / fleet.nodes.length) * 6);
    const odd = next() < 0.06;
    spans.push({ at_ms: Math.round(from + length * (0.34 + wave * 0.05)), kind: odd ? 2 : 0, answers: true });
    if (odd) spans.push({ at_ms: Math.round(from + length * (0.72 + next() * 0.1)), kind: 0, answers: true });
    if (node.state === 'unreachable') spans.push({ at_ms: Math.round(from + length * 0.86), kind: 0, answers: false });
    if (node.state === 'behind') spans.push({ at_ms: Math.round(from + length * 0.9), kind: 1, answers: true });
    const key = JSON.stringify(spans);
    const lane = lanes.get(key) ?? { nodes: [], spans };
    lane.nodes.push(node.id);
    lanes.set(key, lane);
  });
  const bars = 48;
  return {
    fleet: fleet.summary.name,
    from_ms: from,
    to_ms: now,
    kinds: contents.map((content, at) => ({ letter: 'ABC'.charAt(at), version: content.version, content: content.digest, wanted: at === 0 })),
    lanes: [...lanes.values()].sort((a, b) => b.nodes.length - a.nodes.length),
    reloads: Array.from({ length: bars }, (_, at) => {
      const busy = at > bars * 0.33 && at < bars * 0.66;
      const succeeded = Math.round((busy ? 0.08 : 0.01) * fleet.nodes.length + next() * 4);
      return { at_ms: from + (at * length) / bars, to_ms: from + ((at + 1) * length) / bars, succeeded, failed: next() < 0.12 ? 1 + Math.floor(next() * 3) : 0, median_ms: succeeded > 0 ? 4 + next() * 6 : null, slowest_ms: succeeded > 0 ? 30 + next() * 400 : null };
    }),
    ages: Array.from({ length: 120 }, (_, at) => ({ at_ms: from + (at * length) / 119, median_s: 20 + Math.round(next() * 20), highest_s: Math.round(60 + next() * 120 + (at > 80 && at < 96 ? (at - 80) * 90 : 0)) })),
    age_limit_s: 900,
    cut: false,
  };
}
