import { describe, expect, it } from 'vitest';
import type { FlipView, ImpactView, OutcomeView } from '$lib/api/api';
import { coverageWords, flipGroups, originWords, outcomeWords, readable, verdictWords } from './impact.logic';

const outcome = (effect: string, value: string | null = null): OutcomeView => ({ effect, reason: null, rule: null, value });
const flip = (change: string, requests: number): FlipView => ({ change, before: outcome('deny'), after: outcome('allow'), requests, weight: requests, example: '{"a":1}', example_at: '2026-01-01T00:00:00Z' });
const side = { label: 'v1', content: '', format: 'rego', coverage: null };
const view = (given: Partial<ImpactView>): ImpactView => ({ from: side, to: side, entrypoint: null, requests: { generated: 180, recorded: 4, given: 0, masked: 0 }, asked: 184, seed: 1, flips: [], not_evaluated: [], digest: 'abc', ...given });
const missed = { before: null, after: 'too deep', requests: 2, example: '{}' };

describe('flips', () => {
  it('stand by what changed, the gravest first, whatever came first', () => {
    const groups = flipGroups([flip('reason_only', 1), flip('stricter', 2), flip('wider', 3), flip('stricter', 4), flip('unheard of', 1)]);
    expect(groups.map((group) => [group.change, group.requests])).toEqual([['wider', 3], ['stricter', 6], ['reason_only', 1], ['unheard of', 1]]);
  });
});

describe('a comparison', () => {
  it.each([
    [view({}), 'All 184 requests are answered alike.'],
    [view({ flips: [flip('wider', 1)] }), '1 of 184 requests is answered differently.'],
    [view({ flips: [flip('wider', 3)], not_evaluated: [missed] }), '3 of 184 requests are answered differently, and 2 could not be evaluated here.'],
    [view({ not_evaluated: [missed] }), 'No answer changes as far as can be told here; 2 of 184 requests could not be evaluated.'],
    [view({ digest: null, asked: 96 }), '96 of 184 requests asked so far: no answer changes.'],
    [view({ digest: null, asked: 96, flips: [flip('wider', 1)] }), '96 of 184 requests asked so far: 1 answer changes.'],
  ])('says what came of it', (one, words) => expect(verdictWords(one)).toBe(words));

  it('says where its requests come from, and what they reached', () => {
    expect(originWords(view({}))).toBe('180 generated, 4 recorded');
    expect(coverageWords({ rules: 3, reached: 3, conditions: 8, both_ways: 6, not_reached: [] })).toBe('3 of 3 rules reached, 6 of 8 conditions seen both to hold and not to (75.0 %)');
    expect(coverageWords({ rules: 1, reached: 0, conditions: 0, both_ways: 0, not_reached: ['a'] })).toBe('0 of 1 rule reached');
  });

  it('shows answers and examples as people read them', () => {
    expect([outcomeWords(outcome('allow')), outcomeWords(outcome('value', '{"x":1}'))]).toEqual(['allow', '{"x":1}']);
    expect([readable('{"a":1}'), readable('{"a":')]).toEqual(['{ "a": 1 }', '{"a":']);
    expect(readable(JSON.stringify({ text: 'x\n'.repeat(60) }))).toMatch(/^\{\n {2}"text": "x\\n/);
  });
});
