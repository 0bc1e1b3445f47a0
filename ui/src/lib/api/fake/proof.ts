//! Dry runs and readiness of the fake: every node answers as planned, unless it is called unreachable.
import type { AppError, ContentChangeView, DryRunView, PlanView, ChecklistItemView, ChecklistView } from '../api';
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

/** One change of content for each pair of versions; the newer version lets a few more requests through. */
function changes(plan: PlanView): ContentChangeView[] {
  const pairs = new Map<string, ContentChangeView>();
  for (const target of plan.targets) {
    const [from, to] = [target.from_content, target.to_content];
    if (from === null || to === null || from === to) continue;
    const title = `${target.from_version ?? 'unknown'} ${from.slice(0, 8)} to ${target.to_version ?? 'unknown'} ${to.slice(0, 8)}`;
    pairs.set(title, {
      sentence: `${title}: of 184 requests 3 let more through, 5 let less through`, from_version: target.from_version, to_version: target.to_version,
      kinds: ['deny by cards.pan.read becomes allow by cards: 3 requests, asked 212 times, for example {"capability_id":"cards.pan.read","context":{}}'], report: digest(`flips ${title}`),
      not_compared: null, wider: 3, stricter: 5, flips: 8, not_evaluated: 0, requests: 184,
    });
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
