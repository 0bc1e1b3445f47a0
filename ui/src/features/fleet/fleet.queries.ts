import { keepPreviousData, queryOptions } from '@tanstack/svelte-query';
import type { Api, FleetPage } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

export const overview = (api: Api, fleet: string, page: FleetPage) =>
  queryOptions({
    queryKey: ['fleet', fleet, page],
    queryFn: () => api.fleetOverview(fleet, page),
    // Scrolling and typing keep what is seen until the answer is there.
    placeholderData: (before, query) => (query?.queryKey[1] === fleet ? keepPreviousData(before) : undefined),
    // Comparing 10,000 cells and 250 rows with themselves costs more than it saves.
    structuralSharing: false,
    meta: { topics: [{ topic: 'fleet', fleet }, { topic: 'shell' }] satisfies Subscription[] },
  });

/** Ids behind the cells; asked for again only when nodes come or go. */
export const names = (api: Api, fleet: string, members: string) =>
  queryOptions({
    queryKey: ['names', fleet, members],
    queryFn: () => api.nodeNames(fleet),
    structuralSharing: false,
  });
