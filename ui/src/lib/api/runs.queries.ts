import { queryOptions } from '@tanstack/svelte-query';
import type { Api } from './api';
import type { Subscription } from './topics';

export const runQuery = (api: Api, id: string) =>
  queryOptions({
    queryKey: ['run', id],
    queryFn: () => api.run(id),
    // Who refuses what it took back is told by nodes.
    meta: { topics: [{ topic: 'run', id }, { topic: 'fleet' }] satisfies Subscription[] },
  });

/** What happened in a run, newest first. */
export const momentsOfRunQuery = (api: Api, id: string) =>
  queryOptions({
    queryKey: ['run moments', id],
    queryFn: () => api.runMoments(id),
    meta: { topics: [{ topic: 'run', id }] satisfies Subscription[] },
  });

/** Runs of a fleet, newest first. */
export const runsQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['runs', fleet],
    queryFn: () => api.runs(fleet),
    meta: { topics: [{ topic: 'run' }, { topic: 'fleet', fleet }] satisfies Subscription[] },
  });

/** The run that goes on in a fleet, whoever carries it out. */
export const liveRunQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['live run', fleet],
    queryFn: () => api.liveRun(fleet),
    meta: { topics: [{ topic: 'run' }, { topic: 'fleet', fleet }] satisfies Subscription[] },
  });
