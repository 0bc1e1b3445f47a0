//! What a fake shows: for tests by hand, for pictures and previews from the address of the page.
import type { Inboxed } from './alerts';
import type { Captured } from './evidence';
import type { Consenting } from './consent';
import type { Runbooked } from './runbooks';
import type { Seeded } from './runs';

export interface FakeOptions {
  /** Fleet that is open; nothing for a first run. */
  fleet: string | null;
  notices?: string[];
  /** How long every answer takes. */
  delayMs?: number;
  tickMs?: number;
  keyringProblem?: string | null;
  /** Runs that were there before: `past`, or how the newest of them stands. */
  runs?: Seeded | 'past' | null;
  /** How plans stand with those who must consent; nobody has to without it. */
  consent?: Consenting | null;
  /** A plan that loads again what runs already is kept, and approval of it was asked for. */
  forced?: boolean;
  /** How long a comparison goes on after its first part; it is told at once without it. */
  impactMs?: number;
  /** Two contents are refused. */
  refused?: boolean;
  /** This machine holds no key of a person. */
  keyless?: boolean;
  /** Whether the desktop tells of clicks on notifications. */
  clicks?: boolean | null;
  /** A review of a rollback without approvals is due. */
  reviews?: boolean;
  /** An archive is open: `open`, of a `stranger`, or `broken`. */
  evidence?: Captured | null;
  /** How the inbox stands. */
  alerts?: Inboxed | null;
  /** How the newest run of a runbook stands; there is none without it. */
  runbook?: Runbooked | null;
}

/** What a browser preview shows; its page address says which fleet: `?fleet=demo`, `?fleet=` for a first run. */
export function fromAddress(): FakeOptions {
  const given = new URLSearchParams(globalThis.location?.search ?? '');
  const fleet = given.get('fleet') ?? 'demo';
  const notice = given.get('notice');
  return {
    fleet: fleet === '' ? null : fleet,
    notices: notice ? [notice] : [],
    delayMs: Number(given.get('delay') ?? 0),
    tickMs: Number(given.get('tick') ?? 350),
    keyringProblem: given.get('keyring'),
    runs: given.get('runs') as Seeded | 'past' | null,
    consent: given.get('consent') as Consenting | null,
    reviews: given.has('reviews'),
    forced: given.has('forced'),
    clicks: given.has('clicks') ? given.get('clicks') === 'yes' : null,
    ...(given.has('impact') ? { impactMs: Number(given.get('impact')) } : {}),
    evidence: given.get('evidence') as Captured | null,
    refused: given.has('refused'),
    keyless: given.has('keyless'),
    alerts: given.get('alerts') as Inboxed | null,
    runbook: given.get('runbook') as Runbooked | null,
  };
}
