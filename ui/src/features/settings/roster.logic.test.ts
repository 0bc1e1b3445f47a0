import { describe, expect, it } from 'vitest';
import type { RosterView } from '$lib/api/api';
import { changesOf, demandsOf, enrolMissing, expiry, ruleOf, wrongFingerprint } from './roster.logic';

const NOW = Date.parse('2026-11-21T00:00:00Z');
const roster = (over: Partial<RosterView> = {}): RosterView => ({
  version: 7,
  digest: 'seven',
  issued_at: '2026-11-01T00:00:00Z',
  expires_at: '2027-02-01T00:00:00Z',
  expired: false,
  threshold: 1,
  roots: [{ name: 'ops', fingerprint: 'a'.repeat(64), algorithm: 'Ed25519', signed: true }],
  people: [{ id: 'sam', name: 'Sam', groups: ['storage'], keys: [] }],
  environments: [{ name: 'production', fleets: ['eu'], rule: '1 of storage', night: null, dry_run: false, staging_fleet: null, consoles: [], freeze: [], readiness: [] }],
  ...over,
});

it.each([
  ['', undefined],
  ['a'.repeat(20), undefined],
  ['AAAA:AAAA AAAA:AAAA AAAA', undefined],
  ['a'.repeat(19), '19 digits; at least the first 20 are compared.'],
  ['g'.repeat(20), 'A fingerprint has the digits 0 to 9 and a to f only.'],
  ['a'.repeat(65), 'A fingerprint has 64 digits.'],
])('of the fingerprint %s it says %s', (typed, told) => expect(wrongFingerprint(typed)).toBe(told));

describe('a roster', () => {
  it('is enrolled with every fingerprint, and a newer one without', () => {
    expect(enrolMissing(roster(), null, [''])).toMatch(/every root key/);
    expect(enrolMissing(roster(), null, ['a'.repeat(20)])).toBeUndefined();
    expect(enrolMissing(roster({ version: 8, digest: 'eight' }), roster(), [])).toBeUndefined();
    expect(enrolMissing(roster(), roster(), [])).toMatch(/holds already/);
    expect(enrolMissing(roster({ version: 6 }), roster(), [])).toMatch(/older one is never taken again/);
    expect(enrolMissing(roster({ expired: true }), null, ['a'.repeat(20)])).toMatch(/expired/);
  });

  it('says how long it holds, and when that is soon', () => {
    expect(expiry(roster(), NOW)).toEqual({ words: 'in 72 d', soon: false });
    expect(expiry(roster({ expires_at: '2026-11-21T05:30:00Z' }), NOW)).toEqual({ words: 'in 5 h', soon: true });
    expect(expiry(roster({ expires_at: '2026-11-20T00:00:00Z' }), NOW).soon).toBe(true);
  });

  it('names what rules a fleet, and what another version changes', () => {
    expect(ruleOf(roster(), 'eu')?.name).toBe('production');
    expect(ruleOf(roster(), 'us')).toBeNull();
    const next = roster({ version: 8, threshold: 2, people: [{ id: 'tove', name: 'Tove', groups: [], keys: [] }], environments: [{ name: 'production', fleets: ['eu'], rule: '2 of storage', night: null, dry_run: false, staging_fleet: null, consoles: [], freeze: [], readiness: [] }] });
    expect(changesOf(roster(), next)).toEqual(['takes 2 root keys to sign, not 1', 'adds tove, in no group', 'removes sam, storage', 'changes the rule of production: 2 of storage']);
  });
});

describe('what an environment asks for', () => {
  const environment = { name: 'production', fleets: ['eu'], rule: '1 of storage', night: null, dry_run: false, staging_fleet: null, consoles: [], freeze: [], readiness: [] };

  it('is nothing beside its rule where the roster says no more', () => {
    expect(demandsOf(environment)).toEqual([]);
  });

  it('is a sentence for each thing', () => {
    const all = { ...environment, night: '22:00 to 06:00 UTC', dry_run: true, staging_fleet: 'staging', consoles: ['ab', 'cd'], freeze: ['2026-12-20 to 2027-01-02: year end'], readiness: ['runbook_signed, attested by somebody of security'] };
    expect(demandsOf(all)).toEqual([
      'A rollback to last-known-good may start without approvals from 22:00 to 06:00 UTC.',
      'Asks for a dry run.',
      'Asks for a green certificate of staging, signed by one of 2 named consoles.',
      'Must be ready: runbook_signed, attested by somebody of security.',
      'Nothing is changed from 2026-12-20 to 2027-01-02: year end.',
    ]);
  });
});
