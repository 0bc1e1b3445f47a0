//! Fleets of the fake: a demo-like one of twelve nodes and larger ones, the same at every start.
import type { DriftStateView, FleetSummary, NodeRow, ReadingView, ReloadView } from '../api';
import { DIVERGED, TAMPERED, V41, V42, V43, type Content } from './policies';
import { chance, digest, seedOf } from './seed';

/** The fake's clock stands here at its start: 2026-11-21 02:14:37 UTC. */
export const START_MS = Date.UTC(2026, 10, 21, 2, 14, 37);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface FakeNode extends NodeRow {
  reloads: ReloadView[];
  previous_content: Content | null;
}

/** How a node reads conditions. */
export const readingOf = (node: FakeNode): ReadingView => (node.api === 'reload' ? 'field' : 'documented');

export interface FakeFleet {
  summary: FleetSummary;
  nodes: FakeNode[];
  cached: boolean;
  sweptAtMs: number;
}

const WHY: Record<DriftStateView, string> = {
  tampered: 'says v42, but its content equals no signed bundle known under v42',
  poisoned: 'runs the refused digest 0badc0de5eed',
  diverged: 'says v42, and runs the content of another signed bundle of v42',
  behind: 'runs v41, desired is v42',
  ahead: 'runs v43-rc1, desired is v42',
  stale: 'its source has not confirmed the digest for 41 min, the limit is 15 min',
  unreachable: 'did not answer within 3 s',
  unknown: 'answers, but not with a document that tells what it runs',
  converging: 'accepted v42 4 s ago, not yet seen running',
  in_sync: 'runs v42 with the desired content',
};

const RUNS: Record<DriftStateView, Content | null> = {
  tampered: TAMPERED,
  poisoned: V41,
  diverged: DIVERGED,
  behind: V41,
  ahead: V43,
  stale: V42,
  unreachable: V42,
  unknown: null,
  converging: V41,
  in_sync: V42,
};

function reloads(next: () => number, state: DriftStateView, version: string | null, loadedAt: number): ReloadView[] {
  const attempts = 8 + Math.floor(next() * 18);
  return Array.from({ length: attempts }, (_, index) => {
    const last = index === attempts - 1;
    const success = last ? state !== 'tampered' || next() > 0.2 : next() > 0.07;
    return {
      at_ms: loadedAt - (attempts - 1 - index) * (11 * HOUR + next() * 9 * HOUR),
      version: success ? (last ? version : `v${42 - Math.ceil((attempts - index) / 6)}`) : null,
      success,
      duration_ms: 2 + next() * 60,
      policies: success ? 24 : 0,
      error: success ? null : 'Failed to load bundle from file',
      gap_before: index === Math.floor(attempts * 0.6) && state !== 'in_sync',
      trigger: null,
      origin: index % 5 === 3 || (last && state === 'tampered') ? 'elsewhere' : index % 3 === 0 ? 'here' : 'own',
      slow: last && state === 'stale' ? 'took 412 ms, where about 41 ms is documented for its size' : null,
    };
  });
}

export function makeNode(id: string, api: string, labels: Record<string, string>, state: DriftStateView): FakeNode {
  const next = chance(seedOf(id));
  const runs = RUNS[state];
  const dead = state === 'unreachable';
  const loadedAt = START_MS - (state === 'behind' ? 9 * DAY : state === 'ahead' ? 2 * HOUR : state === 'tampered' ? 74 * HOUR : 5 * HOUR + next() * 30 * HOUR);
  const history = state === 'unknown' ? [] : reloads(next, state, runs?.version ?? null, loadedAt);
  return {
    id,
    api,
    labels: Object.entries(labels).map(([name, value]) => ({ name, value })),
    state,
    why: WHY[state],
    version: runs?.version ?? null,
    content: runs?.digest ?? null,
    confirmed_at_ms: state === 'unknown' ? null : START_MS - (state === 'stale' ? 41 * MINUTE : dead ? 26 * MINUTE : 6_000 + next() * 2 * MINUTE),
    loaded_at_ms: runs ? loadedAt : null,
    last_reload: history.at(-1) ?? null,
    latency_ms: dead ? null : 4 + Math.floor(next() * 60),
    failure: dead ? (next() > 0.5 ? 'timed out' : 'refused') : state === 'unknown' ? 'malformed' : null,
    seen_at_ms: state === 'unknown' ? null : dead ? START_MS - 26 * MINUTE : START_MS - 4_000,
    no_answer_yet: state === 'unknown',
    attempted_at_ms: START_MS - 4_000,
    digest_age_over: state === 'stale' || dead,
    load_age_over: runs !== null && START_MS - loadedAt > DAY,
    verified: state === 'tampered' || state === 'diverged' ? 'no' : api === 'opa' || state === 'unknown' ? 'unknown' : 'yes',
    unverified: state === 'tampered' ? 'what runs carries no signature' : state === 'diverged' ? 'failed: identity.san, identity.issuer' : null,
    open_reload: state === 'tampered' || (api === 'reload' && state === 'behind'),
    cautions: state === 'tampered' || (api === 'reload' && state === 'behind') ? ['accepts a reload from anybody who reaches it'] : [],
    reloads: history,
    previous_content: state === 'in_sync' ? V41 : V42,
  };
}

const DEMO: [string, string, string, string, DriftStateView][] = [
  ['fra-gw-1', 'agent', 'fra', 'gateway', 'in_sync'],
  ['fra-gw-2', 'agent', 'fra', 'gateway', 'in_sync'],
  ['fra-pay-1', 'agent', 'fra', 'payments', 'diverged'],
  ['fra-pay-2', 'reload', 'fra', 'payments', 'tampered'],
  ['fra-opa-1', 'opa', 'fra', 'sidecar', 'in_sync'],
  ['osl-gw-1', 'reload', 'osl', 'gateway', 'behind'],
  ['osl-gw-2', 'agent', 'osl', 'gateway', 'behind'],
  ['osl-pay-1', 'agent', 'osl', 'payments', 'ahead'],
  ['osl-pay-2', 'reload', 'osl', 'payments', 'stale'],
  ['osl-opa-1', 'opa', 'osl', 'sidecar', 'in_sync'],
  ['waw-led-1', 'agent', 'waw', 'ledger', 'unreachable'],
  ['waw-led-2', 'reload', 'waw', 'ledger', 'unknown'],
];

function many(prefix: string, total: number): FakeNode[] {
  const next = chance(seedOf(prefix));
  const roles = ['gw', 'pay', 'can', 'led', 'fra'] as const;
  const names = { gw: 'gateway', pay: 'payments', can: 'canary', led: 'ledger', fra: 'fraud' };
  return Array.from({ length: total }, (_, index) => {
    const role = roles[Math.floor(next() * roles.length)] ?? 'gw';
    const roll = next();
    const state: DriftStateView =
      roll < 0.953 ? 'in_sync' : roll < 0.983 ? 'behind' : roll < 0.9865 ? 'ahead' : roll < 0.9872 ? 'tampered' : roll < 0.9885 ? 'diverged' : roll < 0.991 ? 'stale' : 'unreachable';
    return makeNode(`${prefix}-${role}-${String(index + 1).padStart(total > 9_999 ? 5 : 4, '0')}`, next() > 0.3 ? 'agent' : 'reload', { region: prefix, role: names[role] }, state);
  }).sort((a, b) => (a.id < b.id ? -1 : 1));
}

const summary = (name: string, environment: string, nodes: number, rest: Partial<FleetSummary> = {}): FleetSummary => ({
  name,
  environment,
  production: environment === 'production',
  read_only: false,
  nodes,
  file: `/home/ops/.config/plumbline/fleets/${name}.toml`,
  error: null,
  ...rest,
});

const makers: Record<string, () => FakeFleet> = {
  demo: () => fleet(summary('demo', 'demo', 12), DEMO.map(([id, api, region, role, state]) => makeNode(id, api, { region, role }, state))),
  'payments-eu': () => fleet(summary('payments-eu', 'production', 1_200), many('eu', 1_200)),
  'edge-world': () => fleet(summary('edge-world', 'staging', 10_000), many('edge', 10_000)),
  'auditors-view': () => fleet(summary('auditors-view', 'production', 40, { read_only: true }), many('aud', 40)),
  'all-dead': () => fleet(summary('all-dead', 'staging', 24), many('dead', 24).map((node) => ({ ...makeNode(node.id, node.api, { region: 'dead' }, 'unreachable') })), true),
  fresh: () => fleet(summary('fresh', 'lab', 0), []),
  hostile: () =>
    fleet(summary('hostile', 'lab', 3), [
      { ...makeNode('<img src=x onerror=alert(1)>', 'reload', { region: '"><script>alert(2)</script>' }, 'tampered'), version: 'v42\u202e\u0007<b>', why: 'says <b>NaN</b> and a name of 300 characters '.repeat(6) },
      { ...makeNode('n'.repeat(120), 'agent', { team: 'x'.repeat(90) }, 'behind'), loaded_at_ms: START_MS + 9_000 * DAY, cautions: ['its clock is 24 years ahead'] },
      makeNode('plain-1', 'agent', { region: 'eu' }, 'in_sync'),
    ]),
  // Well-known names for the error paths.
  'unreadable-store': () => fleet(summary('unreadable-store', 'lab', 12), []),
  'never-answers': () => fleet(summary('never-answers', 'lab', 12), []),
  'broken-file': () => fleet(summary('broken-file', '', 0, { error: 'line 12, field `node[3].url`: not an address' }), []),
};

function fleet(of: FleetSummary, nodes: FakeNode[], cached = false): FakeFleet {
  return { summary: { ...of, nodes: of.nodes }, nodes, cached, sweptAtMs: cached ? START_MS - 26 * MINUTE : START_MS - 4_000 };
}

const made = new Map<string, FakeFleet>();

export const FLEET_NAMES = Object.keys(makers);

export function fleetNamed(name: string): FakeFleet | undefined {
  const known = made.get(name);
  if (known) return known;
  const maker = makers[name];
  if (!maker) return undefined;
  const fresh = maker();
  made.set(name, fresh);
  return fresh;
}

export function forgetFleets(): void {
  made.clear();
}

export const bundleDigest = (content: string): string => digest(`bytes ${content}`);
