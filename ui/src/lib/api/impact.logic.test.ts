import { QueryClient, QueryObserver } from '@tanstack/svelte-query';
import { describe, expect, it } from 'vitest';
import type { Api, ImpactView } from './api';
import { createFake } from './fake';
import { impactBetween } from './fake/impact';
import { V41, V42 } from './fake/policies';
import { impactQuery, impactSoFarQuery } from './impact.queries';

const COMPARED = { from: V42.digest, to: V41.digest, reading: null };
const [FIRST, WHOLE] = impactBetween(V42.digest, V41.digest, null);

/** A comparison that goes on until it is told to end, and what was stopped. */
function held() {
  const asked: { soFar: (view: ImpactView) => void; answer: (view: ImpactView) => void; fail: (error: unknown) => void }[] = [];
  const stopped: string[] = [];
  const api: Api = {
    ...createFake({ fleet: 'demo' }),
    impact: (_fleet, _compared, soFar) => new Promise((answer, fail) => asked.push({ soFar, answer, fail })),
    stopImpact: ({ from }) => {
      stopped.push(from);
      return Promise.resolve();
    },
  };
  const client = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: Infinity } } });
  const look = () => {
    const whole = new QueryObserver(client, impactQuery(api, 'demo', COMPARED));
    const soFar = new QueryObserver(client, impactSoFarQuery('demo', COMPARED));
    const ends = [whole.subscribe(() => undefined), soFar.subscribe(() => undefined)];
    return { seen: () => [whole.getCurrentResult().data, soFar.getCurrentResult().data ?? undefined] as const, away: () => ends.forEach((end) => end()) };
  };
  return { asked, stopped, look };
}

describe('a comparison of two contents', () => {
  it('is known in part while it goes on, and whole at its end', async () => {
    const { asked, stopped, look } = held();
    const looking = look();
    await expect.poll(() => asked.length).toBe(1);
    asked[0]?.soFar(FIRST);
    expect(looking.seen()).toEqual([undefined, FIRST]);
    asked[0]?.answer(WHOLE);
    await expect.poll(looking.seen).toEqual([WHOLE, undefined]);
    looking.away();
    expect(look().seen()).toEqual([WHOLE, undefined]);
    expect([asked.length, stopped]).toEqual([1, []]);
  });

  it('is ended by looking away, and asked anew by whoever looks again', async () => {
    const { asked, stopped, look } = held();
    const looking = look();
    await expect.poll(() => asked.length).toBe(1);
    asked[0]?.soFar(FIRST);
    looking.away();
    await expect.poll(() => stopped).toEqual([V42.digest]);
    // What comes too late is kept nowhere.
    asked[0]?.soFar(FIRST);
    asked[0]?.fail({ code: 'outdated', message: 'somebody looks at something else now', hint: 'look at it again' });
    const again = look();
    await expect.poll(() => asked.length).toBe(2);
    expect(again.seen()).toEqual([undefined, undefined]);
    asked[1]?.answer(WHOLE);
    await expect.poll(again.seen).toEqual([WHOLE, undefined]);
  });

  it('keeps what was known where it ends early', async () => {
    const { asked, look } = held();
    const looking = look();
    await expect.poll(() => asked.length).toBe(1);
    asked[0]?.soFar(FIRST);
    asked[0]?.fail(new Error('the evaluator ended'));
    await expect.poll(() => looking.seen()[1]).toEqual(FIRST);
    expect(looking.seen()[0]).toBeUndefined();
  });
});
