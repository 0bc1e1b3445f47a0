//! Verification in words.
import type { CheckLine, CheckWord, VerifiedView } from '$lib/api/api';
import { plural } from './words.logic';

const WORDS: Record<VerifiedView, string> = { yes: 'verified', no: 'not verified', unknown: 'not told' };
export const verifiedWord = (verified: VerifiedView): string => WORDS[verified];

const OUTCOMES: Record<CheckWord, string> = { passed: 'passed', failed: 'failed', not_made: 'not made' };
export const outcomeWord = (outcome: CheckWord): string => OUTCOMES[outcome];

/** How the checks came out, in few words, worst first. */
export function checksSummary(checks: readonly CheckLine[]): string {
  const counts = (['failed', 'passed', 'not_made'] as const).map((outcome) => [checks.filter((check) => check.outcome === outcome).length, OUTCOMES[outcome]] as const).filter(([count]) => count > 0);
  return `${plural(checks.length, 'check')}: ${counts.map(([count, word]) => `${count} ${word}`).join(', ')}`;
}

const ORDER: Record<CheckWord, number> = { failed: 0, passed: 1, not_made: 2 };

/** Failed checks first, those not made last, each in the node's order. */
export const worstFirst = (checks: readonly CheckLine[]): CheckLine[] => [...checks].sort((a, b) => ORDER[a.outcome] - ORDER[b.outcome]);
