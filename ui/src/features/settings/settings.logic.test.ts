import { describe, expect, it } from 'vitest';
import { credentialLook, guessFormat, importBlocked, saveBlocked } from './settings.logic';

describe('imports', () => {
  it('guess the format from name or text', () => expect([guessFormat('a.json', ''), guessFormat('', '[{"targets":[]}]'), guessFormat('', '[[node]]\nid = "a"'), guessFormat('x.csv', 'id,url\na,b')]).toEqual(['prometheus_file_sd', 'prometheus_file_sd', 'fleet_toml', 'csv']));
  it('need a name and text', () => expect([importBlocked('../x', 'a'), importBlocked('a', ' '), importBlocked('eu-1', 'a')].map((reason) => reason === undefined)).toEqual([false, false, true]));
  it('are not saved with problems or without change', () => {
    const preview = { added: ['a'], removed: [], changed: [], unchanged: 0, problems: [], toml: '' };
    expect([saveBlocked(preview), saveBlocked({ ...preview, problems: ['x'] }), saveBlocked({ ...preview, added: [] })]).toEqual([undefined, 'Mend the problems first.', 'Nothing would change.']);
  });
});

describe('credentials', () => {
  const credential = { reference: 'keyring a', kind: 'keyring', name: 'a', fleets: [], nodes: 1, status: 'present' };
  it('are set only in the keyring', () => expect([credentialLook(credential).settable, credentialLook({ ...credential, kind: 'env' }).settable]).toEqual([true, false]));
  it('are deleted only where present', () => expect(credentialLook({ ...credential, status: 'missing' }).deletable).toBe(false));
});
