//! Rollouts of the fake: waves, gates, orders and the way back, the same at every start.
import type { AppError, PlanTarget, PlanView, RolloutRequest, RolloutView, RunCheck, RunNode, RunNodeState, RunOrder, RunPhase, RunRollout, RunWave, ShapeRequest } from '../api';
import type { FakeNode } from './fleets';
import { V43 } from './policies';
import { seedOf } from './seed';

const refuse = (code: AppError['code'], message: string, hint: string): never => {
  throw { code, message, hint } satisfies AppError;
};
const REMEDY = 'change the selection, the version or the rollout, and plan again';
const OPERATOR = 'mira';
/** Steps an unmet check is waited for after the soak. */
const PATIENCE_STEPS = 3;

export const DETAIL: Record<RunNodeState, string> = {
  waiting: 'not started',
  acting: 'asked to reload',
  accepted: 'answered success; content not seen yet',
  arrived: 'content proven',
  failed: 'HTTP status 500: Failed to load bundle from file',
  skipped: 'not started, the run was aborted',
  rolled_back: 'runs again what it ran before',
  in_doubt: 'no answer after the request was sent; the next sweep will tell',
};

type Split = { name: string; nodes: string[] }[];

function canaryOf(named: string | null | undefined, nodes: readonly FakeNode[]): string {
  if (named && !nodes.some((node) => node.id === named)) refuse('invalid', `the canary ${named} is not changed by this plan; name another`, REMEDY);
  return named ?? nodes.map((node) => node.id).sort()[0] ?? '';
}

function split(shape: ShapeRequest, nodes: readonly FakeNode[]): Split {
  const ids = (some: readonly FakeNode[]): string[] => some.map((node) => node.id).sort();
  const label = (node: FakeNode, name: string): string | undefined => node.labels.find((entry) => entry.name === name)?.value;
  if (shape.shape === 'one_by_one') return ids(nodes).map((id) => ({ name: id, nodes: [id] }));
  if (shape.shape === 'blue_green') {
    const [first, rest] = [nodes.filter((node) => label(node, shape.label) === shape.first), nodes.filter((node) => label(node, shape.label) !== shape.first)];
    if (first.length === 0) refuse('invalid', `no node that is changed has the label ${shape.label}=${shape.first}`, REMEDY);
    return [{ name: `${shape.label}=${shape.first}`, nodes: ids(first) }, { name: `not ${shape.label}=${shape.first}`, nodes: ids(rest) }];
  }
  const canary = canaryOf(shape.canary, nodes);
  const rest = nodes.filter((node) => node.id !== canary);
  const out: Split = [{ name: 'canary', nodes: [canary] }];
  if (shape.shape === 'by_label') {
    const values = [...new Set(rest.map((node) => label(node, shape.label)).filter((value) => value !== undefined))].sort();
    for (const value of [...shape.order.filter((value) => values.includes(value)), ...values.filter((value) => !shape.order.includes(value))]) out.push({ name: `${shape.label}=${value}`, nodes: ids(rest.filter((node) => label(node, shape.label) === value)) });
    out.push({ name: `without ${shape.label}`, nodes: ids(rest.filter((node) => label(node, shape.label) === undefined)) });
    return out;
  }
  const drawn = [...rest].sort((a, b) => seedOf(a.id) - seedOf(b.id));
  let taken = 0;
  for (const share of [...shape.percent.filter((share) => share < 100), 100]) {
    const until = Math.min(drawn.length, Math.max(0, Math.ceil((nodes.length * share) / 100) - 1));
    if (until > taken) out.push({ name: `${share} %`, nodes: ids(drawn.slice(taken, until)) });
    taken = Math.max(taken, until);
  }
  return out;
}

interface Asked {
  kind: 'convergence' | 'errors' | 'attest';
  sentence: string;
  limit: number;
}

function asked(request: RolloutRequest, last: boolean): Asked[] {
  const { gate } = request;
  if (!gate) return [];
  const out: Asked[] = [];
  const percent = gate.convergence_percent;
  if (percent != null) out.push({ kind: 'convergence', limit: percent, sentence: percent === 100 ? 'every node runs the content wanted' : `${percent} % of the nodes run the content wanted` });
  if (gate.errors_ppm != null) out.push({ kind: 'errors', limit: gate.errors_ppm, sentence: `at most ${gate.errors_ppm} errors in a million decisions` });
  if (gate.attest != null && !last) out.push({ kind: 'attest', limit: 0, sentence: `somebody attests: ${gate.attest}` });
  return out;
}

export function rolloutView(request: RolloutRequest, nodes: readonly FakeNode[]): RolloutView {
  const waves = split(request.shape, nodes).filter((wave) => wave.nodes.length > 0);
  const tolerated = request.failures_tolerated;
  const when = tolerated === 0 ? 'a gate stays shut or a node fails' : tolerated === 1 ? 'a gate stays shut or more than one node fails' : `a gate stays shut or more than ${tolerated} nodes fail`;
  return {
    waves: waves.map((wave, index) => ({ ...wave, gate: asked(request, index === waves.length - 1).map((check) => check.sentence), soak_s: request.gate?.soak_s ?? 0 })),
    on_failure: request.roll_back_on_failure ? `When ${when}, every node that was touched is brought back.` : `When ${when}, nothing further is changed until somebody decides.`,
    failures_tolerated: tolerated,
  };
}

interface Wave {
  name: string;
  nodes: string[];
  checks: Asked[];
  soakMs: number;
  began: boolean;
  reachedAtMs: number | null;
  waited: number;
  passed: boolean;
  failed: boolean;
  attested: string | null;
  results: RunCheck[];
}

const TOUCHED: RunNodeState[] = ['acting', 'accepted', 'arrived', 'failed'];
const NEXT: Partial<Record<RunNodeState, RunNodeState>> = { waiting: 'acting', acting: 'accepted', accepted: 'arrived' };

/** One rollout under way: it moves by steps, and takes orders between them. */
export class FakeRollout {
  nodes: RunNode[];
  carried = true;
  ended: RunPhase | null = null;
  readonly #waves: Wave[];
  readonly #request: RolloutRequest;
  readonly #refuses: Set<string>;
  #paused: string | null = null;
  #halted: string | null = null;
  #rollback: string | null = null;
  readonly bypassed: string[] = [];
  #accepted = 0;

  constructor(plan: PlanView, request: RolloutRequest, fleet: readonly FakeNode[]) {
    this.#request = request;
    const waves = plan.rollout?.waves ?? [];
    this.#waves = waves.map((wave, index) => ({ name: wave.name, nodes: wave.nodes, checks: asked(request, index === waves.length - 1), soakMs: wave.soak_s * 1000, began: false, reachedAtMs: null, waited: 0, passed: false, failed: false, attested: null, results: [] }));
    this.nodes = plan.targets.map((target) => ({ node: target.node, state: 'waiting', detail: DETAIL.waiting }));
    // The release candidate needs a newer engine than plain reload nodes have.
    const old = new Set(fleet.filter((node) => node.api === 'reload').map((node) => node.id));
    this.#refuses = new Set(plan.targets.filter((target: PlanTarget) => target.to_content === V43.digest && old.has(target.node)).map((target) => target.node));
  }

  get #current(): number {
    return this.#waves.findIndex((wave) => !wave.passed);
  }

  #failures(): number {
    return this.nodes.filter((node) => node.state === 'failed').length;
  }

  /** Moves on once; answers the nodes that changed. */
  step(nowMs: number): RunNode[] {
    if (!this.carried || this.ended !== null) return [];
    if (this.#rollback !== null) return this.#stepBack();
    const held = this.#paused !== null || this.#halted !== null;
    const wave = this.#waves[this.#current];
    if (!wave) {
      this.ended = this.nodes.every((node) => node.state === 'arrived') ? 'succeeded' : 'incomplete';
      return [];
    }
    const moved = this.#stepNodes(wave, held);
    if (held) return moved;
    if (this.#failures() - this.#accepted > this.#request.failures_tolerated) this.#stop(`${this.#failures() - this.#accepted} of ${this.nodes.length} nodes failed, ${this.#request.failures_tolerated} are tolerated`);
    else if (moved.length === 0) this.#stepGate(wave, nowMs);
    return moved;
  }

  #stepNodes(wave: Wave, held: boolean): RunNode[] {
    const inWave = new Set(wave.nodes);
    const most = Math.max(2, Math.ceil(wave.nodes.length / 6));
    const moved: RunNode[] = [];
    this.nodes = this.nodes.map((node) => {
      const to = NEXT[node.state];
      // What is under way is waited for; nothing new is started while the run is held.
      if (to === undefined || !inWave.has(node.node) || moved.length >= most || (held && node.state === 'waiting')) return node;
      const state: RunNodeState = node.state === 'acting' && this.#refuses.has(node.node) ? 'failed' : to;
      const next: RunNode = { node: node.node, state, detail: state === 'failed' ? 'HTTP status 422: the bundle needs engine 2.1, this is 2.0.3' : DETAIL[state] };
      moved.push(next);
      return next;
    });
    wave.began ||= moved.length > 0;
    return moved;
  }

  #stepGate(wave: Wave, nowMs: number): void {
    wave.reachedAtMs ??= nowMs;
    wave.results = wave.checks.map((check) => this.#look(wave, check));
    const soaking = nowMs < wave.reachedAtMs + wave.soakMs;
    if (wave.results.every((result) => result.verdict === 'met')) {
      if (!soaking) wave.passed = true;
      return;
    }
    if (soaking || wave.results.every((result, index) => result.verdict === 'met' || wave.checks[index]?.kind === 'attest')) return;
    wave.waited += 1;
    if (wave.waited <= PATIENCE_STEPS) return;
    wave.failed = true;
    this.#stop(`the gate of wave ${this.#waves.indexOf(wave) + 1} stays shut: ${wave.results.find((result) => result.verdict !== 'met')?.detail ?? ''}`);
  }

  #look(wave: Wave, check: Asked): RunCheck {
    const said = (met: boolean, detail: string): RunCheck => ({ what: check.sentence, verdict: met ? 'met' : 'not_met', detail });
    const own = new Set(wave.nodes);
    const arrived = this.nodes.filter((node) => own.has(node.node) && node.state === 'arrived').length;
    switch (check.kind) {
      case 'convergence':
        return said(arrived * 100 >= check.limit * wave.nodes.length, `${arrived} of ${wave.nodes.length} nodes run it`);
      case 'errors': {
        const ppm = 120 + (seedOf(wave.name) % 300);
        return said(ppm <= check.limit, `${ppm} in a million since the wave began`);
      }
      case 'attest':
        return wave.attested === null ? { what: check.sentence, verdict: 'unknown', detail: 'nobody has said so yet' } : said(true, wave.attested);
    }
  }

  #stop(reason: string): void {
    if (this.#request.roll_back_on_failure) this.#rollback = reason;
    else this.#halted = reason;
  }

  #stepBack(): RunNode[] {
    const moved: RunNode[] = [];
    const most = Math.max(1, Math.ceil(this.nodes.length / 6));
    this.nodes = this.nodes.map((node) => {
      if (!TOUCHED.includes(node.state) || moved.length >= most) return node;
      const next: RunNode = { node: node.node, state: 'rolled_back', detail: DETAIL.rolled_back };
      moved.push(next);
      return next;
    });
    if (moved.length === 0) {
      this.nodes = this.nodes.map((node) => (node.state === 'waiting' ? { ...node, state: 'skipped', detail: 'not started, nodes were brought back' } : node));
      this.ended = 'rolled_back';
    }
    return moved;
  }

  order(order: RunOrder): void {
    if (!this.carried || this.ended !== null) refuse('busy', 'this run is not carried out by this program, or it has ended', 'give the order where the run was started, or pick the run up here');
    const wrong = (message: string): never => refuse('invalid', message, 'look at how the run stands');
    const waiting = (number: number): Wave => {
      const wave = this.#waves[number];
      if (!wave || number !== this.#current || wave.reachedAtMs === null || this.#rollback !== null) return wrong(`wave ${number + 1} has no gate that waits for this`);
      return wave;
    };
    const given = (text: string): string => (text.trim() === '' ? wrong('a reason must be given') : text.trim());
    switch (order.order) {
      case 'pause':
        if (this.#paused !== null) wrong('the run is paused already');
        this.#paused = OPERATOR;
        return;
      case 'resume':
        if (this.#paused === null && this.#halted === null) wrong('the run neither paused nor halted');
        this.#paused = null;
        this.#halted = null;
        this.#accepted = this.#failures();
        for (const wave of this.#waves) if (wave.failed) Object.assign(wave, { failed: false, waited: 0 });
        return;
      case 'abort':
        this.#paused = null;
        this.#halted = null;
        this.nodes = this.nodes.map((node) => (node.state === 'waiting' ? { ...node, state: 'skipped', detail: DETAIL.skipped } : node.state === 'acting' ? { ...node, state: 'in_doubt', detail: DETAIL.in_doubt } : node));
        this.ended = 'aborted';
        return;
      case 'roll_back':
        if (this.#rollback !== null) wrong('the run is on its way back already');
        this.#rollback = `${OPERATOR}: ${given(order.reason)}`;
        this.#paused = null;
        this.#halted = null;
        return;
      case 'attest': {
        const wave = waiting(order.wave);
        wave.attested = `${OPERATOR}: ${given(order.note)}`;
        wave.results = wave.checks.map((check) => this.#look(wave, check));
        return;
      }
      case 'skip_gate': {
        const wave = waiting(order.wave);
        this.bypassed.push(`the gate of wave ${order.wave + 1} was passed over by ${OPERATOR}: ${given(order.reason)}`);
        wave.passed = true;
        wave.failed = false;
        this.#halted = null;
      }
    }
  }

  phase(): RunPhase {
    if (this.ended !== null) return this.ended;
    if (this.#halted !== null) return 'halted';
    if (this.#paused !== null) return 'paused';
    if (!this.carried) return 'interrupted';
    if (this.#rollback !== null) return 'rolling_back';
    if (this.#waves[this.#current]?.reachedAtMs != null) return 'at_gate';
    return this.nodes.some((node) => node.state === 'acting') || this.nodes.every((node) => node.state === 'waiting') ? 'acting' : 'proving';
  }

  view(): RunRollout {
    const states = new Map(this.nodes.map((node) => [node.node, node.state]));
    return {
      waves: this.#waves.map((wave): RunWave => {
        const counted = (state: RunNodeState): number => wave.nodes.filter((id) => states.get(id) === state).length;
        const atGate = wave.reachedAtMs !== null && !wave.passed;
        return {
          name: wave.name,
          nodes: wave.nodes,
          state: wave.passed ? 'passed' : wave.failed ? 'failed' : atGate ? 'gate' : wave.began ? (this.#halted !== null && this.ended === null ? 'halted' : 'acting') : 'waiting',
          arrived: counted('arrived'),
          failed: counted('failed'),
          checks: wave.checks.map((check, index) => wave.results[index] ?? { what: check.sentence, verdict: 'unknown', detail: '' }),
          soak_until_ms: atGate && wave.soakMs > 0 ? (wave.reachedAtMs ?? 0) + wave.soakMs : null,
          waits_for_attestation: atGate && wave.attested === null && wave.checks.some((check) => check.kind === 'attest'),
          attested: wave.attested,
        };
      }),
      paused_by: this.#paused,
      halted: this.#halted,
      rollback: this.#rollback,
      carried: this.carried && this.ended === null,
    };
  }
}
