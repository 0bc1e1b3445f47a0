//! What a check of evidence says, and where the slider leads.
import type { CaptureAsked, EvidenceCheck, EvidenceDifference, EvidenceResult, EvidenceStep, EvidenceVerdictView } from '$lib/api/api';
import { plural, shortDigest, visible } from '$lib/domain/words.logic';

export const RESULT_WORDS: Record<EvidenceResult, string> = { passed: 'passed', failed: 'failed', absent: 'none', open: 'open' };

/** How far back a capture of a fleet looks. */
export const WINDOWS = [
  { key: '1', word: '1 h' },
  { key: '2', word: '2 h' },
  { key: '8', word: '8 h' },
  { key: '24', word: '24 h' },
] as const;

/** What is asked for: a run has its own time and nodes. */
export function captureAsked(run: string, hours: string, filter: string, ask: boolean): CaptureAsked {
  if (run !== '') return { run, last_s: null, filter: null, ask };
  return { run: null, last_s: Number(hours) * 3600, filter: filter.trim() === '' ? null : filter.trim(), ask };
}

/** A name by which a desktop takes the archive for evidence. */
export const archiveName = (fleet: string, run: string): string => `${fleet}-${run === '' ? 'now' : `run-${run.slice(0, 13)}`}.evidence.zip`;

/** The check of whose signer nobody here knows the key: the only failure with which evidence is still shown. */
const SIGNER = 'signer';

/** How an archive stands, in a headline. */
export function headline(verdict: EvidenceVerdictView): { kind: 'holds' | 'stranger' | 'broken'; title: string; text: string } {
  if (verdict.checks.every((check) => check.result === 'open')) {
    return { kind: 'broken', title: 'It could not be looked at', text: 'Nothing in it was read, so nothing is known of it.' };
  }
  const failed = verdict.checks.filter((check) => check.result === 'failed');
  if (failed.length === 0) return { kind: 'holds', title: 'Every promise holds', text: `${plural(verdict.entries, 'entry', 'entries')} as they were sealed, by a key that is known here.` };
  if (failed.every((check) => check.name === SIGNER)) {
    return { kind: 'stranger', title: 'Unverified: nobody here knows who sealed it', text: 'It agrees with itself, which anybody can make. Compare the fingerprint with whoever sent it, by another way than the file came.' };
  }
  const where = verdict.broken === null ? '' : ` The first broken entry is ${verdict.broken}.`;
  return { kind: 'broken', title: `${plural(failed.length, 'promise')} broken`, text: `It is not shown as a fleet, because what it tells cannot be believed.${where}` };
}

/** The roster in the archive is one whose root keys nobody here knows: with them the roles in it can be told. */
export const asksForRoots = (checks: readonly EvidenceCheck[]): boolean => checks.some((check) => check.result === 'open' && check.detail.includes('root keys nobody here knows'));

export const KIND_WORDS: Record<string, string> = { about: 'About', versions: 'Versions', digests: 'Digests', steps: 'Steps', decisions: 'Decisions', timings: 'Timings' };

/** Differences by what they are about, in the order in which they are told. */
export function byKind(differences: readonly EvidenceDifference[]): { kind: string; differences: EvidenceDifference[] }[] {
  const groups: { kind: string; differences: EvidenceDifference[] }[] = [];
  for (const one of differences) {
    const last = groups.at(-1);
    if (last?.kind === one.kind) last.differences.push(one);
    else groups.push({ kind: one.kind, differences: [one] });
  }
  return groups;
}

/** Whether a value of one side is a digest, which is shown short. */
export const isDigest = (value: string | null): value is string => value !== null && /^[0-9a-f]{64}$/.test(value);

/** A value of one side: digests short, and nothing where that side does not tell it. */
export const said = (value: string | null): string => (value === null ? 'not told' : isDigest(value) ? shortDigest(value) : visible(value));

/** Failures first, otherwise in the order in which they were made. */
export const failuresFirst = (checks: readonly EvidenceCheck[]): EvidenceCheck[] => checks.toSorted((a, b) => Number(b.result === 'failed') - Number(a.result === 'failed'));

/** The next moment at which somebody decided or something went wrong, from a step on; the end where none follows. */
export function nextLoud(steps: readonly EvidenceStep[], from: number, by: 1 | -1): number {
  for (let at = from + by; at >= 0 && at < steps.length; at += by) if (steps[at]?.loud) return at;
  return by === 1 ? steps.length - 1 : 0;
}

/** Where marks of loud moments stand, in percent of the slider's way; at most one a percent. */
export function marks(steps: readonly EvidenceStep[]): number[] {
  const last = Math.max(1, steps.length - 1);
  return [...new Set(steps.flatMap((step, at) => (step.loud ? [Math.round((at / last) * 100)] : [])))];
}
