import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { baselineKey, baselineWords, ink, readBaseline, selectionOf, verificationDetail } from './drift.logic';

describe('baselines in the address', () => {
  it.each([{ kind: 'desired' }, { kind: 'majority' }, { kind: 'node', id: 'a b' }, { kind: 'bundle', content: 'ff' }, { kind: 'moment', id: 'a b', at_ms: 5 }] as const)('$kind comes back as it was', (baseline) => {
    expect(readBaseline(baselineKey(baseline))).toEqual(baseline);
  });
  it('reads nonsense as what is desired', () => expect([readBaseline('node'), readBaseline('rm'), readBaseline('moment soon gw-1')].map((of) => of.kind)).toEqual(['desired', 'desired', 'desired']));
});

it('tells a moment in the clock of the window', () => {
  const then = { kind: 'moment', id: 'gw-1', at_ms: Date.UTC(2026, 2, 1, 8) } as const;
  expect([baselineWords(then, 'gw-1 at 2026-03-01T08:00:00Z', true), baselineWords({ kind: 'desired' }, 'desired v42', true)]).toEqual(['gw-1 at 2026-03-01 08:00:00 UTC', 'desired v42']);
});

describe('colours of text', () => {
  it('keeps every character and every mark', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ text: fc.string({ unit: 'grapheme' }), emphasised: fc.boolean() })), fc.constantFrom('json', 'rego', 'other'), (pieces, language) => {
        const out = ink(pieces, language);
        expect(out.map((part) => part.text).join('')).toBe(pieces.map((piece) => piece.text).join(''));
        expect(out.filter((part) => part.emphasised).map((part) => part.text).join('')).toBe(pieces.filter((piece) => piece.emphasised).map((piece) => piece.text).join(''));
      }),
    );
  });

  it('tells keys from strings, numbers and words', () => {
    expect(ink([{ text: '"a": ["b", 1, true]', emphasised: false }], 'json').filter((part) => part.ink !== 'plain').map((part) => [part.text, part.ink])).toEqual([['"a"', 'key'], ['"b"', 'string'], ['1', 'number'], ['true', 'word']]);
    expect(ink([{ text: 'allow if x == 2 # why', emphasised: false }], 'rego').filter((part) => part.ink !== 'plain').map((part) => part.ink)).toEqual(['word', 'word', 'number', 'comment']);
  });
});

describe('groups as selections', () => {
  const group = { key: 'k', letter: 'B', version: 'v41', content: 'ff', count: 2, nodes: ['a', 'b'], state: 'behind' as const, note: null, unverified: 0, verification_unknown: 0, failed_checks: [], readings: ['documented' as const], is_baseline: false };
  it('names nodes while all names are known', () => expect(selectionOf(group)).toEqual({ select: 'nodes', ids: ['a', 'b'] }));
  it('filters where names were cut', () => expect(selectionOf({ ...group, count: 900 })).toEqual({ select: 'filter', filter: 'version:"v41" content:ff' }));
  it('says which checks failed on how many nodes', () =>
    expect([verificationDetail(group), verificationDetail({ ...group, unverified: 1, verification_unknown: 1, failed_checks: [{ name: 'identity.san', nodes: 1 }] })]).toEqual(['', `1 of ${group.count} · failed: identity.san on 1 · 1 do not tell`]));
});
