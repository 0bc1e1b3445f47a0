import type { QueryClient } from '@tanstack/svelte-query';
import type { Session } from '$lib/state/session';
import { pageFor, readSort } from '../features/fleet/fleet.logic';
import { overview } from '../features/fleet/fleet.queries';

const KEY = 'plumbline.fleet';

/** Keeps the name of the open fleet for the next start. */
export function remember(fleet: string | null): void {
  try {
    if (fleet === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, fleet);
  } catch {
    // Without storage the next start asks one question after the other.
  }
}

/** Asks for the fleet that was open last together with the frame, instead of after it. */
export function askAtOnce({ api, route }: Session, client: QueryClient): void {
  const fleet = localStorage.getItem(KEY);
  if (fleet === null || route.screen !== 'fleet') return;
  const page = pageFor(route.param('filter') ?? '', readSort(route.param('sort')), route.param('descending') === 'yes', 0);
  void client.prefetchQuery(overview(api, fleet, page));
}
