import { queryOptions } from '@tanstack/svelte-query';
import type { Api } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

export const nodeQuery = (api: Api, fleet: string, id: string) =>
  queryOptions({
    queryKey: ['node', fleet, id],
    queryFn: () => api.node(fleet, id),
    meta: { topics: [{ topic: 'node', fleet, node: id }] satisfies Subscription[] },
  });

/** Asked of the node each time the tab is opened; never kept. */
export const rawQuery = (api: Api, fleet: string, id: string) => queryOptions({ queryKey: ['raw', fleet, id], queryFn: () => api.nodeRaw(fleet, id), staleTime: 0, gcTime: 0 });

export const logsQuery = (api: Api, fleet: string, id: string, filter: string, level: string, maxAgeS: number) =>
  queryOptions({
    queryKey: ['logs', fleet, id, filter, level, maxAgeS],
    queryFn: () => api.nodeLogs(fleet, id, filter, level === 'all' ? '' : level, maxAgeS),
    staleTime: 0,
    gcTime: 0,
  });
