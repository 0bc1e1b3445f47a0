//! Whose the keys of this machine are, and what is missing of a new one.
import type { PersonalKeyView, RosterView } from '$lib/api/api';

export interface KeyOwner {
  person: string;
  groups: string[];
  counts: boolean;
  /** `always`, or from and until when it counts. */
  detail: string;
}

/** Whose a key is by the roster; nothing where no entry has it. */
export function ownerOf(key: PersonalKeyView, roster: RosterView | null): KeyOwner | null {
  for (const person of roster?.people ?? []) {
    const entry = person.keys.find((one) => one.fingerprint === key.fingerprint);
    if (entry) return { person: person.id, groups: person.groups, counts: entry.counts, detail: entry.detail };
  }
  return null;
}

/** What a key is good for here, in words, and whether somebody should look at it. */
export function standingOf(key: PersonalKeyView, roster: RosterView | null): { words: string; warn: boolean } {
  if (roster === null) return { words: 'no roster here', warn: false };
  const owner = ownerOf(key, roster);
  if (owner === null) return { words: 'not in the roster', warn: true };
  const groups = owner.groups.length === 0 ? 'in no group' : owner.groups.join(', ');
  return owner.counts ? { words: `${owner.person}, ${groups}`, warn: false } : { words: `${owner.person}: ${owner.detail}`, warn: true };
}

const NAME = /^[A-Za-z0-9._:-]{1,64}$/;

/** What is wrong with the name of a key, or with a file and its passphrase. */
export function keyFieldsMissing(name: string, file: { path: string; passphrase: string; again: string } | null): string | undefined {
  if (!NAME.test(name.trim())) return 'Name it with letters, digits, ".", "_", ":" and "-".';
  if (file === null) return undefined;
  if (file.path.trim() === '') return 'Name the key file.';
  if (file.passphrase === '') return 'Type the passphrase.';
  return file.passphrase === file.again ? undefined : 'The two passphrases differ.';
}
