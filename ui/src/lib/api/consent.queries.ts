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

/** What the newest dry run of a plan found; nothing where no node was asked yet. */
export const dryRunQuery = (api: Api, fleet: string, planHash: string) =>
  queryOptions({
    queryKey: ['dry-run', planHash],
    queryFn: () => api.newestDryRun(planHash),
    meta: { topics: ofFleet(fleet) },
  });

/** What is ready before a change of a fleet, and what shows it. */
export const readinessQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['readiness', fleet],
    queryFn: () => api.readiness(fleet),
    meta: { topics: ofFleet(fleet) },
  });

/** Keys of this machine, and the groups that have a say in a fleet. */
export const signersQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['signers', fleet],
    queryFn: () => api.reviewSigners(fleet),
    meta: { topics: ofFleet(fleet) },
  });

/** Plans that approval was asked for. */
export const waitingQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['waiting plans', fleet],
    queryFn: () => api.waitingPlans(fleet),
    meta: { topics: [...ofFleet(fleet), { topic: 'run' }] satisfies Subscription[] },
  });

/** Keys of this machine, and as whom it asks for changes of a fleet. */
export const ownKeysQuery = (api: Api, fleet: string | null) =>
  queryOptions({
    queryKey: ['own keys', fleet],
    queryFn: () => api.ownKeys(fleet),
    meta: { topics: fleet === null ? [] : ofFleet(fleet) },
  });

/** Content that no node of a fleet may take. */
export const refusedQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['refused', fleet],
    queryFn: () => api.refused(fleet),
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
