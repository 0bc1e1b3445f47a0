//! An archive of the fake: a rollout of five waves, sealed by somebody who is known or not, or altered.
import type { CaptureAsked, CaptureView, EvidenceCheck, EvidenceDiffView, EvidenceOpened, EvidenceStep, NamedKeys, OpenEvidence, SealedView, WaitingPlanView } from '../api';
import { START_MS } from './fleets';
import { digest } from './seed';

export type Captured = 'open' | 'stranger' | 'broken' | 'missing';

const RUN = '019a3f52-7c1e-7b44-9d1c-2f6e8a90c3d1';
const KEY = digest('the key of the console');
const HELD: [string, string, string][] = [
  ['container', 'archive reads in one way', '47 entries, no byte beside them'],
  ['signature', 'signature over the manifest', 'Ed25519, over 46 entries'],
  ['signer', 'key of the signer is known', 'the key is one of those that are trusted here'],
  ['role', "signer's role in the roster", 'no roster rules this fleet'],
  ['hashes', 'hash of every entry', '46 entries are as the manifest lists them'],
  ['nothing_extra', 'nothing extra', 'every entry is listed'],
  ['checksums', 'checksums for sha256sum', 'sha256sum comes to the same'],
  ['journal', 'chain of every journal', `run ${RUN}: 92 events hold, signed to its end`],
  ['states', 'state after every event', `run ${RUN}: 92 states come out as recorded`],
  ['plan', 'plan equals journal and approvals', `plan 77b0c1d2e3f4 of run ${RUN}: bound by rick (approve), piet (approve)`],
  ['certificate', 'convergence certificates', `run ${RUN}: 40 of 40 targets stood as planned`],
  ['redaction', 'redaction receipt and self-test', '11 rules replaced 7 secrets in 64 places; 96 planted secrets in 12 sources, none found in 12 ways of writing'],
];

function checksOf(how: Captured): EvidenceCheck[] {
  if (how === 'missing') return [{ name: 'container', title: 'archive reads in one way', result: 'open', detail: 'not looked at: /home/ops/missing.zip cannot be read: No such file or directory (os error 2); choose an archive of evidence', entry: null }];
  return HELD.map(([name, title, detail]): EvidenceCheck => {
    if (name === 'role') return { name, title, result: 'absent', detail, entry: null };
    if (how === 'stranger' && name === 'signer') return { name, title, result: 'failed', detail: `the signature is good, and nobody here knows its key ${KEY}: compare this with whoever signed, then give the key`, entry: null };
    if (how === 'broken' && name === 'hashes') return { name, title, result: 'failed', detail: `runs/${RUN}/journal.jsonl has another SHA-256 than the manifest lists`, entry: `runs/${RUN}/journal.jsonl` };
    if (how === 'broken' && name === 'journal') return { name, title, result: 'failed', detail: `runs/${RUN}/journal.jsonl: event 31 was altered`, entry: `runs/${RUN}/journal.jsonl` };
    return { name, title, result: 'passed', detail, entry: null };
  });
}

const DIFFERENCES: [string, string, string | null, string | null][] = [
  ['about', 'captured by', 'ops@console', 'mira@laptop'],
  ['versions', 'run 1: node aud-gw-003', 'v42', 'v41'],
  ['digests', 'run 1: node aud-gw-003', digest('v42'), digest('v41')],
  ['digests', 'run 1: plan', digest('plan of the rollout'), digest('plan of the way back')],
  ['steps', 'run 1: events', '92', '31'],
  ['steps', 'run 1: node aud-gw-003', 'proven', 'failed'],
  ['decisions', 'run 1: decision 4', 'gate of wave 2 passed', 'halted: the node refused: its disk is full'],
  ['decisions', 'run 1: decision 5', null, 'rolled back by mira: its disk is full'],
  ['timings', 'run 1: seconds', '312.4', '188.0'],
];

const step = (at: number, what: string, loud = false, event: number | null = null): EvidenceStep => ({ at_ms: START_MS - 3_600_000 + at * 7_000, what, run: event === null ? null : RUN, event, loud });

function stepsOf(): EvidenceStep[] {
  const steps = [step(0, 'before the first event'), step(1, 'started by ops@console, 40 targets', false, 1), step(2, 'the lock was taken by ops@console', false, 2)];
  for (let wave = 1; wave <= 3; wave += 1) {
    steps.push(step(steps.length, `wave ${wave} began`, false, steps.length));
    for (let node = 0; node < 6; node += 1) {
      const name = `aud-gw-${String(wave * 6 + node).padStart(3, '0')}`;
      steps.push(step(steps.length, `${name}: ask the node to take v42 was begun`, false, steps.length));
      steps.push(step(steps.length, wave === 2 && node === 3 ? `${name}: the node refused: its disk is full` : `${name}: runs v42 with the wanted content`, wave === 2 && node === 3, steps.length));
    }
    if (wave === 2) steps.push(step(steps.length, 'resumed by mira', false, steps.length));
    steps.push(step(steps.length, `the gate of wave ${wave} opened`, false, steps.length));
  }
  steps.push(step(steps.length, 'ended: succeeded', false, steps.length));
  steps.push(step(steps.length + 60, 'as it was captured'));
  return steps;
}

/** What a capture would hold. */
export const previewOf = (fleet: string, asked: CaptureAsked): CaptureView => ({
  folder: '/home/ops/.local/share/plumbline/evidence/019a3f60',
  fleet,
  runs: asked.run === null ? [] : [asked.run],
  entries: 46,
  bytes: 9_201_774,
  secrets: 7,
  rules: [{ rule: 'authorization headers', replaced: 41 }, { rule: 'credentials in URLs', replaced: 3 }, { rule: 'mail addresses', replaced: 20 }, { rule: 'private keys', replaced: 0 }],
  missing: asked.ask ? [{ what: 'logs of fra-opa-1', why: 'an unmodified OPA has no such endpoint' }] : [],
});

export const sealedOf = (fleet: string, asked: CaptureAsked, file: string): SealedView => ({
  file,
  fleet,
  entries: 47,
  bytes: 812_331,
  manifest: digest('a manifest'),
  signed_by: KEY,
  planted: 96,
  stamp: null,
  not_stamped: null,
  missing: previewOf(fleet, asked).missing,
});

export class FakeEvidence {
  opened: EvidenceOpened | null = null;
  readonly steps = stepsOf();
  #step = this.steps.length - 1;

  constructor(how: Captured | null) {
    if (how !== null) this.open(`/home/ops/${how}.zip`);
  }

  open(path: string, named: NamedKeys = { keys: [], roots: [] }): EvidenceOpened {
    const how: Captured = path.includes('broken') ? 'broken' : path.includes('missing') ? 'missing' : path.includes('stranger') && named.keys.length === 0 && named.roots.length === 0 ? 'stranger' : 'open';
    const checks = checksOf(how);
    const [from, to] = [this.steps[0]?.at_ms ?? 0, this.steps.at(-1)?.at_ms ?? 0];
    this.#step = this.steps.length - 1;
    this.opened = {
      verdict: {
        file: path,
        holds: how === 'open',
        broken: checks.find((check) => check.entry !== null)?.entry ?? null,
        checks,
        notes: how === 'stranger' ? ['container rewritten: the entries are those that were sealed, in an archive that another program wrote'] : [],
        signed_by: how === 'missing' ? null : KEY,
        entries: 47,
        bytes: 812_331,
        unpacked_bytes: 9_201_774,
        evidence: how === 'missing' ? null : {
          fleet: 'auditors-view',
          environment: 'production',
          by: 'ops@console',
          selection: '40 of 40 nodes',
          from_ms: from,
          to_ms: to,
          made_at_ms: to + 42_000,
          runs: [{ run: RUN, plan: '77b0c1d2e3f4'.padEnd(64, '0'), outcome: 'succeeded', events: this.steps.length - 2 }],
          missing: [{ what: 'logs of aud-opa-001', why: 'an unmodified OPA has no such endpoint' }],
        },
      },
      refused: how === 'broken' ? 'it is not shown as a fleet, because a promise is broken: hash of every entry' : how === 'missing' ? '/home/ops/missing.zip cannot be read: No such file or directory (os error 2)' : null,
    };
    return this.opened;
  }

  /** Plans that waited for consent when it was captured. */
  waiting(): WaitingPlanView[] {
    return [{ plan: '77b0c1d2e3f4'.padEnd(64, '0'), title: 'Sync 38 nodes to v43', requester: 'mira', asked_at: new Date(START_MS - 5_400_000).toISOString(), consented: false, standing: 'missing 1 of storage; who may approve: sam, noor' }];
  }

  /** The same rollout, captured before and after it was rolled back. */
  compare(left: string, right: string): EvidenceDiffView {
    const stranger = right.includes('stranger');
    return {
      left,
      right,
      left_stands: { holds: true, why: 'every promise holds' },
      right_stands: stranger ? { holds: false, why: `key of the signer is known: the signature is good, and nobody here knows its key ${KEY}` } : { holds: true, why: 'every promise holds' },
      differences: DIFFERENCES.map(([kind, what, one, other]) => ({ kind, what, left: one, right: other })),
      more: 0,
    };
  }

  close(): void {
    this.opened = null;
  }

  show(step: number): void {
    this.#step = step;
  }

  view(): OpenEvidence | null {
    const { opened } = this;
    if (opened === null || opened.refused !== null) return null;
    const shown = this.steps[this.#step];
    if (!shown) return null;
    const state = digest(`state ${this.#step}`);
    return {
      file: opened.verdict.file,
      signed_by: KEY,
      signer_unknown: !opened.verdict.holds,
      by: 'ops@console',
      selection: '40 of 40 nodes',
      made_at_ms: opened.verdict.evidence?.made_at_ms ?? 0,
      steps: this.steps.length,
      step: this.#step,
      shown,
      state: shown.event === null ? null : { recorded: state, found: state, same: true },
      unread: opened.verdict.holds ? [] : [{ entry: 'fleet/changes.jsonl', lines: 3, first: 118, why: 'missing field `at` at line 1 column 42' }],
    };
  }
}
