import { describe, expect, it } from 'vitest';
import { createFake } from '$lib/api/fake';
import { contentAgrees, readTab, refusals, strip } from './node.logic';

const fake = createFake({ fleet: 'demo' });
const reload = { at_ms: 0, version: 'v1', success: true, duration_ms: 1, policies: 1, error: null, gap_before: false };

describe('node', () => {
  it('hatches where attempts may be missing', () => expect(strip([reload, { ...reload, gap_before: true }]).map((cell) => cell.kind)).toEqual(['reload', 'gap', 'reload']));
  it('keeps the newest attempts', () => expect(strip(Array.from({ length: 90 }, (_, at_ms) => ({ ...reload, at_ms }))).at(-1)).toMatchObject({ reload: { at_ms: 89 } }));
  it('tells one reason once', async () => expect(refusals((await fake.node('demo', 'fra-opa-1')).actions).map((entry) => entry.words)).toEqual(['Sync, Pin, Roll back, Restart, Logs, Configuration, Verify a bundle']));
  it('compares by content', async () => expect([contentAgrees(await fake.node('demo', 'fra-gw-1')), contentAgrees(await fake.node('demo', 'fra-pay-2')), contentAgrees(await fake.node('demo', 'waw-led-2'))]).toEqual([true, false, null]));
  it('reads only tabs that exist', () => expect([readTab('raw'), readTab('x')]).toEqual(['raw', 'overview']));
});
