import { QueryClient } from '@tanstack/svelte-query';
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
  void client.invalidateQueries({
    predicate: (query) => {
      const subscriptions = (query.meta?.['topics'] ?? []) as readonly Subscription[];
      return topics.some((topic) => concerns(subscriptions, topic));
    },
  });
}
