import { describe, expect, it } from 'vitest';
import type { EvidenceCheck, EvidenceStep, EvidenceVerdictView } from '$lib/api/api';
import { asksForRoots, byKind, failuresFirst, headline, marks, named, nextLoud, said } from './evidence.logic';

const check = (name: string, result: EvidenceCheck['result']): EvidenceCheck => ({ name, title: name, result, detail: '', entry: null });
const verdict = (checks: EvidenceCheck[], broken: string | null = null): EvidenceVerdictView => ({ file: 'a.zip', holds: checks.every((one) => one.result !== 'failed'), broken, checks, notes: [], signed_by: null, entries: 12, bytes: 1, unpacked_bytes: 1, evidence: null });
const steps = [false, false, true, false, true, false].map((loud, at): EvidenceStep => ({ at_ms: at, what: '', run: null, event: null, loud }));

describe('a headline', () => {
  it('tells an unknown signer from a broken promise', () => {
    expect(headline(verdict([check('signer', 'passed')])).kind).toBe('holds');
    expect(headline(verdict([check('signer', 'failed')])).kind).toBe('stranger');
    expect(headline(verdict([check('container', 'open')])).title).toBe('It could not be looked at');
    expect(headline(verdict([check('signer', 'failed'), check('hashes', 'failed')], 'runs/x/journal.jsonl'))).toMatchObject({ kind: 'broken', text: expect.stringContaining('runs/x/journal.jsonl') });
  });
});

describe('files that a reviewer names', () => {
  it('add up for one archive and are forgotten with it', () => {
    const first = named({ file: '', keys: [], roots: [] }, 'a.zip', { key: 'ops.pem' });
    expect(named(first, 'a.zip', { root: 'roster.json' })).toEqual({ file: 'a.zip', keys: ['ops.pem'], roots: ['roster.json'] });
    expect(named(first, 'a.zip', { key: 'ops.pem' }).keys).toEqual(['ops.pem']);
    expect(named(first, 'b.zip', {})).toEqual({ file: 'b.zip', keys: [], roots: [] });
  });

  it('are asked for where the roster is one of strangers', () => {
    const role = (result: EvidenceCheck['result'], detail: string) => ({ ...check('role', result), detail });
    expect(asksForRoots([role('open', 'mara in roster 3, whose root keys nobody here knows; give them to make sure')])).toBe(true);
    expect(asksForRoots([role('absent', 'no roster rules this fleet')])).toBe(false);
  });
});

describe('the slider', () => {
  it('leads from decision to decision', () => {
    expect(nextLoud(steps, 0, 1)).toBe(2);
    expect(nextLoud(steps, 2, 1)).toBe(4);
    expect(nextLoud(steps, 4, 1)).toBe(5);
    expect(nextLoud(steps, 2, -1)).toBe(0);
    expect(marks(steps)).toEqual([40, 80]);
  });
});

it('groups differences by what they are about', () => {
  const one = (kind: string, what: string) => ({ kind, what, left: 'a', right: null });
  expect(byKind([one('steps', 'x'), one('steps', 'y'), one('timings', 'z')]).map(({ kind, differences }) => [kind, differences.length])).toEqual([['steps', 2], ['timings', 1]]);
  expect([said(null), said('0123456789abcdef'.repeat(4)), said('v4')]).toEqual(['not told', '0123456789ab', 'v4']);
});

it('lists what failed first', () => {
  expect(failuresFirst([check('a', 'passed'), check('b', 'failed')]).map((one) => one.name)).toEqual(['b', 'a']);
});
