//! What a comparison of two contents came to, without drawing it.
import type { CoverageView, FlipView, ImpactView, OutcomeView, ReadingView } from '$lib/api/api';
import { count, plural, share } from '$lib/domain/words.logic';

export interface ChangeLook {
  /** What the new content does to such requests. */
  word: string;
  /** In the same 16 by 16 box as the glyphs of the states. */
  glyph: string;
  token: string;
}

/** Changes, the gravest first; what is let through that was not is what an approver must see. */
export const CHANGE_LOOKS: Record<string, ChangeLook> = {
  wider: { word: 'Lets more through', glyph: 'M3 8h10M9.5 4.5L13 8l-3.5 3.5', token: '--state-diverged' },
  error: { word: 'Fails', glyph: 'M4.6 4.6l6.8 6.8M11.4 4.6l-6.8 6.8', token: '--state-tampered' },
  stricter: { word: 'Lets less through', glyph: 'M13 8H3M6.5 4.5L3 8l3.5 3.5', token: '--state-behind' },
  other: { word: 'Answers otherwise', glyph: 'M3 9.5c1.5-3 3.5-3 5-1.5s3.5 1.5 5-1.5', token: '--state-ahead' },
  reason_only: { word: 'Gives another reason', glyph: 'M3.9 8h.2M7.9 8h.2M11.9 8h.2', token: '--state-unknown' },
};
const ORDER = Object.keys(CHANGE_LOOKS);
const OTHER: ChangeLook = { word: 'Answers otherwise', glyph: 'M3 9.5c1.5-3 3.5-3 5-1.5s3.5 1.5 5-1.5', token: '--state-ahead' };

/** Nodes that read conditions in each way. */
export const READERS: Record<ReadingView, string> = { documented: 'agents', field: 'reload nodes' };

export interface FlipGroup {
  change: string;
  look: ChangeLook;
  requests: number;
  flips: FlipView[];
}

/** Flips by what changed, the gravest first; the order inside a group is that of the report. */
export function flipGroups(flips: readonly FlipView[]): FlipGroup[] {
  const groups = new Map<string, FlipGroup>();
  for (const flip of flips) {
    const group = groups.get(flip.change) ?? { change: flip.change, look: CHANGE_LOOKS[flip.change] ?? OTHER, requests: 0, flips: [] };
    group.flips.push(flip);
    group.requests += flip.requests;
    groups.set(flip.change, group);
  }
  const rank = (change: string): number => (ORDER.includes(change) ? ORDER.indexOf(change) : ORDER.length);
  return [...groups.values()].sort((a, b) => rank(a.change) - rank(b.change));
}

export const asked = (view: ImpactView): number => view.requests.recorded + view.requests.given + view.requests.generated;
export const flipped = (view: ImpactView): number => view.flips.reduce((sum, flip) => sum + flip.requests, 0);
export const unanswered = (view: ImpactView): number => view.not_evaluated.reduce((sum, group) => sum + group.requests, 0);

/** Where requests come from: `172 generated, 12 recorded`; what was masked may really have been answered otherwise. */
export function originWords(view: ImpactView): string {
  const { generated, recorded, given, masked } = view.requests;
  const partly = masked === 0 ? '' : ` (${count(masked)} of them masked when they were recorded)`;
  return ([[generated, 'generated'], [recorded, 'recorded'], [given, 'given']] as const).filter(([amount]) => amount > 0).map(([amount, word]) => `${count(amount)} ${word}`).join(', ') + partly;
}

/** What came of it, in a sentence; what is still being asked says so. */
export function verdictWords(view: ImpactView): string {
  const [all, flips, open] = [asked(view), flipped(view), unanswered(view)];
  const going = view.digest === null;
  const rest = open === 0 ? '' : `, and ${count(open)} could not be evaluated here`;
  if (going) return `${count(view.asked)} of ${plural(all, 'request')} asked so far: ${flips === 0 ? 'no answer changes' : `${plural(flips, 'answer')} ${flips === 1 ? 'changes' : 'change'}`}${rest}.`;
  if (flips === 0) return open === 0 ? `All ${plural(all, 'request')} are answered alike.` : `No answer changes as far as can be told here; ${count(open)} of ${plural(all, 'request')} could not be evaluated.`;
  return `${count(flips)} of ${plural(all, 'request')} ${flips === 1 ? 'is' : 'are'} answered differently${rest}.`;
}

/** An answer in a few words: `allow`, or what else was answered. */
export const outcomeWords = (outcome: OutcomeView): string => (outcome.effect === 'value' && outcome.value !== null ? outcome.value : outcome.effect);

/** How much weight "no flips" has, in a sentence. */
export function coverageWords(coverage: CoverageView): string {
  const conditions = coverage.conditions === 0 ? '' : `, ${count(coverage.both_ways)} of ${plural(coverage.conditions, 'condition')} seen both to hold and not to (${share(coverage.both_ways, coverage.conditions)})`;
  return `${count(coverage.reached)} of ${plural(coverage.rules, 'rule')} reached${conditions}`;
}

/** Longest example that stands in one line. */
const LINE_MAX = 160;

/** An example as it is read: JSON in one line where it is short, else indented. */
export function readable(example: string): string {
  try {
    const indented = JSON.stringify(JSON.parse(example), null, 2);
    // Line breaks inside strings are written as escapes, so these are all between them.
    const line = indented.replace(/\n\s*/g, ' ');
    return line.length <= LINE_MAX ? line : indented;
  } catch {
    return example;
  }
}
