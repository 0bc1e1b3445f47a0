import { queryOptions } from '@tanstack/svelte-query';
import type { Api, ImpactView } from './api';
import type { Subscription } from './topics';

/** Which requests another content answers differently. What is known so far stands in the cache while it is still asked. */
export const impactQuery = (api: Api, fleet: string, from: string, to: string) =>
  queryOptions({
    // Contents are named by digest: the answer to this question does not change.
    queryKey: ['impact', fleet, from, to] as const,
    queryFn: ({ client, queryKey }): Promise<ImpactView> => api.impact(fleet, from, to, (soFar) => client.setQueryData(queryKey, soFar)),
    meta: { topics: [] satisfies Subscription[] },
  });
