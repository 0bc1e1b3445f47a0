//! What a readiness checklist says, without drawing it.
import type { ChecklistItemView, ChecklistView } from '$lib/api/api';
import { plural } from '$lib/domain/words.logic';

/** Items that every rollout is asked for. */
const ALWAYS: readonly string[] = ['staging_rollback', 'alerts_routed', 'runbook_signed', 'health_scraped'];

/** Items that somebody asked for or gave evidence of: what is required and open first. */
export function shownItems(view: ChecklistView): ChecklistItemView[] {
  const rank = (item: ChecklistItemView): number => (item.required && item.state !== 'shown' ? 0 : item.state === 'refused' ? 1 : item.state === 'missing' ? 2 : 3);
  const shown = view.items.filter((item) => item.required || item.state !== 'missing' || ALWAYS.includes(item.item));
  return [...shown].sort((a, b) => rank(a) - rank(b));
}

/** How the checklist stands, in a sentence. */
export function readinessWords(view: ChecklistView): string {
  if (!view.ruled) return 'No roster rules this fleet: nothing is required.';
  const required = view.items.filter((item) => item.required).length;
  if (view.open > 0) return `${plural(view.open, 'required item')} not shown: nothing but a way back starts before.`;
  return required === 0 ? 'The roster requires nothing.' : 'Everything that the roster requires is shown.';
}

/** What is wrong with evidence that is being written, in a sentence. */
export function evidenceMissing(kind: 'link' | 'attest', text: string): string | undefined {
  const written = text.trim();
  if (kind === 'attest') return written === '' ? 'Write what you looked at and found.' : undefined;
  return /^https?:\/\/\S+$/.test(written) ? undefined : 'Give the whole address, from https:// on.';
}
