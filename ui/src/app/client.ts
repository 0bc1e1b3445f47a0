import { type Query, QueryClient } from '@tanstack/svelte-query';
import type { Topic } from '$lib/api/api';
import { concerns, type Subscription } from '$lib/api/topics';

/** A cache that is never guessed at: an answer is kept until a topic says that it changed. */
export function createClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: { retry: false, staleTime: Infinity, gcTime: 5 * 60_000, refetchOnWindowFocus: false, refetchOnReconnect: false, networkMode: 'always' },
    },
  });
}

/** Drops what the topics concern; what is on the screen is asked for again. */
export function drop(client: QueryClient, topics: readonly Topic[]): void {
  const concerned = (query: Query): boolean => {
    const subscriptions = (query.meta?.['topics'] ?? []) as readonly Subscription[];
    return topics.some((topic) => concerns(subscriptions, topic));
  };
  // A first answer that is still under way may be older than the topic, and asking again would only join it.
  for (const query of client.getQueryCache().findAll({ predicate: concerned, fetchStatus: 'fetching' })) {
    if (query.state.data === undefined) {
      void query.promise?.then(() => client.invalidateQueries({ queryKey: query.queryKey, exact: true })).catch(() => undefined);
    }
  }
  void client.invalidateQueries({ predicate: concerned });
}
