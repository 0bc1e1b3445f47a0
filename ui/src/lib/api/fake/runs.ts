//! Plans and runs of the fake: in flight first, then confirmed, node by node.
import { DRIFTED } from '$lib/domain/states';
import { matches, parse } from '$lib/domain/filter.logic';
import type { ActionKind, ActionRequest, AppError, ConfirmationView, FindingView, PlanTarget, PlanView, RolloutRequest, RunNode, RunNodeState, RunOrder, RunPhase, RunView, Topic } from '../api';
import { makeNode, readingOf, type FakeFleet, type FakeNode } from './fleets';
import { CONTENTS, V42, type Content } from './policies';
import { DETAIL, FakeRollout, rolloutView } from './rollouts';
import { digest, seedOf } from './seed';

export const fail = (code: AppError['code'], message: string, hint: string): never => {
  throw { code, message, hint } satisfies AppError;
};

const VERB: Record<ActionKind, string> = { sync: 'Sync', pin: 'Pin', pin_and_sync: 'Pin and sync', rollback: 'Roll back', restart: 'Restart', resolve_conflict: 'Resolve conflict on', unpin: 'Lift pins of', set_config: 'Change a setting of', undo: 'Undo the run on' };

function selected(fleet: FakeFleet, request: ActionRequest): FakeNode[] {
  const selection = request.nodes;
  switch (selection.select) {
    case 'all':
      return fleet.nodes;
    case 'drifted':
      return fleet.nodes.filter((node) => DRIFTED.includes(node.state));
    case 'nodes':
      return fleet.nodes.filter((node) => selection.ids.includes(node.id));
    case 'filter': {
      const { filter } = parse(selection.filter);
      return filter ? fleet.nodes.filter((node) => matches(filter, node)) : [];
    }
  }
}

function goal(request: ActionRequest, node: FakeNode): Content | null {
  if (request.kind === 'restart') return null;
  const named = CONTENTS.find((content) => content.signed && content.version === request.version && (!request.content || content.digest === request.content));
  if (request.version) return named ?? fail('not_found', `no signed bundle of ${request.version} is known`, 'Choose a version listed in the palette.');
  return request.kind === 'rollback' ? node.previous_content : V42;
}

function effects(request: ActionRequest, node: FakeNode, to: Content | null): string[] {
  if (request.kind === 'restart') return ['restart the policy engine', 'wait until it answers again', 'compare its content'];
  if (request.kind === 'pin') return [`remember ${to?.version} as desired`];
  const path = `/var/lib/policies/${to?.version}.signed.json`;
  return node.api === 'reload'
    ? [`ask the node to verify ${path}`, `ask the node to reload ${path}`, 'compare the content it then runs']
    : [`sync to ${to?.version}`, 'compare the content it then runs'];
}

const SKIPPED: Partial<Record<string, string>> = { unreachable: 'does not answer', unknown: 'cannot tell what it runs' };

export function planFor(fleet: FakeFleet, request: ActionRequest): PlanView {
  const nodes = selected(fleet, request);
  if (nodes.some((node) => node.id === 'fra-opa-1') && nodes.length === 1) fail('invalid', 'fra-opa-1 takes bundles from its own server only', 'Publish the bundle there.');
  const left = nodes.flatMap((node) => {
    const reason = SKIPPED[node.state] ?? (node.api === 'opa' ? 'OPA takes bundles from its own server only' : request.kind === 'sync' && node.state === 'in_sync' && !request.force ? 'already runs what is desired' : null);
    return reason ? [{ node: node.id, reason }] : [];
  });
  const out = new Set(left.map((entry) => entry.node));
  const going = nodes.filter((node) => !out.has(node.id));
  const targets: PlanTarget[] = going.map((node) => {
    const to = goal(request, node);
    return {
      node: node.id,
      state: node.state,
      from_version: node.version,
      from_content: node.content,
      to_version: to?.version ?? node.version,
      to_content: to?.digest ?? node.content,
      reading: readingOf(node),
      effects: effects(request, node, to),
      undo: request.kind === 'restart' ? 'cannot be undone' : `reload ${node.version ?? 'nothing'} again`,
    };
  });
  const findings: FindingView[] = [
    ...going.filter((node) => node.cautions.length > 0).slice(0, 2).map((node): FindingView => ({ severity: 'warning', code: 'no_authentication', node: node.id, message: node.cautions[0] ?? '', remedy: 'Give it a token after the incident; the run is not stopped by this.' })),
    ...(left.some((entry) => entry.reason === 'does not answer') ? [{ severity: 'note' as const, code: 'unreachable', node: null, message: `${left.filter((entry) => entry.reason === 'does not answer').length} selected nodes do not answer`, remedy: 'They are left out and named below; sync them when they are back.' }] : []),
    ...(going.some((node) => node.id === 'osl-gw-1') && request.kind === 'rollback' ? [{ severity: 'fatal' as const, code: 'bundle_missing', node: 'osl-gw-1', message: 'v42 is not on this node', remedy: 'Copy v42.signed.json to /var/lib/policies on the node, then plan again.' }] : []),
  ];
  const from = new Map<string, number>();
  for (const target of targets) {
    const key = `${target.from_version ?? 'nothing'} ${(target.from_content ?? '').slice(0, 12)}`;
    from.set(key, (from.get(key) ?? 0) + 1);
  }
  const { production } = fleet.summary;
  const confirmation: ConfirmationView =
    production || request.kind === 'restart' ? { level: 'typed', phrase: `${fleet.summary.name} ${targets.length}` } : targets.length > 1 ? { level: 'dialog' } : { level: 'undo' };
  const version = request.version ? ` to ${request.version}` : request.kind === 'rollback' || request.kind === 'restart' ? '' : ' to v42';
  const which = targets.length === 1 ? (targets[0]?.node ?? '') : `${targets.length} nodes`;
  const flags = request.nodes.select === 'drifted' ? '--drifted' : request.nodes.select === 'all' ? '--all-nodes' : going.slice(0, 3).map((node) => `--node ${node.id}`).join(' ') + (going.length > 3 ? ' ...' : '');
  return {
    hash: digest(JSON.stringify([fleet.summary.name, request, targets])),
    title: `${VERB[request.kind]} ${which}${version}`,
    fleet: fleet.summary.name,
    environment: fleet.summary.environment,
    repeat: 0,
    production,
    action: request,
    pins: [],
    targets,
    left_out: left,
    findings,
    blast: { nodes: targets.length, of: fleet.nodes.length, lines: [...from.entries()].map(([key, count]) => `${count} of ${key}`) },
    cli: `plumb --fleet ${fleet.summary.name} policy ${request.kind.replaceAll('_', '-')} ${flags}${request.version ? ` --version ${request.version}` : ''}`,
    curl: going.slice(0, 5).map((node) => `curl -fsS -X POST -H "Authorization: Bearer $PLUMB_TOKEN" https://${node.id}.ops.example:8443/reload -d '{"bundle_path":"/var/lib/policies/v42.signed.json"}'`),
    steps: request.kind === 'undo' ? null : `\`\`\`step\nid: ${request.kind}\ntitle: '${VERB[request.kind]}'\ndo: {action: {verb: ${request.kind}, nodes: '${going.map((node) => node.id).join(',')}'}}\n\`\`\`\n`,
    confirmation,
    empty: targets.length === 0,
    rollout: request.rollout && going.length > 0 ? rolloutView(request.rollout, going) : null,
    startable: targets.length > 0 && !findings.some((finding) => finding.severity === 'fatal'),
  };
}

interface Going {
  view: RunView;
  plan: PlanView;
  rollout: FakeRollout | null;
  /** Safeguards that were passed over at the start. */
  forced: readonly string[];
  timer: ReturnType<typeof setInterval> | null;
}

const PATH: RunNodeState[] = ['waiting', 'acting', 'accepted', 'arrived'];

/** How a run that was there before stands when the fake begins. */
export type Seeded = 'soak' | 'attest' | 'paused' | 'halted' | 'rolling' | 'left' | 'skipped';

export class FakeRuns {
  #runs = new Map<string, Going>();
  #plans = new Map<string, PlanView>();
  constructor(
    private readonly now: () => number,
    private readonly announce: (topics: Topic[]) => void,
    private readonly tickMs: number,
  ) {}

  remember(plan: PlanView): PlanView {
    this.#plans.set(plan.hash, plan);
    return plan;
  }

  plan(hash: string): PlanView {
    return this.#plans.get(hash) ?? fail('not_found', 'no plan with this hash is kept here', 'plan again');
  }

  /** The plan that was made last. */
  newest(): PlanView {
    return [...this.#plans.values()].at(-1) ?? fail('not_found', 'no plan was made', 'plan first');
  }

  planOf(run: string): PlanView {
    return this.#runs.get(run)?.plan ?? fail('not_found', `there is no run ${run}`, 'It may belong to another machine.');
  }

  list(fleet: string): RunView[] {
    return [...this.#runs.values()].map(({ view }) => view).filter((view) => view.fleet === fleet).reverse();
  }

  /** The newest run that is carried out. */
  live(fleet: string): string | null {
    return this.list(fleet).find((run) => run.ended_at_ms === null && run.rollout?.carried !== false)?.id ?? null;
  }

  get(id: string): RunView {
    return this.#runs.get(id)?.view ?? fail('not_found', `there is no run ${id}`, 'It may belong to another machine.');
  }

  start(fleet: FakeFleet, hash: string, typed: string | null, reason: string | null = null): RunView {
    const plan = this.#plans.get(hash) ?? fail('outdated', 'the plan is not known any more', 'Make a new plan.');
    if (plan.confirmation.level === 'typed' && typed !== plan.confirmation.phrase) fail('confirmation', 'the phrase does not match', `Type ${plan.confirmation.phrase}.`);
    const forced = plan.action.kind === 'sync' && plan.action.force;
    if (forced && reason === null) fail('confirmation', 'what runs already is loaded again by force, and nobody says why', 'say it in at most 2,000 bytes; it stands in the journal');
    const going = this.#begin(fleet, plan, this.now(), forced ? [`what ran already was loaded again by force by mira: ${reason}`] : []);
    this.#carry(fleet, going);
    return going.view;
  }

  abort(id: string): void {
    const going = this.#runs.get(id);
    if (going?.rollout) return void this.#order(going.rollout, going, id, { order: 'abort' });
    if (!going?.timer) return;
    clearInterval(going.timer);
    going.timer = null;
    const nodes = going.view.nodes.map((node): RunNode =>
      node.state === 'waiting' ? { ...node, state: 'skipped', detail: DETAIL.skipped } : node.state === 'acting' ? { ...node, state: 'in_doubt', detail: DETAIL.in_doubt } : node,
    );
    going.view = this.#view(id, going, nodes, 'aborted', this.now());
    this.announce([{ topic: 'run', id }]);
  }

  /** A run that nobody carries out is picked up to be aborted or brought back, and for nothing else. */
  order(id: string, order: RunOrder, fleetOf: (name: string) => FakeFleet): RunView {
    const going = this.#runs.get(id);
    const back = order.order === 'abort' || order.order === 'roll_back';
    if (!going?.rollout || going.rollout.ended !== null || (!going.rollout.carried && !back)) return fail('busy', 'this run is not carried out by this program, or it has ended', 'give the order where the run was started, or pick the run up here');
    if (!going.rollout.carried) {
      going.rollout.carried = true;
      this.#carry(fleetOf(going.plan.fleet), going);
    }
    return this.#order(going.rollout, going, id, order);
  }

  #order(rollout: FakeRollout, going: Going, id: string, order: RunOrder): RunView {
    rollout.order(order);
    this.#show(going, this.now());
    this.announce([{ topic: 'run', id }]);
    return going.view;
  }

  /** Goes on with a rollout that nobody carries out. */
  resume(id: string, fleetOf: (name: string) => FakeFleet): RunView {
    const going = this.#runs.get(id);
    if (!going?.rollout || going.rollout.ended !== null) return fail('invalid', `run ${id} has ended, or is no rollout`, 'plan again');
    if (going.timer) return fail('busy', 'somebody carries this run out already', 'watch it, or give it orders where it was started');
    going.rollout.carried = true;
    this.#carry(fleetOf(going.plan.fleet), going);
    this.#show(going, this.now());
    this.announce([{ topic: 'run', id }]);
    return going.view;
  }

  /** Runs of the past, and one that stands as it is asked for. */
  seed(fleet: FakeFleet, newest: Seeded | null): void {
    const hours = (ago: number): number => this.now() - ago * 3_600_000;
    const gate = { decisions: false, prometheus: [], convergence_percent: 100, errors_ppm: 500, soak_s: 0 };
    const request = (rest: Partial<ActionRequest>): ActionRequest => ({ kind: 'sync', nodes: { select: 'drifted' }, force: false, ...rest });
    const shares = { shape: 'shares' as const, percent: [10, 50] };
    const make = (asked: ActionRequest, at: number): Going => this.#begin(fleet, planFor(fleet, asked), at);
    const play = (going: Going, at: number, until: (rollout: FakeRollout) => boolean = () => false): void => {
      for (let step = 0; step < 400 && going.rollout?.ended === null && !until(going.rollout); step += 1) going.rollout.step(at + step * 1_000);
      this.#show(going, at + 190_000);
    };
    const cautious = (rollBack: boolean, soak = 0, attest?: string): RolloutRequest => ({ shape: shares, gate: { ...gate, soak_s: soak, ...(attest === undefined ? {} : { attest }) }, roll_back_on_failure: rollBack, failures_tolerated: 0 });
    play(make(request({ rollout: { shape: { shape: 'by_label', label: 'role', order: [] }, gate, roll_back_on_failure: true, failures_tolerated: 0 } }), hours(76)), hours(76));
    play(make(request({ kind: 'pin_and_sync', version: 'v43-rc1', rollout: cautious(true) }), hours(29)), hours(29));
    const direct = make(request({ nodes: { select: 'nodes', ids: fleet.nodes.filter((node) => node.state === 'behind').slice(0, 2).map((node) => node.id) } }), hours(27));
    direct.view = this.#view(direct.view.id, direct, direct.view.nodes.map((node) => ({ ...node, state: 'arrived', detail: DETAIL.arrived })), null, hours(27) + 4_000);
    if (newest === null) return;
    const since = newest === 'left' ? hours(2) : this.now() - 40_000;
    const wish: Record<Seeded, RolloutRequest> = {
      soak: cautious(true, 600),
      attest: cautious(true, 0, 'the payments dashboard stays calm'),
      paused: cautious(true),
      halted: cautious(false),
      rolling: cautious(true),
      left: cautious(true),
      skipped: cautious(true, 600),
    };
    const going = make(request({ ...(newest === 'halted' || newest === 'rolling' ? { kind: 'pin_and_sync', version: 'v43-rc1' } : {}), rollout: wish[newest] }), since);
    const { rollout } = going;
    if (!rollout) return;
    const waves = (state: string): number => rollout.view().waves.filter((wave) => wave.state === state).length;
    const arrived = (): number => rollout.nodes.filter((node) => node.state === 'arrived').length;
    const reached: Record<Seeded, () => boolean> = {
      soak: () => rollout.phase() === 'at_gate',
      attest: () => waves('passed') === 0 && rollout.phase() === 'at_gate',
      paused: () => waves('passed') >= 1 && arrived() > 1,
      halted: () => rollout.phase() === 'halted',
      rolling: () => rollout.phase() === 'rolling_back',
      left: () => waves('passed') >= 1 && arrived() > 1 && waves('acting') > 0,
      skipped: () => rollout.phase() === 'at_gate',
    };
    play(going, since, () => reached[newest]());
    if (newest === 'paused') rollout.order({ order: 'pause' });
    if (newest === 'skipped') rollout.order({ order: 'skip_gate', wave: 0, reason: 'INC-2214: refunds are refused, waiting costs more than the risk' });
    if (newest === 'left') rollout.carried = false;
    else this.#carry(fleet, going);
    this.#show(going, this.now());
  }

  #begin(fleet: FakeFleet, plan: PlanView, at: number, forced: readonly string[] = []): Going {
    const id = `r-${String(192 + this.#runs.size).padStart(4, '0')}`;
    const asked = plan.action.rollout;
    const rollout = asked ? new FakeRollout(plan, asked, fleet.nodes) : null;
    const nodes = rollout?.nodes ?? plan.targets.map((target): RunNode => ({ node: target.node, state: 'waiting', detail: DETAIL.waiting }));
    const going: Going = { plan, timer: null, rollout, forced, view: this.#view(id, { plan, rollout, forced }, nodes, null, at) };
    this.#runs.set(id, going);
    return going;
  }

  #carry(fleet: FakeFleet, going: Going): void {
    going.timer = setInterval(() => (going.rollout ? this.#stepRollout(fleet, going, going.rollout) : this.#step(fleet, going)), this.tickMs);
  }

  #show(going: Going, at: number): void {
    if (!going.rollout) return;
    going.view = this.#view(going.view.id, going, going.rollout.nodes, null, at);
    this.#rest(going);
  }

  #rest(going: Going): void {
    if (going.view.ended_at_ms === null || !going.timer) return;
    clearInterval(going.timer);
    going.timer = null;
  }

  #view(id: string, going: Pick<Going, 'plan' | 'rollout' | 'forced'>, nodes: RunNode[], ended: 'aborted' | null, at: number): RunView {
    const { plan, rollout, forced } = going;
    const counted = (state: RunNodeState): number => nodes.filter((node) => node.state === state).length;
    const open = nodes.some((node) => ['waiting', 'acting', 'accepted'].includes(node.state));
    const arrived = counted('arrived');
    const direct = ended ?? (open ? (counted('waiting') + counted('acting') > 0 ? 'acting' : 'proving') : arrived === nodes.length ? 'succeeded' : 'incomplete');
    const phase: RunPhase = rollout?.phase() ?? direct;
    const before = this.#runs.get(id)?.view;
    const done = rollout ? rollout.ended !== null : !open || ended !== null;
    const single = plan.targets.length === 1 ? plan.targets[0] : undefined;
    const back = nodes.filter((node) => node.state === 'arrived').map((node) => node.node);
    return {
      id,
      plan_hash: plan.hash,
      title: plan.title,
      fleet: plan.fleet,
      operator: 'mira',
      started_at_ms: before?.started_at_ms ?? at,
      ended_at_ms: done ? (before?.ended_at_ms ?? at) : null,
      phase,
      nodes,
      bypassed: [...forced, ...(rollout?.bypassed ?? [])],
      arrived,
      failed: counted('failed'),
      in_doubt: counted('in_doubt'),
      total: nodes.length,
      journal_head: digest(`${id} ${arrived} ${phase}`),
      journal_events: (before?.journal_events ?? 1) + 3,
      journal_signed_to: (before?.journal_events ?? 1) + 3,
      journal_unsigned: null,
      undo:
        done && rollout && back.length > 0
          ? { kind: 'rollback', nodes: { select: 'nodes', ids: back }, force: false }
          : done && plan.action.kind !== 'restart' && single
            ? { kind: 'rollback', nodes: { select: 'nodes', ids: [single.node] }, version: single.from_version, content: single.from_content, force: false }
            : null,
      rollout: rollout?.view() ?? null,
      summary: rollout ? rolloutSummary(phase, arrived, nodes.length, counted('failed')) : !done ? `${arrived} of ${nodes.length} nodes proven by content` : arrived === nodes.length ? `Every node runs what was planned, proven by content.` : `${arrived} of ${nodes.length} nodes arrived; the others are named with the reason.`,
    };
  }

  #stepRollout(fleet: FakeFleet, going: Going, rollout: FakeRollout): void {
    const topics: Topic[] = [{ topic: 'run', id: going.view.id }];
    const moved = rollout.step(this.now());
    for (const node of moved) this.#touch(fleet, going.plan, node.node, node.state);
    if (moved.length > 0) topics.push({ topic: 'fleet', fleet: fleet.summary.name });
    this.#show(going, this.now());
    this.announce(topics);
  }

  /** Lets the fleet know what a node runs after a step. */
  #touch(fleet: FakeFleet, plan: PlanView, id: string, state: RunNodeState): void {
    const target = plan.targets.find((entry) => entry.node === id);
    const index = fleet.nodes.findIndex((entry) => entry.id === id);
    const real = fleet.nodes[index];
    if (!real || !target) return;
    if (state === 'accepted') fleet.nodes[index] = { ...real, state: 'converging', why: `accepted ${target.to_version ?? ''}, not yet seen running` };
    if (state !== 'arrived' && state !== 'rolled_back') return;
    const [version, content] = state === 'arrived' ? [target.to_version, target.to_content] : [target.from_version, target.from_content];
    const labels = Object.fromEntries(real.labels.map((label) => [label.name, label.value]));
    const fresh = makeNode(real.id, real.api, labels, state === 'rolled_back' ? target.state : content === V42.digest ? 'in_sync' : 'behind');
    fleet.nodes[index] = { ...fresh, version, content, loaded_at_ms: this.now(), load_age_over: false, reloads: real.reloads };
  }

  #step(fleet: FakeFleet, going: Going): void {
    const perStep = Math.max(1, Math.ceil(going.view.nodes.length / 12));
    let moved = 0;
    const topics: Topic[] = [{ topic: 'run', id: going.view.id }];
    const nodes = going.view.nodes.map((node): RunNode => {
      const at = PATH.indexOf(node.state);
      if (at < 0 || at === 3 || moved >= perStep * 2) return node;
      moved += 1;
      if (node.state === 'acting' && seedOf(node.node) % 17 === 3) return { ...node, state: 'failed', detail: DETAIL.failed };
      const state = PATH[at + 1] ?? 'arrived';
      this.#touch(fleet, going.plan, node.node, state);
      return { ...node, state, detail: DETAIL[state] };
    });
    if (moved > 0) topics.push({ topic: 'fleet', fleet: fleet.summary.name });
    going.view = this.#view(going.view.id, going, nodes, null, this.now());
    this.#rest(going);
    this.announce(topics);
  }
}

function rolloutSummary(phase: RunPhase, arrived: number, total: number, failed: number): string {
  const words: Partial<Record<RunPhase, string>> = {
    acting: `${arrived} of ${total} nodes arrived, effects are being sent`,
    proving: `${arrived} of ${total} nodes arrived, waiting for the rest`,
    at_gate: `${arrived} of ${total} nodes arrived, the gate is looked at`,
    succeeded: `all ${total} nodes arrived`,
    rolling_back: 'nodes that were touched are brought back',
    rolled_back: 'every node that was touched is back',
    interrupted: `the program that carried it out ended; ${arrived} of ${total} nodes are known to have arrived`,
  };
  return `${words[phase] ?? `${phase}; ${arrived} of ${total} nodes arrived`}${failed > 0 ? `, ${failed} failed` : ''}`;
}
