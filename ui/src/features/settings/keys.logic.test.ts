import { describe, expect, it } from 'vitest';
import type { PersonalKeyView, RosterView } from '$lib/api/api';
import { keyFieldsMissing, standingOf } from './keys.logic';

const key = (fingerprint: string): PersonalKeyView => ({ name: 'laptop', fingerprint, algorithm: 'Ed25519', pem: '', public_key: '', place: 'keyring' });
const roster = (counts: boolean, groups: string[]): RosterView => ({ version: 1, digest: '', issued_at: '', expires_at: '', expired: false, threshold: 1, roots: [], environments: [], people: [{ id: 'mira', name: 'Mira', groups, keys: [{ fingerprint: 'aa', algorithm: 'Ed25519', counts, detail: counts ? 'always' : 'revoked at 2026-11-01' }] }] });

describe('a key of this machine', () => {
  it.each([
    [key('aa'), null, 'no roster here', false],
    [key('bb'), roster(true, []), 'not in the roster', true],
    [key('aa'), roster(true, ['storage', 'ops']), 'mira, storage, ops', false],
    [key('aa'), roster(true, []), 'mira, in no group', false],
    [key('aa'), roster(false, ['storage']), 'mira: revoked at 2026-11-01', true],
  ])('stands in the roster as somebody, or not', (one, of, words, warn) => expect(standingOf(one, of)).toEqual({ words, warn }));
});

describe('a new key', () => {
  it('needs a name, and a file needs a passphrase typed twice', () => {
    expect(keyFieldsMissing('', null)).toContain('letters');
    expect(keyFieldsMissing('mira key', null)).toContain('letters');
    expect(keyFieldsMissing('mira', null)).toBeUndefined();
    expect(keyFieldsMissing('mira', { path: '', passphrase: 'a', again: 'a' })).toBe('Name the key file.');
    expect(keyFieldsMissing('mira', { path: '/k', passphrase: '', again: '' })).toBe('Type the passphrase.');
    expect(keyFieldsMissing('mira', { path: '/k', passphrase: 'a', again: 'b' })).toBe('The two passphrases differ.');
    expect(keyFieldsMissing('mira', { path: '/k', passphrase: 'a', again: 'a' })).toBeUndefined();
  });
});
