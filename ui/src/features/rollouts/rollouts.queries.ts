import { queryOptions } from '@tanstack/svelte-query';
import type { Api } from '$lib/api/api';
import type { Subscription } from '$lib/api/topics';

/** Nodes read for suggestions; a fleet has more, and names are completed only as a help. */
const SUGGESTED_ROWS = 250;

export interface Suggestions {
  nodes: string[];
  labels: string[];
  /** Values by label. */
  values: Record<string, string[]>;
}

/** Names of nodes and labels to complete what is typed about waves. */
export const suggestionsQuery = (api: Api, fleet: string) =>
  queryOptions({
    queryKey: ['rollout suggestions', fleet],
    queryFn: async (): Promise<Suggestions> => {
      const { rows } = await api.fleetOverview(fleet, { filter: '', sort: 'state', descending: false, offset: 0, limit: SUGGESTED_ROWS });
      const values = new Map<string, Set<string>>();
      for (const row of rows) for (const label of row.labels) values.set(label.name, (values.get(label.name) ?? new Set()).add(label.value));
      return { nodes: rows.map((row) => row.id), labels: [...values.keys()].sort(), values: Object.fromEntries([...values].map(([name, found]) => [name, [...found].sort()])) };
    },
    meta: { topics: [{ topic: 'fleet', fleet }] satisfies Subscription[] },
  });
