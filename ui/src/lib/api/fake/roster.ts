//! Rosters of the fake: one that holds where somebody must consent, and files with well-known names:
//! `/roster-8.json` is newer, `/roster-6.json` older, `/other-fleet.json` names another fleet, `/nope.json` is missing.
import type { AppError, RosterFileView, RosterView } from '../api';
import { START_MS } from './fleets';
import { digest } from './seed';

const refuse = (code: AppError['code'], message: string, hint: string): never => {
  throw { code, message, hint } satisfies AppError;
};
const DAY = 86_400_000;
const iso = (days: number): string => new Date(START_MS + days * DAY).toISOString();
const key = (person: string, detail = 'always'): RosterView['people'][number]['keys'][number] => ({ fingerprint: digest(`key of ${person}`), algorithm: 'Ed25519', counts: !detail.startsWith('revoked'), detail });

/** What somebody has of whoever made the roster, on another way. */
export const fingerprint = (root: string): string => digest(`root ${root}`);

function rosterOf(fleet: string, version: number): RosterView {
  const person = (id: string, name: string, groups: string[]) => ({ id, name, groups, keys: [key(id)] });
  const people = [person('avery', 'Avery Lind', []), person('jo', 'Jo Marsh', ['platform-security']), person('mira', 'Mira Okafor', []), person('noor', 'Noor Haddad', ['storage']), person('robin', 'Robin Vale', ['platform-security']), person('sam', 'Sam Weiss', ['storage'])];
  if (version > 7) people.push(person('tove', 'Tove Berg', ['storage']));
  for (const one of people) if (one.id === 'noor' && version > 7) one.keys = [key('noor', `revoked at ${iso(-2)}`)];
  return {
    version,
    digest: digest(`roster ${version}`),
    issued_at: iso(version - 40),
    expires_at: iso(version + 83),
    expired: false,
    threshold: 2,
    roots: ['ops', 'security', 'vault'].map((name, index) => ({ name, fingerprint: fingerprint(name), algorithm: 'Ed25519', signed: index < 2 })),
    people,
    environments: [
      { name: 'production', fleets: [fleet], rule: '1 of storage, and 1 of platform-security, never whoever asks', night: '22:00 to 06:00 UTC', dry_run: true, staging_fleet: 'payments-staging', consoles: [], freeze: [], readiness: [] },
      { name: 'staging', fleets: ['payments-staging'], rule: '1 of storage or platform-security, never whoever asks', night: null, dry_run: false, staging_fleet: null, consoles: [], freeze: [], readiness: [] },
    ],
  };
}

export class FakeRosters {
  #held = new Map<string, RosterView>();

  constructor(fleet: string | null, ruled: boolean) {
    if (fleet !== null && ruled) this.#held.set(fleet, rosterOf(fleet, 7));
  }

  of = (fleet: string): RosterView | null => this.#held.get(fleet) ?? null;

  open(fleet: string, path: string): RosterFileView {
    if (path.includes('nope')) refuse('invalid', `${path} could not be read: no such file`, 'choose the file that you were sent');
    const version = Number(/roster-(\d+)\.json$/.exec(path)?.[1] ?? 7);
    const roster = rosterOf(path.includes('other-fleet') ? 'somewhere-else' : fleet, version);
    const known = this.of(fleet);
    const shown = known === null ? { ...roster, roots: roster.roots.map((root) => ({ ...root, fingerprint: '' })) } : roster;
    return { file: digest(path), roster: shown, known };
  }

  enrol(fleet: string, path: string, typed: readonly string[]): RosterView {
    const { roster, known } = this.open(fleet, path);
    const whole = rosterOf(fleet, roster.version);
    if (known === null) {
      whole.roots.forEach((root, index) => {
        if (!root.fingerprint.startsWith(typed[index]?.replaceAll(/[\s:]/g, '') ?? '-')) refuse('invalid', `root key ${root.name} has another fingerprint than was typed`, 'compare it once more with whoever made the roster; if it stays another, the file is not theirs');
      });
    } else if (whole.version < known.version) refuse('invalid', `it is version ${whole.version}, older than version ${known.version}, which was seen before`, 'get the newest roster');
    this.#held.set(fleet, whole);
    return whole;
  }
}
