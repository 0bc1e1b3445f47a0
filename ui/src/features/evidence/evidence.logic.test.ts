import { describe, expect, it } from 'vitest';
import type { EvidenceCheck, EvidenceStep, EvidenceVerdictView } from '$lib/api/api';
import { archiveName, asksForRoots, byKind, captureAsked, failuresFirst, headline, marks, nextLoud, said } from './evidence.logic';

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
  it('are asked for where the roster is one of strangers', () => {
    const role = (result: EvidenceCheck['result'], detail: string) => ({ ...check('role', result), detail });
    expect(asksForRoots([role('open', 'mara in roster 3, whose root keys nobody here knows; give them to make sure')])).toBe(true);
    expect(asksForRoots([role('absent', 'no roster rules this fleet')])).toBe(false);
  });
});

describe('a capture', () => {
  it('is of a run in its own time, or of a fleet so far back', () => {
    expect(captureAsked('019a3f52-7c1e-7b44-9d1c-2f6e8a90c3d1', '8', 'label:region=eu', false)).toEqual({ run: '019a3f52-7c1e-7b44-9d1c-2f6e8a90c3d1', last_s: null, filter: null, ask: false });
    expect(captureAsked('', '8', ' label:region=eu ', true)).toEqual({ run: null, last_s: 28_800, filter: 'label:region=eu', ask: true });
    expect(captureAsked('', '1', '  ', true).filter).toBeNull();
  });
  it('is called so that a desktop takes it for evidence', () => {
    expect([archiveName('payments-eu', ''), archiveName('payments-eu', '019a3f52-7c1e-7b44-9d1c-2f6e8a90c3d1')]).toEqual(['payments-eu-now.evidence.zip', 'payments-eu-run-019a3f52-7c1e.evidence.zip']);
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
