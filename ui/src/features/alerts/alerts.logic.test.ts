import { describe, expect, it } from 'vitest';
import type { AlertRow, InboxSource } from '$lib/api/api';
import { OPEN, actedWords, cooledShare, cooldownWords, hindrance, left, nextStates, owned, readAsked, sourceWords, toggleStatus } from './alerts.logic';

const NOW = 1_000_000;
const row = (rest: Partial<AlertRow> = {}): AlertRow => ({ alert: 'alrt_1', status: 'new', severity: 'P1', service: 'eu', env: '', kind: 'k', title: 't', source: 's', signature: 'sig', occurrences: 1, created_at_ms: 0, last_seen_at_ms: 0, owner: null, lock_until_ms: null, retry_at_ms: null, last_error: null, incident: null, resolved: false, mine: false, assigned_to: null, tentative: false, cooldown: null, ...rest });
const mine = (lock_until_ms: number): AlertRow => row({ status: 'processing', owner: 'mira', mine: true, lock_until_ms });
const theirs = (lock_until_ms: number): AlertRow => row({ status: 'processing', owner: 'jo', lock_until_ms });

describe('what is asked', () => {
  const asked = (params: Record<string, string>) => readAsked((name) => params[name] ?? null);

  it('is what waits for somebody unless the address says otherwise', () => {
    expect(asked({}).statuses).toEqual(OPEN);
    expect(asked({ status: 'all' }).statuses).toEqual([]);
    expect(asked({ status: 'failed,nonsense' }).statuses).toEqual(['failed']);
    expect(asked({ grouped: 'no', sort: 'newest', mine: 'yes' })).toMatchObject({ grouped: false, newestFirst: true, mine: true });
  });

  it('changes by a chip, and never to nothing', () => {
    expect(toggleStatus(asked({}), 'acked')).toBe('all');
    expect(toggleStatus(asked({}), 'new')).toBe('processing,failed');
    expect(toggleStatus(asked({ status: 'failed' }), 'failed')).toBe('all');
    expect(toggleStatus(asked({ status: 'all' }), 'acked')).toBe(null);
  });
});

describe('an owner', () => {
  it('is shown with what is left of the lease', () => {
    expect(owned(row(), NOW)).toBe(null);
    expect(owned(mine(NOW + 432_000), NOW)).toEqual({ who: 'you', rest: '7:12 min', tone: 'calm' });
    expect(owned(theirs(NOW + 96_000), NOW)).toEqual({ who: 'jo', rest: '96 s', tone: 'warn' });
    expect(owned(theirs(NOW), NOW)).toEqual({ who: 'jo', rest: 'lease over', tone: 'bad' });
    expect(owned(row({ status: 'failed', owner: 'jo', retry_at_ms: NOW + 61_000 }), NOW)?.rest).toBe('retry in 61 s');
    expect(owned(row({ assigned_to: 'mira' }), NOW)).toMatchObject({ who: 'mira', rest: 'assigned' });
    expect(owned(row({ tentative: true }), NOW)?.rest).toBe('tentative');
    expect(left(NOW + 7_260_000, NOW)).toBe('2 h 1 min');
  });
});

describe('an act', () => {
  it('says why it cannot be done', () => {
    expect(hindrance(row(), 'claim', NOW, null)).toBe(undefined);
    expect(hindrance(row(), 'fail', NOW, null)).toMatch(/^Claim it first/);
    expect(hindrance(mine(NOW + 1), 'fail', NOW, null)).toBe(undefined);
    expect(hindrance(mine(NOW + 1), 'claim', NOW, null)).toBe('You hold it.');
    expect(hindrance(theirs(NOW + 1), 'ack', NOW, null)).toMatch(/^jo holds it/);
    expect(hindrance(theirs(NOW), 'claim', NOW, null)).toBe(undefined);
    expect(hindrance(row({ status: 'acked' }), 'claim', NOW, null)).toMatch(/settled/);
    expect(hindrance(row({ incident: 'inc_1' }), 'convert', NOW, null)).toMatch(/already/);
    expect(hindrance(row(), 'ack', NOW, 'no answer')).toMatch(/only claims/);
    expect(hindrance(row(), 'claim', NOW, 'no answer')).toBe(undefined);
  });

  it('tells what became of each alert', () => {
    const done = (alert: string, tentative = false) => ({ alert, incident: null, tentative, why: ['it was free'] });
    const refused = { alert: 'alrt_9', why: 'jo holds it', guide: null };
    expect(actedWords('claim', { done: [done('a')], refused: [], rows: [] })).toEqual({ text: '1 alert claimed', hint: 'it was free', bad: false, guide: undefined });
    expect(actedWords('ack', { done: [done('a'), done('b')], refused: [refused], rows: [] })).toEqual({ text: '2 alerts acked, 1 not', hint: 'jo holds it', bad: true, guide: undefined });
    expect(actedWords('ack', { done: [], refused: [refused, refused], rows: [] })).toEqual({ text: 'None of 2 alerts acked', hint: 'jo holds it and 1 more', bad: true, guide: undefined });
    const denied = { alert: 'alrt_8', why: 'tools.alerts.claim denied', guide: 'Claiming is denied' };
    expect(actedWords('claim', { done: [], refused: [refused, denied], rows: [] }).guide).toBe('Claiming is denied');
    expect(actedWords('claim', { done: [done('a', true)], refused: [], rows: [] }).text).toMatch(/tentatively/);
  });
});

describe('around the list', () => {
  const source: InboxSource = { hub: null, backend: 'sqlite', place: '/x', survives_restart: true, as_of_ms: null, offline: null, not_told: null };
  it('says where alerts are kept and whether they survive', () => {
    expect(sourceWords(source)).toEqual({ where: 'this console', kept: 'SQLite, durable' });
    expect(sourceWords({ ...source, hub: 'https://hub.example:8443/', backend: 'memory', survives_restart: false })).toEqual({ where: 'hub hub.example:8443', kept: 'memory, lost at a restart' });
    expect(sourceWords({ ...source, hub: 'https://h/', backend: '' }).kept).toBe('never answered');
  });

  it('tells how far a cooldown is', () => {
    const cooldown = { triaged_at_ms: NOW - 60_000, until_ms: NOW + 60_000, added: 1 };
    expect([cooldownWords(cooldown, NOW), cooledShare(cooldown, NOW)]).toEqual(['cools down 60 s', 0.5]);
    expect(cooldownWords(cooldown, NOW + 60_000)).toBe('cooldown over');
  });

  it('leads an incident anywhere but out of its end', () => {
    expect(nextStates('open')).toEqual(['mitigating', 'resolved']);
    expect(nextStates('closed')).toEqual([]);
  });
});
