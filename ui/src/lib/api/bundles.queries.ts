import { queryOptions } from '@tanstack/svelte-query';
import type { Api } from './api';
import type { Subscription } from './topics';

/** What nodes of a fleet can be brought to: the catalogue of its bundles. */
export const bundlesQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['bundles', fleet],
    queryFn: () => api.bundleChoices(fleet),
    meta: { topics: [{ topic: 'fleet', fleet }] satisfies Subscription[] },
  });
