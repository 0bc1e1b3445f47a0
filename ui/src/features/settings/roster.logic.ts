//! What a roster says and what another version of it changes, without drawing them.
import type { EnvironmentView, RosterView } from '$lib/api/api';
import { span } from '$lib/domain/words.logic';

/** Digits of a fingerprint that are compared at least. */
export const DIGITS_MIN = 20;
/** A roster that ends sooner than this many seconds is warned of. */
const SOON_S = 14 * 86_400;

/** The digits of a fingerprint, however somebody wrote them down. */
export const digits = (typed: string): string => typed.replace(/[\s:]/g, '').toLowerCase();

/** What is wrong with a typed fingerprint; nothing while it is empty or right as far as can be told here. */
export function wrongFingerprint(typed: string): string | undefined {
  const given = digits(typed);
  if (given === '') return undefined;
  if (!/^[0-9a-f]*$/.test(given)) return 'A fingerprint has the digits 0 to 9 and a to f only.';
  if (given.length > 64) return 'A fingerprint has 64 digits.';
  return given.length < DIGITS_MIN ? `${given.length} digits; at least the first ${DIGITS_MIN} are compared.` : undefined;
}

/** Why a roster cannot be enrolled yet, in a sentence. */
export function enrolMissing(roster: RosterView, known: RosterView | null, typed: readonly string[]): string | undefined {
  if (roster.expired) return 'It has expired; get the newest one.';
  if (known !== null) {
    if (roster.version < known.version) return `It is version ${roster.version}; version ${known.version} holds, and an older one is never taken again.`;
    return roster.digest === known.digest ? 'It is the roster that holds already.' : undefined;
  }
  if (typed.some((one) => digits(one).length < DIGITS_MIN || wrongFingerprint(one) !== undefined)) return 'Type the fingerprint of every root key.';
  return undefined;
}

/** What rules a fleet in a roster. */
export const ruleOf = (roster: RosterView, fleet: string): EnvironmentView | null => roster.environments.find((one) => one.fleets.includes(fleet)) ?? null;

/** How long a roster holds still, in words, and whether that is soon. */
export function expiry(roster: RosterView, nowMs: number): { words: string; soon: boolean } {
  const left = Math.floor((Date.parse(roster.expires_at) - nowMs) / 1000);
  if (left <= 0) return { words: 'expired: nothing can be approved with it', soon: true };
  const whole = left >= 86_400 ? left - (left % 86_400) : left >= 3600 ? left - (left % 3600) : left;
  return { words: `in ${span(whole)}`, soon: left < SOON_S };
}

const listed = <T>(before: readonly T[], after: readonly T[], key: (one: T) => string, whole: (one: T) => string, words: (one: T) => string): string[] => {
  const was = new Map(before.map((one) => [key(one), whole(one)]));
  const is = new Set(after.map(key));
  return [
    ...after.filter((one) => !was.has(key(one))).map((one) => `adds ${words(one)}`),
    ...before.filter((one) => !is.has(key(one))).map((one) => `removes ${words(one)}`),
    ...after.filter((one) => was.has(key(one)) && was.get(key(one)) !== whole(one)).map((one) => `changes ${words(one)}`),
  ];
};

/** What a version changes against the one that holds, one line each. */
export function changesOf(before: RosterView, after: RosterView): string[] {
  const lines = [
    ...listed(before.roots, after.roots, (one) => one.fingerprint, (one) => one.name, (one) => `root key ${one.name}`),
    ...listed(before.people, after.people, (one) => one.id, (one) => JSON.stringify(one), (one) => `${one.id}, ${one.groups.length === 0 ? 'in no group' : one.groups.join(', ')}`),
    ...listed(before.environments, after.environments, (one) => one.name, (one) => JSON.stringify(one), (one) => `the rule of ${one.name}: ${one.rule}`),
  ];
  return before.threshold === after.threshold ? lines : [`takes ${after.threshold} root keys to sign, not ${before.threshold}`, ...lines];
}

/** What an environment asks for beside its rule, a sentence each. */
export function demandsOf(environment: EnvironmentView): string[] {
  const { night, dry_run, staging_fleet, consoles, freeze, readiness } = environment;
  return [
    ...(night === null ? [] : [`A rollback to last-known-good may start without approvals from ${night}.`]),
    ...(dry_run ? ['Asks for a dry run.'] : []),
    ...(staging_fleet === null ? [] : [`Asks for a green certificate of ${staging_fleet}${consoles.length === 0 ? '' : `, signed by ${consoles.length === 1 ? 'a named console' : `one of ${consoles.length} named consoles`}`}.`]),
    ...readiness.map((item) => `Must be ready: ${item}.`),
    ...freeze.map((window) => `Nothing is changed from ${window}.`),
  ];
}
