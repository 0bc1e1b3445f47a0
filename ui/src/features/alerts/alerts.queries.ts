import { keepPreviousData, queryOptions } from '@tanstack/svelte-query';
import type { AlertsPage, Api } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

const meta = { topics: [{ topic: 'alerts' }] satisfies Subscription[] };

/** Everything about the inbox of a fleet begins with this, so that one act makes all of it stale. */
export const INBOX = 'inbox';
/** Pages of its list stand below this. */
export const PAGES = 'page';

export const inboxQuery = (api: Api, fleet: string, page: AlertsPage) =>
  queryOptions({
    queryKey: [INBOX, fleet, PAGES, page],
    queryFn: () => api.alerts(fleet, page),
    // Scrolling and typing keep what is seen until the answer is there.
    placeholderData: (before, query) => (query?.queryKey[1] === fleet ? keepPreviousData(before) : undefined),
    structuralSharing: false,
    meta,
  });

/** Where alerts are kept, how many wait, and what became of claims; one line is the least that can be asked for. */
export const headQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: [INBOX, fleet, 'head'],
    queryFn: () => api.alerts(fleet, { statuses: [], mine: false, cooling: false, text: '', grouped: false, opened: [], newest_first: true, offset: 0, limit: 1 }),
    meta,
  });

export const alertQuery = (api: Api, fleet: string, alert: string) =>
  queryOptions({ queryKey: [INBOX, fleet, 'alert', alert], queryFn: () => api.alert(fleet, alert), meta });

export const incidentsQuery = (api: Api, fleet: string, withClosed: boolean) =>
  queryOptions({ queryKey: [INBOX, fleet, 'incidents', withClosed], queryFn: () => api.incidents(fleet, withClosed), meta });

export const incidentQuery = (api: Api, fleet: string, incident: string) =>
  queryOptions({ queryKey: [INBOX, fleet, 'incident', incident], queryFn: () => api.incident(fleet, incident), meta });

export const retentionQuery = (api: Api, fleet: string, days: number | null) =>
  queryOptions({ queryKey: [INBOX, fleet, 'retention', days], queryFn: () => api.alertRetention(fleet, days), meta });
