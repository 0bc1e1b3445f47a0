import { queryOptions } from '@tanstack/svelte-query';
import type { Api } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

export const shellQuery = (api: Api) =>
  queryOptions({
    queryKey: ['shell'],
    queryFn: () => api.shell(),
    // The age of the sweep moves with every sweep, which announces the fleet only.
    meta: { topics: [{ topic: 'shell' }, { topic: 'fleet' }] satisfies Subscription[] },
  });
