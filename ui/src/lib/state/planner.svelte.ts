import type { ActionKind, ActionRequest, Api, AppError, NodeSelection, PlanView, RunView } from '$lib/api/api';
import { appError } from '$lib/api/api';
import { bypassOf } from '$lib/domain/plan.logic';
import type { Toasts } from './toasts.svelte';

export type Stage =
  | { at: 'closed' }
  | { at: 'version'; kind: ActionKind; nodes: NodeSelection }
  | { at: 'preparing'; request: ActionRequest }
  | { at: 'refused'; request: ActionRequest; error: AppError }
  | { at: 'review'; plan: PlanView };

/** From a wish to a run: prepares the plan, climbs the ladder of confirmation, follows what was started. */
export class Planner {
  stage = $state.raw<Stage>({ at: 'closed' });
  starting = $state(false);
  startError = $state.raw<AppError | null>(null);
  /** The run that is shown; a window follows one at a time. A former one is only looked at: its end is not told again. */
  followed = $state.raw<{ id: string; expanded: boolean; former?: boolean } | null>(null);
  /** The exact reverse of the newest finished run, while there is one. */
  undo = $state.raw<{ run: string; request: ActionRequest; fleet: string; title: string } | null>(null);
  #asked = 0;

  /** Name of the open fleet; empty where none is open. */
  get openFleet(): string {
    return this.fleet() ?? '';
  }

  constructor(
    private readonly api: Api,
    private readonly toasts: Toasts,
    private readonly fleet: () => string | null,
    /** Where a plan is looked at that others must consent to, or that takes a reason. */
    private readonly review: (plan: PlanView) => void,
  ) {}

  /** Asks for a version first: pinning, rolling back, resolving to one. */
  chooseVersion(kind: ActionKind, nodes: NodeSelection): void {
    if (!this.starting) this.stage = { at: 'version', kind, nodes };
  }

  async plan(request: ActionRequest): Promise<void> {
    const fleet = this.fleet();
    if (fleet === null || this.starting) return;
    const asked = (this.#asked += 1);
    this.startError = null;
    this.stage = { at: 'preparing', request };
    try {
      const plan = await this.api.preparePlan(fleet, request);
      const consent = plan.empty ? null : await this.api.planConsent(plan.hash);
      if (asked !== this.#asked) return;
      if (consent !== null || bypassOf(plan) !== null) {
        this.stage = { at: 'closed' };
        this.review(plan);
        return;
      }
      const calm = plan.findings.every((finding) => finding.severity === 'note');
      this.stage = { at: 'review', plan };
      if (plan.confirmation.level === 'undo' && plan.startable && calm) await this.start(null, false);
    } catch (thrown) {
      if (asked === this.#asked) this.stage = { at: 'refused', request, error: appError(thrown) };
    }
  }

  close(): void {
    if (this.starting) return;
    this.#asked += 1;
    this.stage = { at: 'closed' };
    this.startError = null;
  }

  /** Starts the reviewed plan once; a second press while it starts does nothing. */
  async start(typed: string | null, expanded = true): Promise<void> {
    if (this.stage.at !== 'review' || this.starting || !this.stage.plan.startable) return;
    const { plan } = this.stage;
    this.starting = true;
    this.startError = null;
    try {
      const run = await this.api.startRun(plan.fleet, plan.hash, typed, null);
      this.undo = null;
      this.followed = { id: run.id, expanded };
      this.stage = { at: 'closed' };
    } catch (thrown) {
      this.startError = appError(thrown);
    } finally {
      this.starting = false;
    }
  }

  /** Shows a run that goes on but was not started in this window, unless one is shown that goes on too. */
  pickUp(id: string): void {
    if (this.followed === null || this.followed.former === true) this.followed = { id, expanded: false };
  }

  /** Shows a run of the list; one that goes on is followed to its end. */
  look(run: RunView): void {
    this.followed = { id: run.id, expanded: true, former: run.ended_at_ms !== null || run.phase === 'interrupted' };
  }

  /** Hears that the followed run ended; offers its exact reverse. */
  ended(run: RunView): void {
    const { undo } = run;
    const bad = run.phase !== 'succeeded';
    this.undo = undo ? { run: run.id, request: undo, fleet: run.fleet, title: run.title } : null;
    // The unfolded panel tells the end and offers the undo itself.
    if (this.followed?.id === run.id && this.followed.expanded) return;
    this.toasts.say(`${run.title}: ${run.arrived} of ${run.total} arrived`, {
      hint: bad ? run.summary : undefined,
      bad,
      action: undo ? { title: 'Undo', key: 'u', run: () => this.runUndo() } : undefined,
    });
  }

  runUndo(): void {
    if (this.undo && this.undo.fleet === this.fleet()) void this.plan(this.undo.request);
  }
}
