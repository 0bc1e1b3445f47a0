import { describe, expect, it } from 'vitest';
import type { BundleChoice, RefusedView } from '$lib/api/api';
import { enforcementWords, newestFirst, pushBlocked, refusable, unsigned, wrongDigest } from './refused.logic';

const view = (given: Partial<RefusedView> = {}): RefusedView => ({ fleet: 'eu', version: 3, digest: null, issued_at: null, signed_by: [], refused: [], cleared: [], enforcing: 0, behind: [], cannot: [], ...given });
const refused = (content: string, signed: boolean) => ({ content, versions: [], since: '2026-11-20T00:00:00Z', reason: 'why', run: null, signed });
const bundle = (content: string, nodes: number): BundleChoice => ({ version: 'v1', content, nodes, desired: false, refused: false, shares_version: false, signed: null });

describe('a refused list', () => {
  it.each([
    [view({ cannot: ['a'] }), 'No node enforces a list by itself: this console alone keeps refused content from them.'],
    [view({ version: null, behind: ['a', 'b'] }), '2 nodes would enforce a list; none is signed.'],
    [view({ enforcing: 4 }), 'Every node that can enforces version 3.'],
    [view({ enforcing: 3, behind: ['a'] }), '1 node holds an older list or none.'],
  ])('says who holds to it', (list, words) => expect(enforcementWords(list)).toBe(words));

  it('is pushed where there is one and somebody takes it', () => {
    expect(pushBlocked(view({ version: null, behind: ['a'] }))).toContain('sign one first');
    expect(pushBlocked(view({ cannot: ['a'] }))).toContain('No node');
    expect(pushBlocked(view({ behind: ['a'] }))).toBeUndefined();
  });

  it('knows what no list has yet, and what is newest', () => {
    expect(unsigned(view({ refused: [refused('a', true), refused('b', false)] })).map((one) => one.content)).toEqual(['b']);
    expect(newestFirst([{ since: '2026-01-01' }, { since: '2026-02-01' }]).map((one) => one.since)).toEqual(['2026-02-01', '2026-01-01']);
  });

  it('offers what is known and not refused', () => {
    const offered = refusable([bundle('a'.repeat(64), 2), bundle('b'.repeat(64), 0)], view({ refused: [refused('a'.repeat(64), true)] }));
    expect(offered).toEqual([{ content: 'b'.repeat(64), words: 'v1 bbbbbbbbbbbb, no node runs it' }]);
  });
});

describe('a digest that is typed', () => {
  it.each(['', ` ${'0a'.repeat(32)} `, 'AF'.repeat(32)])('%s can be', (typed) => expect(wrongDigest(typed)).toBeUndefined());
  it.each(['0a', 'z'.repeat(64), '0a'.repeat(33)])('%s cannot be', (typed) => expect(wrongDigest(typed)).toBeDefined());
});
