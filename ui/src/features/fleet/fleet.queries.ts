import { keepPreviousData, queryOptions } from '@tanstack/svelte-query';
import type { Api, FleetPage } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

export const overview = (api: Api, fleet: string, page: FleetPage) =>
  queryOptions({
    queryKey: ['fleet', fleet, page],
    queryFn: () => api.fleetOverview(fleet, page),
    // Scrolling and typing keep what is seen until the answer is there.
    placeholderData: (before, query) => (query?.queryKey[1] === fleet ? keepPreviousData(before) : undefined),
    // Comparing 10,000 ids with themselves costs more than it saves.
    structuralSharing: false,
    meta: { topics: [{ topic: 'fleet', fleet }, { topic: 'shell' }] satisfies Subscription[] },
  });
