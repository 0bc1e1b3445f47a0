import { queryOptions } from '@tanstack/svelte-query';
import type { Api } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

export const runQuery = (api: Api, id: string) =>
  queryOptions({
    queryKey: ['run', id],
    queryFn: () => api.run(id),
    meta: { topics: [{ topic: 'run', id }] satisfies Subscription[] },
  });

/** Versions nodes can be brought to: what the baselines offer. */
export const versionsQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['versions', fleet],
    queryFn: () => api.drift(fleet, { kind: 'desired' }, null),
    meta: { topics: [{ topic: 'fleet', fleet }] satisfies Subscription[] },
  });
