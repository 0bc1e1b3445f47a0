//! Consent of the fake: one rule, five people, and envelopes that come as somebody names their file.
import type { AppError, ApprovalRequestView, CertificateView, GivenView, KeyRequest, PlanConsentView, PlanView, ReviewView, RunView, SignedView, SignerView, SignRequest, WaitingPlanView } from '../api';
import { digest } from './seed';

/** How a plan stands with those who must consent, when it is made. */
export type Consenting = 'open' | 'asked' | 'partly' | 'refused' | 'void' | 'night';

const refuse = (code: AppError['code'], message: string, hint: string): never => {
  throw { code, message, hint } satisfies AppError;
};
const RULE = '1 of storage, and 1 of platform-security, never whoever asks';
const HOUR = 3_600_000;
export const GROUPS: Record<string, string> = { sam: 'storage', noor: 'storage', jo: 'platform-security', robin: 'platform-security' };
const ROLES = ['platform-security', 'storage'];
const key = (person: string): string => digest(`key of ${person}`);

export const SIGNERS: SignerView[] = [
  { name: 'mira', fingerprint: key('mira'), file: null, person: 'mira', roles: [] },
  { name: 'sam', fingerprint: key('sam'), file: null, person: 'sam', roles: ['storage'] },
];

/** Whoever signs with a key; a key file belongs to whom its name says. */
export function personOf(request: KeyRequest): string {
  if (request.key === 'kept') return request.name;
  if (request.passphrase !== 'open sesame') refuse('keyring', `${request.path}: the passphrase is another`, 'give a file that `plumb key new --file` wrote, and its passphrase');
  return /([a-z]+)\.pem$/.exec(request.path)?.[1] ?? 'nobody';
}

export class FakeConsent {
  #given = new Map<string, GivenView[]>();
  #used = new Set<string>();
  #void = new Map<string, PlanConsentView['approvals']['void']>();
  #reviews: ReviewView[] = [];
  constructor(
    private readonly now: () => number,
    private readonly how: Consenting | null,
    reviews: boolean,
  ) {
    if (reviews) this.#reviews = [{ run: 'r-0193', plan: digest('night'), operator: 'mira@laptop', reason: 'INC-2214: payments refuse every refund, and the approvers sleep', due_at: this.#iso(7), overdue: false }];
  }

  #iso = (hours: number): string => new Date(this.now() + hours * HOUR).toISOString();

  #envelope(plan: string, person: string, act: string, reason: string | null = null): GivenView {
    return { person, role: GROUPS[person] ?? 'storage', act, reason, issued_at: this.#iso(0), expires_at: this.#iso(8), payload: digest(`${plan} ${person} ${act}`), key: key(person) };
  }

  /** What was signed before a plan is looked at for the first time. */
  #begin(plan: PlanView): GivenView[] {
    const known = this.#given.get(plan.hash);
    if (known) return known;
    const given: GivenView[] = [];
    if (this.how !== 'open' && this.how !== 'night') given.push(this.#envelope(plan.hash, 'mira', 'request'));
    if (this.how === 'partly') given.push(this.#envelope(plan.hash, 'sam', 'approve'));
    if (this.how === 'refused') given.push(this.#envelope(plan.hash, 'jo', 'refuse', 'the retention change was not reviewed'));
    if (this.how === 'void') this.#void.set(plan.hash, [{ person: 'sam', act: 'approve', code: 'changed', reason: 'it was given for something else: the plan was 77b0c1d2e3f4, is 0123456789ab; the targets were 38 nodes, are 39 nodes', changes: ['fra-gw-2 says that it is not ready (before: is ready)'], payload: digest('void') }]);
    this.#given.set(plan.hash, given);
    return given;
  }

  of(plan: PlanView): PlanConsentView | null {
    if (this.how === null) return null;
    const given = this.#begin(plan);
    const approved = new Set(given.filter((one) => one.act === 'approve').map((one) => one.role));
    const missing = ['storage', 'platform-security'].filter((group) => !approved.has(group));
    const no = given.find((one) => one.act === 'refuse');
    const requested = given.some((one) => one.act === 'request');
    const may = Object.keys(GROUPS).filter((person) => missing.includes(GROUPS[person] ?? ''));
    const consented = requested && !no && missing.length === 0;
    const standing = consented ? 'everybody who must consent has consented' : no ? `${no.person} refused: ${no.reason ?? ''}` : !requested ? 'whoever asks for it has not signed the request' : `missing ${missing.map((group) => `1 of ${group}`).join(', and ')}; who may approve: ${may.join(', ')}`;
    const open = requested && !no;
    return {
      approvals: { plan: plan.hash, fleet: plan.fleet, rule: RULE, consented, standing, given, missing: open ? missing.map((group) => `1 of ${group}`) : [], may_approve: open ? may : [], void: this.#void.get(plan.hash) ?? [] },
      environment: plan.environment,
      requester: 'mira',
      requested,
      before: [],
      roles: ROLES,
      signers: SIGNERS,
      night: this.how === 'night' ? { hours: '22:00 to 06:00 UTC', open: true } : null,
    };
  }

  /** Plans that were asked about and have not run. */
  waiting(planOf: (hash: string) => PlanView, fleet: string): WaitingPlanView[] {
    return [...this.#given].flatMap(([hash, given]): WaitingPlanView[] => {
      const request = given.find((one) => one.act === 'request');
      const plan = planOf(hash);
      const view = this.of(plan);
      if (!request || view === null || plan.fleet !== fleet || this.#used.has(hash)) return [];
      return [{ plan: hash, title: plan.title, requester: request.person, asked_at: request.issued_at, consented: view.approvals.consented, standing: view.approvals.standing }];
    });
  }

  /** A run uses the answers up. */
  use(plan: string): void {
    this.#used.add(plan);
  }

  ask(plan: PlanView, request: KeyRequest, path: string): SignedView {
    if (personOf(request) !== 'mira') refuse('invalid', 'the envelope does not count: another person signed it', 'compare the key, the roster and the clock of whoever signed');
    const envelope = this.#envelope(plan.hash, 'mira', 'request');
    this.#given.set(plan.hash, [...this.#begin(plan), envelope]);
    return this.#signed(plan, envelope, path);
  }

  sign(plan: PlanView, sign: SignRequest): SignedView {
    const envelope = this.answered(plan.hash, sign);
    if (envelope.person === 'mira') refuse('invalid', 'mira asked for this change and cannot consent to it', 'somebody else must sign');
    this.#given.set(plan.hash, [...this.#begin(plan).filter((one) => one.person !== envelope.person), envelope]);
    return this.#signed(plan, envelope, null);
  }

  answered(plan: string, sign: SignRequest): GivenView {
    const person = personOf(sign.key);
    if (!(person in GROUPS) && person !== 'mira') refuse('invalid', `the key ${key(person).slice(0, 12)} stands in no entry of the roster`, 'sign with a key of the roster, or have yours added to it');
    return this.#envelope(plan, person, sign.refuse === null ? 'approve' : 'refuse', sign.refuse);
  }

  /** An answer in a file: whoever its name says has approved. */
  add(plan: PlanView, path: string): string {
    const person = /answer-([a-z]+)\.json$/.exec(path)?.[1] ?? refuse('invalid', `${path} could not be read: no such file`, 'choose the file that you were sent');
    this.#given.set(plan.hash, [...this.#begin(plan), this.#envelope(plan.hash, person, 'approve')]);
    return plan.hash;
  }

  request(plan: string, fleet: string): ApprovalRequestView {
    return {
      plan, title: 'Pin 38 nodes to v42 and sync', fleet, environment: 'production', rule: RULE, requester: 'avery', roster_version: 7, roster: digest('roster'), targets: 38, targets_digest: digest('targets'),
      changes: ['36 nodes from v41 (77b0c1d2e3f4) to v42 (0123456789ab)', '2 nodes from v42 (5e884898da28) to v42 (0123456789ab)'], bundles: [digest('bundle')], dry_run: digest('dry run'), found: ['37 nodes: verifies the bundle when it loads it, is ready, is as planned for, accepts what it would go back to', '1 node: verifies the bundle when it loads it, says that it is not ready, is as planned for, accepts what it would go back to'], decisions: ['', " as the field's service reads them"].flatMap((read) => [`v41 77b0c1d2e3f4 to v42 0123456789ab${read}: of 184 requests 3 let more through`, 'deny by card.token.reveal becomes allow by default: 3 requests, for example {"capability_id":"card.token.reveal"}']), readiness: [], warnings: ['fra-gw-4: accepts a reload from anybody who reaches it'], fatal: [], not_before: this.#iso(0), not_after: this.#iso(8), problems: [],
    };
  }

  #signed(plan: PlanView, envelope: GivenView, file: string | null): SignedView {
    return this.signedView(plan.hash, plan.fleet, envelope, file);
  }

  signedView(plan: string, fleet: string, envelope: GivenView, file: string | null): SignedView {
    const { person, role, act, expires_at, key: signer, payload } = envelope;
    return { request: this.request(plan, fleet), person, role, act, expires_at, key: signer, payload, file };
  }

  reviews(): ReviewView[] {
    return this.#reviews;
  }

  owe(run: RunView, reason: string): void {
    this.#reviews = [...this.#reviews, { run: run.id, plan: run.plan_hash, operator: run.operator, reason, due_at: this.#iso(24), overdue: false }];
  }

  review(run: string, request: KeyRequest): ReviewView[] {
    if (personOf(request) === 'mira') refuse('invalid', 'the review does not count: mira asked for this change and cannot consent to it', 'somebody else must look at the run');
    this.#reviews = this.#reviews.filter((one) => one.run !== run);
    return this.#reviews;
  }
}

/** The certificate of a run of the fake: nodes that did not arrive straggle. */
export function certificateOf(run: RunView, plan: PlanView): CertificateView {
  const targets = run.nodes.map((node) => {
    const target = plan.targets.find((one) => one.node === node.node);
    const stands = node.state === 'arrived' || (target?.to_content != null && target.from_content === target.to_content);
    return { node: node.node, wanted: target?.to_content ?? null, observed: stands ? (target?.to_content ?? null) : (target?.from_content ?? null), version: stands ? (target?.to_version ?? null) : (target?.from_version ?? null), straggles: stands ? null : node.detail };
  });
  const late = targets.filter((target) => target.straggles !== null).length;
  const ended = run.ended_at_ms ?? 0;
  return {
    run: run.id, fleet: run.fleet, environment: plan.environment, plan_hash: run.plan_hash, operator: run.operator, outcome: run.phase, ended_at_ms: ended, observed_at_ms: ended + 30_000, green: late === 0, bypassed: run.bypassed, targets, contents: [...new Set(targets.flatMap((target) => target.observed ?? []))],
    journal_events: run.journal_events, journal_head: run.journal_head, digest: digest(`certificate ${run.id}`), signed_by: digest('console key'), unsigned: null, file: null, imported: null,
    summary: late === 0 ? `all ${targets.length} targets stood as planned 30 s after the run` : `${late} of ${targets.length} targets did not stand as planned 30 s after the run`,
  };
}
