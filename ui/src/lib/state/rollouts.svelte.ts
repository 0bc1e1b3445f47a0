import type { ActionKind, ActionRequest, Api, AppError, KeyRequest, NodeSelection, PlanView, RolloutRequest, RunView, ShapeRequest } from '$lib/api/api';
import { appError } from '$lib/api/api';
import { plural, visible } from '$lib/domain/words.logic';

/** What is typed about a rollout, as it stands in the fields. */
export interface RolloutForm {
  shape: ShapeRequest['shape'];
  canary: string;
  percent: string;
  label: string;
  order: string;
  first: string;
  convergence: string;
  errors: string;
  p95: string;
  decisions: boolean;
  query: string;
  limit: string;
  attest: string;
  soak: string;
  rollBack: boolean;
  tolerated: string;
}

const CAUTIOUS: RolloutForm = { shape: 'shares', canary: '', percent: '10, 50', label: '', order: '', first: '', convergence: '100', errors: '', p95: '', decisions: false, query: '', limit: '', attest: '', soak: '5 min', rollBack: false, tolerated: '0' };

export type RolloutStage = { at: 'form' } | { at: 'preparing' } | { at: 'refused'; error: AppError } | { at: 'review'; plan: PlanView };

/** Actions that can go over the nodes in waves. */
export const IN_WAVES: readonly ActionKind[] = ['sync', 'pin_and_sync', 'rollback', 'restart', 'resolve_conflict'];

/** What a selection says of itself. */
export function selectionWords(nodes: NodeSelection): string {
  switch (nodes.select) {
    case 'all':
      return 'every node';
    case 'drifted':
      return 'every drifted node';
    case 'nodes':
      return nodes.ids.length <= 3 ? visible(nodes.ids.join(', ')) : plural(nodes.ids.length, 'node');
    case 'filter':
      return `nodes that match ${visible(nodes.filter)}`;
  }
}

/** What somebody gives to start a plan. */
export interface StartWords {
  /** The phrase, where the plan asks for it. */
  typed: string | null;
  /** Why a safeguard is passed over, where one is. */
  reason: string | null;
  /** The key of whoever asks, for a start without approvals; nothing for any other. */
  key: KeyRequest | null;
}

/** A rollout that is being written: what it does, in which waves, and the plan that came of it. */
export class Rollouts {
  #asked = 0;
  action = $state.raw<ActionRequest>({ kind: 'sync', nodes: { select: 'drifted' }, force: false });
  form = $state<RolloutForm>({ ...CAUTIOUS });
  stage = $state.raw<RolloutStage>({ at: 'form' });
  starting = $state(false);
  startError = $state.raw<AppError | null>(null);

  constructor(
    private readonly api: Api,
    private readonly fleet: () => string | null,
  ) {}

  /** Begins anew with an action and its nodes; how it goes over them is asked next. */
  begin(action: ActionRequest): void {
    if (this.starting) return;
    this.reset();
    this.action = { ...action, rollout: null };
  }

  /** A plan that was made elsewhere, to be looked at with those who must consent. */
  show(plan: PlanView): void {
    this.begin(plan.action);
    this.stage = { at: 'review', plan };
  }

  reset(): void {
    this.#asked += 1;
    this.action = { kind: 'sync', nodes: { select: 'drifted' }, force: false };
    this.form = { ...CAUTIOUS };
    this.edit();
  }

  /** Back to the fields; what was planned is planned anew. */
  edit(): void {
    this.#asked += 1;
    this.stage = { at: 'form' };
    this.startError = null;
  }

  prepare(rollout: RolloutRequest): Promise<void> {
    return this.#review((fleet) => this.api.preparePlan(fleet, { ...this.action, rollout }));
  }

  /** A plan that was shown before and waits for others. */
  look(planHash: string): Promise<void> {
    if (this.starting) return Promise.resolve();
    this.reset();
    return this.#review(async (fleet) => {
      const plan = await this.api.prepareKept(fleet, planHash);
      this.action = { ...plan.action, rollout: null };
      return plan;
    });
  }

  async #review(made: (fleet: string) => Promise<PlanView>): Promise<void> {
    const fleet = this.fleet();
    if (fleet === null || this.starting) return;
    const asked = (this.#asked += 1);
    this.startError = null;
    this.stage = { at: 'preparing' };
    try {
      const plan = await made(fleet);
      if (asked === this.#asked) this.stage = { at: 'review', plan };
    } catch (thrown) {
      if (asked === this.#asked) this.stage = { at: 'refused', error: appError(thrown) };
    }
  }

  /** Starts the reviewed plan once; a second press while it starts does nothing. Throws what stands in the way at night, when a dialog asks. */
  async start({ typed, reason, key }: StartWords): Promise<RunView | null> {
    if (this.stage.at !== 'review' || this.starting || !this.stage.plan.startable) return null;
    const { plan } = this.stage;
    this.starting = true;
    this.startError = null;
    try {
      const run = await (key === null ? this.api.startRun(plan.fleet, plan.hash, typed, reason) : this.api.startRunAtNight(plan.fleet, plan.hash, typed, reason ?? '', key));
      this.reset();
      return run;
    } catch (thrown) {
      if (key !== null) throw thrown;
      this.startError = appError(thrown);
      return null;
    } finally {
      this.starting = false;
    }
  }
}
