//! Dry runs and readiness of the fake: every node answers as planned, unless it is called unreachable.
import { appError, type AppError, type ContentChangeView, type DryRunView, type PlanView, type ChecklistItemView, type ChecklistView, type ReadingView } from '../api';
import { impactBetween } from './impact';
import { digest } from './seed';

const ITEMS: readonly [string, string][] = [
  ['staging_rollback', 'a staging run that showed an automatic rollback'],
  ['alerts_routed', 'alerts that reach whoever is on call'],
  ['runbook_signed', 'a runbook signed by Security'],
  ['health_scraped', 'a health endpoint that is scraped'],
  ['fetcher_configured', 'fetchers with interval, endpoints and trust roots'],
  ['work_planned', 'owners for each piece of the work, and their days'],
  ['teams_trained', 'a handover to the teams that operate it'],
  ['packs_served', 'a pack endpoint with its attestations, in service'],
];
const BY: Record<string, string[]> = { runbook_signed: ['platform-security'] };

const refuse = (code: AppError['code'], message: string, hint: string): never => {
  throw { code, message, hint } satisfies AppError;
};

type Compared = Omit<ContentChangeView, 'from_version' | 'to_version' | 'from_content' | 'to_content' | 'reading'>;

/** What the comparison of the page comes to, in the words of a dry run. */
function compared(title: string, from: string, to: string, reading: ReadingView): Compared {
  try {
    const [, whole] = impactBetween(from, to, reading);
    const of = (change: string): number => whole.flips.filter((flip) => flip.change === change).reduce((sum, flip) => sum + flip.requests, 0);
    const flips = whole.flips.reduce((sum, flip) => sum + flip.requests, 0);
    const not_evaluated = whole.not_evaluated.reduce((sum, group) => sum + group.requests, 0);
    const parts = [[of('wider'), 'let more through'], [of('stricter'), 'let less through'], [of('reason_only'), 'are answered with another reason'], [not_evaluated, 'were not evaluated']] as const;
    const said = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
    return {
      sentence: `${title}: of 184 requests ${said.length === 0 ? 'none changes' : said.join(', ')}`,
      kinds: whole.flips.map((flip) => `${flip.before.effect} by ${flip.before.rule ?? 'no rule'} becomes ${flip.after.effect} by ${flip.after.rule ?? 'no rule'}: ${flip.requests} requests, for example ${flip.example}`),
      report: whole.digest, not_compared: null, wider: of('wider'), stricter: of('stricter'), flips, not_evaluated, requests: 184,
    };
  } catch (thrown) {
    const { message } = appError(thrown);
    return { sentence: `${title}: not compared, ${message}`, kinds: [], report: null, not_compared: message, wider: 0, stricter: 0, flips: 0, not_evaluated: 0, requests: 0 };
  }
}

/** One change of content for each pair of versions, and each way in which nodes read them. */
function changes(plan: PlanView): ContentChangeView[] {
  const pairs = new Map<string, ContentChangeView>();
  for (const target of plan.targets) {
    const [from, to] = [target.from_content, target.to_content];
    if (from === null || to === null || from === to) continue;
    const { reading } = target;
    const title = `${target.from_version ?? 'unknown'} ${from.slice(0, 8)} to ${target.to_version ?? 'unknown'} ${to.slice(0, 8)}${reading === 'field' ? " as the field's service reads them" : ''}`;
    pairs.set(title, { from_version: target.from_version, to_version: target.to_version, from_content: from, to_content: to, reading, ...compared(title, from, to, reading) });
  }
  return [...pairs.values()];
}

export class FakeProof {
  #reports = new Map<string, DryRunView>();
  #given = new Map<string, ChecklistItemView>();
  constructor(
    private readonly now: () => number,
    private readonly ruled: boolean,
  ) {}

  ask(plan: PlanView): DryRunView {
    const nodes = plan.targets.map((target) => {
      const ready = target.state !== 'stale';
      return {
        node: target.node, verify: 'verifies the bundle when it loads it', ready: ready ? 'is ready' : 'says that it is not ready', precondition: 'is as planned for', way_back: 'accepts what it would go back to', has_way_back: true,
        runs_version: target.from_version, runs_content: target.from_content, hindrance: ready ? null : 'says that it is not ready',
      };
    });
    const hindered = nodes.filter((node) => node.hindrance !== null).length;
    const line = (count: number, ready: string): string => `${count} ${count === 1 ? 'node' : 'nodes'}: verifies the bundle when it loads it, ${ready}, is as planned for, accepts what it would go back to`;
    const summary = [...(nodes.length > hindered ? [line(nodes.length - hindered, 'is ready')] : []), ...(hindered > 0 ? [line(hindered, 'says that it is not ready')] : [])];
    const report: DryRunView = { plan: plan.hash, fleet: plan.fleet, digest: digest(`dry run ${plan.hash}`), at_ms: this.now(), hindered, summary, nodes, decisions: changes(plan), decisions_digest: digest(`decisions ${plan.hash}`), changed: [] };
    this.#reports.set(plan.hash, report);
    return report;
  }

  newest(plan: string): DryRunView | null {
    return this.#reports.get(plan) ?? null;
  }

  readiness(fleet: string): ChecklistView {
    const items = ITEMS.map(([item, what]): ChecklistItemView => this.#given.get(`${fleet} ${item}`) ?? { item, what, required: this.ruled && item === 'runbook_signed', by: this.ruled ? (BY[item] ?? []) : [], state: 'missing', why: null, evidence: null, attested_by: null, expires_at: null, digest: null, added_by: null, added_at_ms: null });
    return { fleet, ruled: this.ruled, items, open: items.filter((item) => item.required && item.state !== 'shown').length };
  }

  #add(fleet: string, item: string, given: Partial<ChecklistItemView>): ChecklistView {
    const before = this.readiness(fleet).items.find((one) => one.item === item) ?? refuse('invalid', `"${item}" is no item of the readiness checklist`, 'choose one of the list');
    this.#given.set(`${fleet} ${item}`, { ...before, state: 'shown', why: null, digest: digest(`${item} ${given.evidence ?? ''}`), added_by: 'avery@desk', added_at_ms: this.now(), ...given });
    return this.readiness(fleet);
  }

  link(fleet: string, item: string, url: string): ChecklistView {
    const by = BY[item];
    return this.#add(fleet, item, by && this.ruled ? { evidence: url, state: 'refused', why: `somebody of ${by.join(' or ')} must attest it` } : { evidence: url });
  }

  attest(fleet: string, item: string, seen: string, role: string | null): ChecklistView {
    return this.#add(fleet, item, { evidence: seen, attested_by: `jo for ${role ?? 'platform-security'}`, expires_at: new Date(this.now() + 30 * 86_400_000).toISOString() });
  }
}
