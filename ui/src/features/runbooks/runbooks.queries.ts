import { queryOptions } from '@tanstack/svelte-query';
import type { Api, RunbookOccasion } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

const ofFleet = (fleet: string): Subscription[] => [{ topic: 'fleet', fleet }];

/** The library. Files of runbooks change without a word, so it is asked anew whenever the screen opens. */
export const libraryQuery = (api: Api, fleet: string) =>
  queryOptions({ queryKey: ['runbooks', fleet], queryFn: () => api.runbooks(fleet), refetchOnMount: 'always', meta: { topics: [{ topic: 'shell' }] satisfies Subscription[] } });

export const runbookQuery = (api: Api, fleet: string, file: string) =>
  queryOptions({ queryKey: ['runbook', fleet, file], queryFn: () => api.runbook(fleet, file), refetchOnMount: 'always', meta: { topics: ofFleet(fleet) } });

/** Runs of runbooks, newest first. */
export const runbookRunsQuery = (api: Api, fleet: string) =>
  queryOptions({ queryKey: ['runbook runs', fleet], queryFn: () => api.runbookRuns(fleet), meta: { topics: [...ofFleet(fleet), { topic: 'run' }] satisfies Subscription[] } });

export const runbookRunQuery = (api: Api, id: string) =>
  queryOptions({ queryKey: ['runbook run', id], queryFn: () => api.runbookRun(id), meta: { topics: [{ topic: 'run', id }] satisfies Subscription[] } });

/** Runbooks that fit what somebody looks at. */
export const offersQuery = (api: Api, fleet: string, occasion: RunbookOccasion) =>
  queryOptions({ queryKey: ['runbook offers', fleet, occasion], queryFn: () => api.runbooksFor(fleet, occasion), meta: { topics: ofFleet(fleet) } });

export const doctorQuery = (api: Api, fleet: string) =>
  queryOptions({ queryKey: ['doctor', fleet], queryFn: () => api.doctor(fleet), meta: { topics: ofFleet(fleet) } });
