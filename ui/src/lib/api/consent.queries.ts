import { queryOptions } from '@tanstack/svelte-query';
import type { Api } from './api';
import type { Subscription } from './topics';

const ofFleet = (fleet: string): Subscription[] => [{ topic: 'fleet', fleet }];

/** How a plan stands with those who must consent. */
export const consentQuery = (api: Api, fleet: string, planHash: string) =>
  queryOptions({
    queryKey: ['consent', planHash],
    queryFn: () => api.planConsent(planHash),
    meta: { topics: ofFleet(fleet) },
  });

/** The roster that rules a fleet. */
export const rosterQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['roster', fleet],
    queryFn: () => api.enrolledRoster(fleet),
    meta: { topics: ofFleet(fleet) },
  });

/** Reviews of rollbacks that began without approvals. */
export const reviewsQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['reviews', fleet],
    queryFn: () => api.reviewsDue(fleet),
    meta: { topics: [...ofFleet(fleet), { topic: 'run' }] satisfies Subscription[] },
  });

export const certificateQuery = (api: Api, run: string) =>
  queryOptions({
    queryKey: ['certificate', run],
    queryFn: () => api.runCertificate(run),
    meta: { topics: [{ topic: 'run', id: run }] satisfies Subscription[] },
  });
