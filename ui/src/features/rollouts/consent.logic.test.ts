import { expect, it } from 'vitest';
import type { SignerView } from '$lib/api/api';
import { KEY_FILE, consentMissing, countdown, keyForm, keyMissing, readKey } from './consent.logic';

const signer = (name: string, rest: Partial<SignerView> = {}): SignerView => ({ name, fingerprint: '0'.repeat(64), file: null, person: name, roles: ['storage'], ...rest });

it('picks the key of whoever signs, and a file where there is no key', () => {
  expect(keyForm([signer('mira'), signer('sam')], 'sam').choice).toBe('sam');
  expect(keyForm([signer('mira', { roles: [] }), signer('sam')]).choice).toBe('sam');
  expect(keyForm([]).choice).toBe(KEY_FILE);
});

it('asks for a passphrase only where the key is in a file', () => {
  const form = keyForm([signer('sam')]);
  expect(keyMissing(form, [signer('sam')])).toBeUndefined();
  expect(readKey(form, [signer('sam')])).toEqual({ key: 'kept', name: 'sam' });
  const filed = [signer('sam', { file: '/keys/sam.pem' })];
  expect(keyMissing(form, filed)).toMatch(/passphrase/);
  expect(readKey({ ...form, passphrase: 'x' }, filed)).toEqual({ key: 'file', path: '/keys/sam.pem', passphrase: 'x' });
  expect(keyMissing({ ...form, choice: KEY_FILE }, filed)).toMatch(/key file/);
});

it('says what is missing in a sentence, and nothing where nobody has to consent', () => {
  expect(consentMissing({ data: null, isError: false, isPending: false })).toBeUndefined();
  expect(consentMissing({ data: undefined, isError: true, isPending: false })).toMatch(/not known/);
});

it('counts down in words', () => {
  expect([countdown(28_740), countdown(720), countdown(40), countdown(-3)]).toEqual(['7 h 59 min', '12 min', '40 s', '0 s']);
});
