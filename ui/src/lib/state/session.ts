import { createContext } from 'svelte';
import type { QueryClient } from '@tanstack/svelte-query';
import type { ActionRequest, Api } from '$lib/api/api';
import { Clock } from './clock.svelte';
import { Commands, type Action } from './commands.svelte';
import { Planner } from './planner.svelte';
import { Prefs } from './prefs.svelte';
import { Rollouts } from './rollouts.svelte';
import { Route } from './route.svelte';
import { NodeSelection } from './selection.svelte';
import { Toasts } from './toasts.svelte';

/** What every part of the window shares. */
export class Session {
  readonly clock = new Clock();
  readonly commands = new Commands();
  readonly prefs = new Prefs();
  readonly route = new Route();
  readonly selection = new NodeSelection();
  readonly toasts = new Toasts();
  readonly planner: Planner;
  /** The rollout that is being written. */
  readonly rollouts: Rollouts;

  constructor(
    readonly api: Api,
    readonly queries: QueryClient,
    openFleet: () => string | null,
  ) {
    this.rollouts = new Rollouts(api, openFleet);
    this.planner = new Planner(api, this.toasts, openFleet, (plan) => {
      this.rollouts.show(plan);
      this.route.go('rollouts', { step: 'new' });
    });
  }

  /** Leads to the screen where a rollout of an action is written. */
  rollOut(action: ActionRequest): void {
    this.rollouts.begin(action);
    this.route.go('rollouts', { step: 'new' });
  }

  /** Copies text and says so. */
  async copy(text: string, what: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.toasts.say(`Copied ${what}`);
    } catch {
      this.toasts.say(`Could not copy ${what}`, { bad: true, hint: 'Select the text and press Ctrl+C.' });
    }
  }
}

export const [session, provideSession] = createContext<Session>();

/** Offers actions while a component lives. */
export function offer(to: Session, layer: number, actions: () => readonly Action[]): () => void {
  return to.commands.provide(layer, actions);
}
