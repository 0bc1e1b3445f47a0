import { queryOptions } from '@tanstack/svelte-query';
import type { Api } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

export const settingsQuery = (api: Api) =>
  queryOptions({
    queryKey: ['settings'],
    queryFn: () => api.settings(),
    meta: { topics: [{ topic: 'shell' }] satisfies Subscription[] },
  });
