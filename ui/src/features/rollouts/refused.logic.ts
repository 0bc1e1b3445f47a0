//! What the refused list of a fleet says, without drawing it.
import type { BundleChoice, ClearingView, RefusedContentView, RefusedView } from '$lib/api/api';
import { plural, sentence, shortDigest, visible } from '$lib/domain/words.logic';

/** Content that is refused here and stands in no signed list yet. */
export const unsigned = (view: RefusedView): RefusedContentView[] => view.refused.filter((one) => !one.signed);

/** What is newest first; nobody looks for what was refused last year. */
export const newestFirst = <One extends { since?: string; at?: string }>(all: readonly One[]): One[] => [...all].sort((a, b) => (b.since ?? b.at ?? '').localeCompare(a.since ?? a.at ?? ''));

/** Why the list cannot be pushed. */
export function pushBlocked(view: RefusedView): string | undefined {
  if (view.version === null) return 'No list is signed yet: sign one first.';
  return view.enforcing + view.behind.length === 0 ? 'No node of this fleet can enforce a list.' : undefined;
}

/** How a fleet holds to the list, in a sentence. */
export function enforcementWords(view: RefusedView): string {
  const able = view.enforcing + view.behind.length;
  if (able === 0) return 'No node enforces a list by itself: this console alone keeps refused content from them.';
  if (view.version === null) return `${plural(able, 'node')} would enforce a list; none is signed.`;
  return view.behind.length === 0 ? `Every node that can enforces version ${view.version}.` : `${plural(view.behind.length, 'node')} ${view.behind.length === 1 ? 'holds' : 'hold'} an older list or none.`;
}

/** Contents of the fleet that can be refused: those that are known and are not refused yet. */
export function refusable(bundles: readonly BundleChoice[], view: RefusedView): { content: string; words: string }[] {
  const refused = new Set(view.refused.map((one) => one.content));
  const open = bundles.filter((bundle) => !refused.has(bundle.content));
  return open.map((bundle) => ({ content: bundle.content, words: `${visible(bundle.version ?? 'no version')} ${shortDigest(bundle.content)}, ${bundle.nodes === 0 ? 'no node runs it' : `${plural(bundle.nodes, 'node')} ${bundle.nodes === 1 ? 'runs' : 'run'} it`}${bundle.desired ? ', desired' : ''}` }));
}

/** A digest that was typed, as it is sent. */
export const typedDigest = (typed: string): string => typed.trim().toLowerCase();

/** What is wrong with a digest that was typed; nothing while it is empty. */
export function wrongDigest(typed: string): string | undefined {
  const given = typedDigest(typed);
  if (given === '') return undefined;
  return /^[0-9a-f]{64}$/.test(given) ? undefined : 'A content digest has 64 digits from 0 to 9 and a to f.';
}

/** What became of a signature under a clearing. */
export function cleanWords(view: ClearingView): string {
  const content = shortDigest(view.content);
  if (view.missing === null) return `${content} is signed clean and may be taken again; push the new list`;
  return `${content} is signed by ${view.people.join(', ')}. ${sentence(view.missing)} Saved as ${view.file ?? ''}`;
}
