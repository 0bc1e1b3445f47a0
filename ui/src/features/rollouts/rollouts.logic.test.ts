import { describe, expect, it } from 'vitest';
import type { RolloutRequest, RunView } from '$lib/api/api';
import { createFake } from '$lib/api/fake';
import { changes, chosenWave, currentWave, gateAhead, gateWaits, nodesOf, ordersOf, passed, progressWords, touched, waveWord, waysBack } from './rollouts.logic';

const newest = async (runs: 'attest' | 'halted' | 'paused' | 'rolling' | 'left' | 'skipped' | 'past'): Promise<RunView> => {
  const [run] = await createFake({ fleet: 'demo', runs, tickMs: 1_000_000 }).runs('demo');
  if (!run) throw new Error('the fake has runs');
  return run;
};
const can = (run: RunView): string[] => Object.entries(ordersOf(run)).filter(([, yes]) => yes).map(([name]) => name);

describe('orders', () => {
  it('are those that a run takes as it stands', async () => {
    expect(can(await newest('attest'))).toEqual(['open', 'canPause', 'canRollBack', 'canAbort']);
    expect(can(await newest('paused'))).toEqual(['open', 'canResume', 'canRollBack', 'canAbort']);
    expect(can(await newest('halted'))).toEqual(['open', 'canResume', 'canRollBack', 'canAbort']);
    expect(can(await newest('rolling'))).toEqual(['open', 'canAbort']);
    expect(can(await newest('left'))).toEqual(['canRollBack', 'canAbort', 'canPickUp']);
    expect(can(await newest('past'))).toEqual([]);
  });
  it('speak of a gate only where it waits', async () => {
    const run = await newest('attest');
    expect([gateWaits(run, 0), gateWaits(run, 1), gateWaits(await newest('rolling'), 0)]).toEqual([true, false, false]);
  });
});

describe('waves', () => {
  it('stand at the first that did not pass, and at the last when all did', async () => {
    const run = await newest('skipped');
    const waves = run.rollout?.waves ?? [];
    expect([passed(waves), currentWave(waves)]).toEqual([1, 1]);
    expect(currentWave(waves.map((wave) => ({ ...wave, state: 'passed' as const })))).toBe(waves.length - 1);
  });
  it('are chosen by the address, if it names one', async () => {
    const waves = (await newest('attest')).rollout?.waves ?? [];
    expect([chosenWave(waves, '2'), chosenWave(waves, '99'), chosenWave(waves, 'x'), chosenWave(waves, null)]).toEqual([1, 0, 0, 0]);
  });
  it('hold their own nodes only', async () => {
    const run = await newest('attest');
    expect([nodesOf(run, 0).length, nodesOf(run, null).length, touched(run.nodes)]).toEqual([1, 6, 1]);
    expect(progressWords(run)).toBe('1 of 6 arrived · 0 of 3 waves');
  });
});

describe('a plan', () => {
  it('says what changes and the way back once for nodes that are alike', async () => {
    const rollout: RolloutRequest = { shape: { shape: 'one_by_one' }, roll_back_on_failure: false, failures_tolerated: 0 };
    const plan = await createFake({ fleet: 'demo' }).preparePlan('demo', { kind: 'sync', nodes: { select: 'drifted' }, force: false, rollout });
    expect(plan.rollout?.waves).toHaveLength(6);
    const groups = changes(plan.targets);
    expect(groups.reduce((sum, group) => sum + group.nodes, 0)).toBe(6);
    expect(groups[0]).toMatchObject({ from: 'v41', to: 'v42', nodes: 2 });
    expect(waysBack(plan.targets)[0]).toEqual({ way: 'reload v42 again', nodes: 3 });
  });
});

describe('words', () => {
  it('of a wave that was left tell that it never went further', async () => {
    const runs = await createFake({ fleet: 'demo', runs: 'past' }).runs('demo');
    const back = runs.find((run) => run.phase === 'rolled_back');
    const waves = back?.rollout?.waves ?? [];
    expect(back && waves.map((wave) => waveWord(back, wave))).toEqual(['Passed', 'Not finished', 'Never begun']);
    expect(back && waves.some((wave) => gateAhead(back, wave))).toBe(false);
  });
});
