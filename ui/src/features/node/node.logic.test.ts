import { describe, expect, it } from 'vitest';
import { createFake } from '$lib/api/fake';
import { contentAgrees, readTab, refusals, reloadsCli, reloadsCsv, startedBy, strip } from './node.logic';

const fake = createFake({ fleet: 'demo' });
const reload = { at_ms: 0, version: 'v1', success: true, duration_ms: 1, policies: 1, error: null, gap_before: false, trigger: null, origin: 'own' as const, slow: null };

describe('node', () => {
  it('hatches where attempts may be missing', () => expect(strip([reload, { ...reload, gap_before: true }]).map((cell) => cell.kind)).toEqual(['reload', 'gap', 'reload']));
  it('keeps the newest attempts', () => expect(strip(Array.from({ length: 90 }, (_, at_ms) => ({ ...reload, at_ms }))).at(-1)).toMatchObject({ reload: { at_ms: 89 } }));
  it('tells one reason once', async () => expect(refusals((await fake.node('demo', 'fra-opa-1')).actions).map((entry) => entry.words)).toEqual(['Sync, Pin, Roll back, Restart, Logs, Configuration, Verify a bundle']));
  it('compares by content', async () => expect([contentAgrees(await fake.node('demo', 'fra-gw-1')), contentAgrees(await fake.node('demo', 'fra-pay-2')), contentAgrees(await fake.node('demo', 'waw-led-2'))]).toEqual([true, false, null]));
  it('writes reloads as CSV that a spreadsheet reads and never calculates', () => {
    const bad = { ...reload, at_ms: Date.UTC(2026, 2, 1), success: false, error: '=1+1, "quoted"', gap_before: true, origin: 'elsewhere' as const, trigger: 'request' };
    expect(reloadsCsv([reload, bad]).split('\n')).toEqual([
      'at,version,outcome,duration_ms,policies,gap_before,started,trigger,error',
      '1970-01-01T00:00:00.000Z,v1,ok,1,1,no,own,,',
      `2026-03-01T00:00:00.000Z,v1,failed,1,1,yes,elsewhere,request,"'=1+1, ""quoted"""`,
      '',
    ]);
  });
  it('says who started a reload, where somebody knows', () => expect([startedBy(reload), startedBy({ ...reload, origin: 'elsewhere', trigger: 'request' }), startedBy({ ...reload, origin: 'not_known' })]).toEqual(['\nby the node itself', '\nnot started here (request)', '']));
  it('quotes names for the shell', () => expect([reloadsCli('demo', 'gw-1'), reloadsCli('eu west', "a'b")]).toEqual(['plumb --fleet demo policy status --node gw-1 --json', `plumb --fleet 'eu west' policy status --node 'a'\\''b' --json`]));
  it('reads only tabs that exist', () => expect([readTab('raw'), readTab('x')]).toEqual(['raw', 'overview']));
});
