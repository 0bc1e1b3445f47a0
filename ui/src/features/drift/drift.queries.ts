import { keepPreviousData, queryOptions } from '@tanstack/svelte-query';
import type { Api, Baseline } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

export const driftQuery = (api: Api, fleet: string, baseline: Baseline, group: string | null) =>
  queryOptions({
    queryKey: ['drift', fleet, baseline, group],
    queryFn: () => api.drift(fleet, baseline, group),
    placeholderData: keepPreviousData,
    meta: { topics: [{ topic: 'fleet', fleet }] satisfies Subscription[] },
  });

export const momentsQuery = (api: Api, fleet: string, named: string) =>
  queryOptions({
    queryKey: ['moments', fleet, named],
    queryFn: () => api.moments(fleet, named),
    placeholderData: keepPreviousData,
    meta: { topics: [{ topic: 'fleet', fleet }] satisfies Subscription[] },
  });

export const textQuery = (api: Api, fleet: string, from: string | null, to: string | null, policy: string) =>
  queryOptions({
    // Contents are named by digest: the answer to this question never changes.
    queryKey: ['text', fleet, from, to, policy],
    queryFn: () => api.policyTextDiff(fleet, from, to, policy),
    meta: { topics: [] satisfies Subscription[] },
  });
