import { queryOptions } from '@tanstack/svelte-query';
import type { Api } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

/** What was found in the archive that was opened last. */
export const openedQuery = (api: Api) =>
  queryOptions({
    queryKey: ['evidence', 'opened'],
    queryFn: () => api.openedEvidence(),
    meta: { topics: [{ topic: 'shell' }] satisfies Subscription[] },
  });

/** Every moment of the evidence that is open; they stay as they are while it is. */
export const stepsQuery = (api: Api, file: string) =>
  queryOptions({ queryKey: ['evidence', 'steps', file], queryFn: () => api.evidenceSteps(), staleTime: Number.POSITIVE_INFINITY });
