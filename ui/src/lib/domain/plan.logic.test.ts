import { describe, expect, it } from 'vitest';
import { createFake } from '$lib/api/fake';
import { blocked, grouped, names, runCounts, runNodes, versionChoices } from './plan.logic';

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
  it('show fatal findings first, and what several nodes have in common once', () => {
    const finding = { code: 'c', node: null, message: 'm', remedy: 'r' };
    const groups = grouped([{ ...finding, severity: 'note' }, { ...finding, severity: 'warning', node: 'a' }, { ...finding, severity: 'fatal' }, { ...finding, severity: 'warning', node: 'b' }]);
    expect(groups.map(({ severity, nodes }) => [severity, ...nodes])).toEqual([['fatal'], ['warning', 'a', 'b'], ['note']]);
    expect([names(['a', 'b', 'c']), names(['a', 'b', 'c', 'd'])]).toEqual(['a, b, c', 'a, b, c and 1 more']);
  });
  it('offer signed bundles, and name why another content cannot be chosen', async () => {
    const bundles = await fake.bundleChoices('demo');
    const choices = versionChoices(bundles, 'pin_and_sync');
    expect(choices.filter((choice) => choice.refused === undefined).map((choice) => choice.version)).toEqual(['v43-rc1', 'v42', 'v42', 'v41']);
    expect(choices.find((choice) => choice.content.startsWith('41d0'))?.refused).toContain('signed by a key this fleet trusts');
    expect(choices.find((choice) => choice.desired)?.detail).toBe('signed by signer-2026a · 24 policies · 6 nodes run it');
  });
  it('roll back by version only where a version names one bundle', async () => {
    const bundles = await fake.bundleChoices('demo');
    const free = (kind: 'rollback' | 'pin') => versionChoices(bundles, kind).filter((choice) => choice.refused === undefined).map((choice) => choice.version);
    expect([free('rollback'), free('pin')]).toEqual([['v43-rc1', 'v41'], ['v43-rc1', 'v42', 'v42', 'v41']]);
  });
});

describe('runs', () => {
  const nodes = [{ node: 'b', state: 'arrived', detail: '' }, { node: 'c', state: 'failed', detail: '' }, { node: 'a', state: 'waiting', detail: '' }] as const;
  it('show what needs eyes first', () => expect(runNodes(nodes).map((node) => node.node)).toEqual(['c', 'a', 'b']));
  it('count by state', () => expect(runCounts(nodes).map((entry) => entry.state)).toEqual(['arrived', 'failed', 'waiting']));
});
