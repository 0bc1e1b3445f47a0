import { keepPreviousData, queryOptions } from '@tanstack/svelte-query';
import type { Api } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

/** What nodes ran over the last hours. */
export const historyQuery = (api: Api, fleet: string, hours: number) =>
  queryOptions({
    queryKey: ['history', fleet, hours],
    queryFn: () => api.history(fleet, hours),
    placeholderData: keepPreviousData,
    meta: { topics: [{ topic: 'fleet', fleet }] satisfies Subscription[] },
  });
