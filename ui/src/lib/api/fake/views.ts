//! Views of the fake's fleets, as the backend would compute them.
import { matches, parse } from '$lib/domain/filter.logic';
import { STATES, lookOf } from '$lib/domain/states';
import type { Baseline, BaselineChoice, BundleChoice, DesiredView, DriftView, FleetPage, FleetView, GroupView, MomentView, MomentsView, NodeAction, NodeNames, NodeRow, NodeView, VersionShare } from '../api';
import { START_MS, bundleDigest, readingOf, type FakeFleet, type FakeNode } from './fleets';
import { CONTENTS, TAMPERED, V41, V42, V43, contentOf, policyDiff, type Content } from './policies';
import { digest } from './seed';
import { readiness, verification } from './verification';

export const DESIRED: DesiredView = { version: 'v42', content: V42.digest, pinned_by: 'mira', since_ms: START_MS - 3 * 86_400_000 };

function shares(nodes: readonly FakeNode[]): VersionShare[] {
  const found = new Map<string, VersionShare & { states: Map<string, number> }>();
  for (const node of nodes) {
    const key = `${node.version} ${node.content}`;
    const known = found.get(key) ?? { version: node.version, content: node.content, count: 0, state: node.state, same_version_other_content: false, states: new Map() };
    known.count += 1;
    known.states.set(node.state, (known.states.get(node.state) ?? 0) + 1);
    found.set(key, known);
  }
  const all = [...found.values()].sort((a, b) => b.count - a.count);
  return all.map(({ states, ...share }) => ({
    ...share,
    state: ([...states.entries()].sort((a, b) => b[1] - a[1])[0]?.[0] ?? share.state) as VersionShare['state'],
    same_version_other_content: share.version !== null && share.content !== DESIRED.content && all.some((other) => other.version === share.version && other.content !== share.content),
  }));
}

const RANK = new Map(STATES.map((look, index) => [look.state, index]));

function compare(sort: FleetPage['sort']): (a: FakeNode, b: FakeNode) => number {
  const by = (value: (node: FakeNode) => number | string) => (a: FakeNode, b: FakeNode) => {
    const [left, right] = [value(a), value(b)];
    return left < right ? -1 : left > right ? 1 : a.id < b.id ? -1 : 1;
  };
  switch (sort) {
    case 'state':
      return by((node) => RANK.get(node.state) ?? 0);
    case 'name':
      return by((node) => node.id);
    case 'version':
      return by((node) => node.version ?? '');
    case 'content':
      return by((node) => node.content ?? '');
    case 'digest_age':
      return by((node) => -(node.confirmed_at_ms ?? 0));
    case 'load_age':
      return by((node) => -(node.loaded_at_ms ?? 0));
    case 'last_reload':
      return by((node) => -(node.last_reload?.at_ms ?? 0));
    case 'latency':
      return by((node) => node.latency_ms ?? 1e9);
  }
}

function row(node: FakeNode): NodeRow {
  const { reloads, previous_content, ...rest } = node;
  void reloads;
  void previous_content;
  return rest;
}

const members = (fleet: FakeFleet): string => `${fleet.nodes.length} ${fleet.nodes.at(-1)?.id ?? ''}`;

export const nodeNames = (fleet: FakeFleet): NodeNames => ({ members: members(fleet), ids: fleet.nodes.map((node) => node.id) });

export function fleetView(fleet: FakeFleet, page: FleetPage): FleetView {
  const { filter, error } = parse(page.filter);
  const through = filter ? fleet.nodes.filter((node) => matches(filter, node)) : fleet.nodes;
  const sorted = [...through].sort(compare(page.sort));
  if (page.descending) sorted.reverse();
  const passes = new Set(through.map((node) => node.id));
  return {
    fleet: fleet.summary.name,
    environment: fleet.summary.environment,
    read_only: fleet.summary.read_only,
    desired: fleet.nodes.length === 0 ? null : DESIRED,
    thresholds: { digest_age_s: 900, load_age_s: 86_400 },
    versions: shares(fleet.nodes),
    counts: STATES.map(({ state }) => ({ state, count: fleet.nodes.filter((node) => node.state === state).length })),
    matrix: {
      cells: fleet.nodes.map((node) => lookOf(node.state).code).join(''),
      matched: through.length === fleet.nodes.length ? '' : fleet.nodes.map((node) => (passes.has(node.id) ? '1' : '0')).join(''),
    },
    members: members(fleet),
    matched: through.length,
    total: fleet.nodes.length,
    offset: page.offset,
    rows: sorted.slice(page.offset, page.offset + page.limit).map(row),
    filter_error: error,
  };
}

function actions(node: FakeNode): NodeAction[] {
  const opa = node.api === 'opa' ? 'An unmodified OPA takes bundles from its own server only; publish the bundle there.' : null;
  const reload = (reason: string): string | null => opa ?? (node.api === 'reload' ? reason : null);
  const token = `-H "Authorization: Bearer $PLUMB_TOKEN"`;
  const url = `https://${node.id}.ops.example:8443`;
  const post = (path: string): string[] => [`curl -fsS -X POST ${token} ${url}${path}`];
  const does: Record<string, string> = { sync: 'sync', pin: "pin, version: 'v42'", rollback: 'rollback', restart: 'restart' };
  const step = (kind: string): string => `\`\`\`step\nid: ${kind}\ntitle: '${kind}'\ndo: ${kind in does ? `{action: {verb: ${does[kind] ?? ''}, nodes: '${node.id}'}}` : `{command: {argv: [plumb, policy, ${kind}, --node, '${node.id}', --json], reads_only: true}}`}\n\`\`\`\n`;
  const actions: Omit<NodeAction, 'step'>[] = [
    { kind: 'sync', disabled: opa, cli: `plumb policy sync --node ${node.id}`, curl: opa ? [] : post('/reload') },
    { kind: 'pin', disabled: opa, cli: `plumb policy pin --version v42 --node ${node.id}`, curl: [] },
    { kind: 'rollback', disabled: opa ?? (node.state === 'unreachable' ? 'The node does not answer.' : null), cli: `plumb policy rollback --node ${node.id}`, curl: node.api === 'agent' ? post('/v1/agent/rollback') : post('/reload') },
    { kind: 'restart', disabled: reload('The reload service has no restart endpoint: restart it through its supervisor.'), cli: `plumb service restart policy-engine --node ${node.id}`, curl: node.api === 'agent' ? post('/v1/agent/restart') : [] },
    { kind: 'logs', disabled: reload('The reload service keeps no logs to ask for: read its standard output.'), cli: `plumb policy logs --node ${node.id}`, curl: node.api === 'agent' ? [`curl -fsS ${token} ${url}/v1/agent/logs`] : [] },
    { kind: 'config', disabled: reload('The reload service has no configuration endpoint.'), cli: `plumb policy config show --node ${node.id}`, curl: [] },
    { kind: 'evaluate', disabled: null, cli: `plumb policy evaluate --test --node ${node.id}`, curl: post('/evaluate') },
    { kind: 'verify', disabled: opa, cli: `plumb policy bundle verify --node ${node.id}`, curl: post('/bundle/verify') },
  ];
  return actions.map((action) => ({ ...action, step: step(action.kind) }));
}

export function nodeView(fleet: FakeFleet, id: string): NodeView | null {
  const index = fleet.nodes.findIndex((node) => node.id === id);
  const node = fleet.nodes[index];
  if (!node) return null;
  const content = contentOf(node.content);
  const diff = content && content.digest !== DESIRED.content ? policyDiff('', DESIRED.content, content.digest) : null;
  const words = diff ? (['added', 'removed', 'changed', 'moved'] as const).filter((key) => diff[key] > 0).map((key) => `${diff[key]} ${key}`) : [];
  const at = node.seen_at_ms ?? START_MS;
  return {
    row: row(node),
    url: `https://${node.id}.ops.example:8443`,
    bundle_id: content ? 'payments-core' : null,
    bundle_digest: content ? bundleDigest(content.digest) : null,
    desired: DESIRED,
    signature: !content ? null : content.signed ? { verdict: 'valid', detail: 'RSA-PSS, key signer-2026a' } : { verdict: 'invalid', detail: 'no signed bundle has this content' },
    verification: verification(node),
    readiness: readiness(node),
    difference: words.length > 0 ? words.join(', ') : null,
    actions: actions(node),
    policies: content?.order.map((policy) => ({ id: policy, digest: digest(content.texts.get(policy) ?? '') })) ?? [],
    reloads: node.reloads,
    figures: content
      ? [
          { name: 'Reloads', value: '10', source: '/reload/stats', at_ms: at, caution: node.api === 'reload' ? 'saturated at 10: older attempts are counted from history' : null },
          { name: 'Failed reloads', value: '1', source: '/reload/stats', at_ms: at, caution: null },
          { name: 'Uptime', value: '3 d 02 h', source: '/metrics', at_ms: at, caution: null },
          { name: 'Requests', value: '1,204,417', source: '/metrics', at_ms: at, caution: null },
          { name: 'Memory', value: '38 MB', source: '/metrics', at_ms: at, caution: null },
        ]
      : [],
    config: node.api === 'agent' ? [
      { key: 'bundle.polling.min_delay_seconds', value: '10' },
      { key: 'bundle.polling.max_delay_seconds', value: '30' },
      { key: 'deployment.locking', value: 'true' },
    ] : [],
    gaps: node.state === 'unknown' ? [{ source: '/readyz', message: 'answered text/html where JSON was expected' }] : node.state === 'stale' ? [{ source: '/metrics', message: 'HTTP status 503' }] : [],
    previous: fleet.nodes[index - 1]?.id ?? null,
    next: fleet.nodes[index + 1]?.id ?? null,
  };
}

export function driftView(fleet: FakeFleet, baseline: Baseline, group: string | null): DriftView {
  const majority = shares(fleet.nodes)[0];
  const choices: BaselineChoice[] = [
    { baseline: { kind: 'desired' }, label: 'desired v42' },
    { baseline: { kind: 'majority' }, label: 'what most nodes run' },
    ...CONTENTS.filter((content) => content.signed).map((content): BaselineChoice => ({ baseline: { kind: 'bundle', content: content.digest }, label: `signed ${content.version} · ${content.digest.slice(0, 12)}` })),
    ...(baseline.kind === 'node' ? [{ baseline, label: `node ${baseline.id}` }] : []),
    ...(baseline.kind === 'moment' ? [{ baseline, label: `${baseline.id} at ${new Date(baseline.at_ms).toISOString()}` }] : []),
  ];
  const then = baseline.kind === 'moment' ? momentsView(fleet, baseline.id).moments.find((entry) => entry.at_ms <= baseline.at_ms) : undefined;
  const against =
    then !== undefined ? then.content : baseline.kind === 'node' ? (fleet.nodes.find((node) => node.id === baseline.id)?.content ?? null) : baseline.kind === 'bundle' ? baseline.content : baseline.kind === 'majority' ? (majority?.content ?? null) : DESIRED.content;
  const known = contentOf(against);
  const groups: GroupView[] = shares(fleet.nodes).map((share, index) => {
    const nodes = fleet.nodes.filter((node) => node.version === share.version && node.content === share.content);
    return {
      key: `${share.content ?? '-'}/${share.version ?? '-'}`,
      letter: String.fromCharCode(65 + index),
      version: share.version,
      content: share.content,
      count: share.count,
      nodes: nodes.slice(0, 200).map((node) => node.id),
      state: share.state,
      note: share.same_version_other_content ? 'same version, other content' : null,
      unverified: nodes.filter((node) => node.verified === 'no').length,
      verification_unknown: nodes.filter((node) => node.verified === 'unknown').length,
      failed_checks: nodes.some((node) => node.state === 'diverged') ? [{ name: 'identity.issuer', nodes: nodes.length }, { name: 'identity.san', nodes: nodes.length }] : [],
      readings: (['documented', 'field'] as const).filter((reading) => nodes.some((node) => readingOf(node) === reading)),
      is_baseline: share.content !== null && share.content === against,
    };
  });
  const chosen = groups.find((entry) => entry.key === group);
  return {
    baseline: { label: choices.find((choice) => JSON.stringify(choice.baseline) === JSON.stringify(baseline))?.label ?? 'baseline', version: known?.version ?? null, content: against, unavailable: known ? null : 'The node does not list its policies.' },
    choices,
    groups,
    diff: chosen ? policyDiff(chosen.key, against, chosen.content) : null,
  };
}

const DAY_MS = 86_400_000;

/** What the fake's nodes ran in the last weeks: one rollout after the other, and what went wrong. */
export function momentsView(fleet: FakeFleet, named: string): MomentsView {
  const found = fleet.nodes.filter((node) => node.id.includes(named));
  const told = (daysAgo: number, of: Content, nodes: readonly FakeNode[], readable = true): MomentView[] =>
    nodes[0] === undefined ? [] : [{ node: nodes[0].id, nodes: nodes.length, at_ms: START_MS - Math.round(daysAgo * DAY_MS), version: of.version, content: of.digest, readable }];
  return {
    moments: [
      ...told(0.02, TAMPERED, found.filter((node) => node.state === 'tampered')),
      ...told(1.4, V42, found.filter((node) => node.state !== 'behind')),
      ...told(3.1, V43, found.filter((node) => node.state === 'ahead')),
      ...told(12.6, V41, found),
      ...told(26.9, { ...V41, version: 'v40', digest: digest('v40') }, found, false),
    ],
    cut: false,
  };
}

export function bundleChoices(fleet: FakeFleet): BundleChoice[] {
  const running = (content: string): number => fleet.nodes.filter((node) => node.content === content).length;
  const issued = new Map([['v43-rc1', 2], ['v42', 9], ['v41', 40]]);
  return CONTENTS.filter((content) => content.signed || running(content.digest) > 0)
    .map((content): BundleChoice => ({
      version: content.version,
      content: content.digest,
      signed: content.signed
        ? { digest: bundleDigest(content.digest), file: `${content.version}.signed.json`, local_path: `/srv/bundles/${content.version}.signed.json`, key: 'signer-2026a', policies: content.order.length, issued_at_ms: START_MS - (issued.get(content.version) ?? 60) * DAY_MS }
        : null,
      nodes: running(content.digest),
      desired: content.digest === DESIRED.content,
      refused: false,
      shares_version: CONTENTS.some((other) => other.signed && other.version === content.version && other.digest !== content.digest),
    }))
    .sort((a, b) => Number(b.signed !== null) - Number(a.signed !== null) || (b.signed?.issued_at_ms ?? 0) - (a.signed?.issued_at_ms ?? 0));
}
