import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HistoryLane, HistoryView } from '$lib/api/api';
import { changesOf, momentAt, moves, placeOf, spanAt, standing } from './history.logic';

const span = (at_ms: number, kind: number | null, answers = true) => ({ at_ms, kind, answers });
const view: HistoryView = {
  fleet: 'demo',
  from_ms: 0,
  to_ms: 100,
  kinds: [],
  lanes: [
    { nodes: ['a', 'b'], spans: [span(0, 1), span(40, 0)] },
    { nodes: ['c'], spans: [span(0, 1), span(60, 1, false)] },
    { nodes: ['d'], spans: [span(50, 0)] },
  ],
  reloads: [],
  ages: [],
  age_limit_s: 900,
  cut: false,
};

describe('a moment', () => {
  it('tells who ran what, who did not answer, and of whom nothing is known', () => {
    expect(standing(view, 10)).toEqual([{ kind: 1, nodes: 3, silent: 0 }, { kind: null, nodes: 1, silent: 0 }]);
    expect(standing(view, 70)).toEqual([{ kind: 0, nodes: 3, silent: 0 }, { kind: 1, nodes: 1, silent: 1 }]);
  });

  it('is compared with another one, whichever was chosen first', () => {
    const found = moves(view, 10, 90);
    expect(found.moved).toEqual([{ from: 1, to: 0, nodes: ['a', 'b'] }, { from: null, to: 0, nodes: ['d'] }]);
    expect(found.same).toBe(1);
    expect(moves(view, 90, 10)).toEqual(found);
    expect(changesOf(view)).toEqual([40, 60]);
  });
});

it('finds the newest span that has begun, as looking through all of them does', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(200), { minLength: 1 }), fc.integer({ min: -5, max: 205 }), (begins, at) => {
      const lane: HistoryLane = { nodes: ['a'], spans: [...new Set(begins)].sort((a, b) => a - b).map((from) => span(from, 0)) };
      expect(spanAt(lane, at)).toEqual(lane.spans.findLast((one) => one.at_ms <= at));
    }),
  );
});

it('goes from places to moments and back', () => {
  expect(momentAt(view, 25, 100)).toBe(25);
  expect(momentAt(view, -9, 100)).toBe(0);
  expect(placeOf(view, 25, 200)).toBe(50);
});
