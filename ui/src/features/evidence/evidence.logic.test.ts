import { describe, expect, it } from 'vitest';
import type { EvidenceCheck, EvidenceStep, EvidenceVerdictView } from '$lib/api/api';
import { failuresFirst, headline, marks, nextLoud } from './evidence.logic';

const check = (name: string, result: EvidenceCheck['result']): EvidenceCheck => ({ name, title: name, result, detail: '', entry: null });
const verdict = (checks: EvidenceCheck[], broken: string | null = null): EvidenceVerdictView => ({ file: 'a.zip', holds: checks.every((one) => one.result !== 'failed'), broken, checks, notes: [], signed_by: null, entries: 12, bytes: 1, unpacked_bytes: 1, evidence: null });
const steps = [false, false, true, false, true, false].map((loud, at): EvidenceStep => ({ at_ms: at, what: '', run: null, event: null, loud }));

describe('a headline', () => {
  it('tells an unknown signer from a broken promise', () => {
    expect(headline(verdict([check('signer', 'passed')])).kind).toBe('holds');
    expect(headline(verdict([check('signer', 'failed')])).kind).toBe('stranger');
    expect(headline(verdict([check('signer', 'failed'), check('hashes', 'failed')], 'runs/x/journal.jsonl'))).toMatchObject({ kind: 'broken', text: expect.stringContaining('runs/x/journal.jsonl') });
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

it('lists what failed first', () => {
  expect(failuresFirst([check('a', 'passed'), check('b', 'failed')]).map((one) => one.name)).toEqual(['b', 'a']);
});
