import { queryOptions } from '@tanstack/svelte-query';
import type { Api, ComparedContents, ImpactView } from './api';
import type { Subscription } from './topics';

// Contents are named by digest: the answer to these questions does not change.
const NOTHING_CHANGES_IT = { topics: [] satisfies Subscription[] };
const soFarKey = (fleet: string, compared: ComparedContents) => ['impact so far', fleet, compared] as const;

/** Which requests another content answers differently. Whoever looks away ends the question; what was known until then is no answer to it. */
export const impactQuery = (api: Api, fleet: string, compared: ComparedContents) =>
  queryOptions({
    queryKey: ['impact', fleet, compared] as const,
    queryFn: async ({ client, signal }): Promise<ImpactView> => {
      const soFar = soFarKey(fleet, compared);
      const forget = (): void => void client.setQueryData<ImpactView | null>(soFar, null);
      const stop = (): void => {
        forget();
        void api.stopImpact(compared).catch(() => undefined);
      };
      forget();
      signal.addEventListener('abort', stop, { once: true });
      try {
        const whole = await api.impact(fleet, compared, (view) => {
          if (!signal.aborted) client.setQueryData<ImpactView | null>(soFar, view);
        });
        if (!signal.aborted) forget();
        return whole;
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
    meta: NOTHING_CHANGES_IT,
  });

/** What is known of it while it is still asked, and where it ended early; nobody asks for this alone. */
export const impactSoFarQuery = (fleet: string, compared: ComparedContents) =>
  queryOptions({
    queryKey: soFarKey(fleet, compared),
    queryFn: (): ImpactView | null => null,
    enabled: false,
    meta: NOTHING_CHANGES_IT,
  });
