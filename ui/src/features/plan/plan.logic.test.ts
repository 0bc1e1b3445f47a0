import { describe, expect, it } from 'vitest';
import { createFake } from '$lib/api/fake';
import { blocked, byWeight, runCounts, runNodes, versionChoices } from './plan.logic';

const fake = createFake({ fleet: 'payments-eu' });
const plan = await fake.preparePlan('payments-eu', { kind: 'sync', nodes: { select: 'drifted' }, force: false });

describe('plans', () => {
  it('start only once the exact phrase is typed', () => {
    expect(plan.confirmation.level).toBe('typed');
    const phrase = plan.confirmation.level === 'typed' ? plan.confirmation.phrase : '';
    expect([blocked(plan, ''), blocked(plan, `${phrase} `), blocked(plan, phrase)]).toEqual([`Type ${phrase} first.`, `Type ${phrase} first.`, undefined]);
  });
  it('say why they cannot start', () => {
    expect(blocked({ ...plan, empty: true }, '')).toBe('Everything selected already is as wanted.');
    expect(blocked({ ...plan, startable: false }, '')).toBe('A fatal finding stands in the way.');
  });
  it('show fatal findings first', () => {
    const finding = { code: 'c', node: null, message: 'm', remedy: 'r' };
    expect(byWeight([{ ...finding, severity: 'note' }, { ...finding, severity: 'fatal' }, { ...finding, severity: 'warning' }]).map((entry) => entry.severity)).toEqual(['fatal', 'warning', 'note']);
  });
  it('offer signed bundles, never what was tampered with', async () => {
    const choices = versionChoices(await fake.drift('demo', { kind: 'desired' }, null));
    expect(choices.map((choice) => choice.version)).toEqual(['v42', 'v41', 'v43-rc1', 'v42']);
    expect(choices.some((choice) => choice.content?.startsWith('41d0'))).toBe(false);
  });
});

describe('runs', () => {
  const nodes = [{ node: 'b', state: 'arrived', detail: '' }, { node: 'c', state: 'failed', detail: '' }, { node: 'a', state: 'waiting', detail: '' }] as const;
  it('show what needs eyes first', () => expect(runNodes(nodes).map((node) => node.node)).toEqual(['c', 'a', 'b']));
  it('count by state', () => expect(runCounts(nodes).map((entry) => entry.state)).toEqual(['arrived', 'failed', 'waiting']));
});
